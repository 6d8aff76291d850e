"""The command line: one file per command, loaded when it is asked for.

Exit codes: 0 drained, 1 forced or failed, 2 bad configuration or usage.
"""

import importlib

import click

# With the sentence that its own help begins with: to list the commands, none of them is loaded.
COMMANDS = {
    "run": "Read a node's files and serve its order books over gRPC until told to stop.",
    "demo": "Show all of it at work: fake node, fake exchanges, daemon, live view.",
    "watch": "Look at books, trades, orders, stops, prices, marks and indicators as a server streams them.",
    "simulate": "Imitate a node or an exchange, with trouble on request.",
    "replay": "Play recorded node files from DIR through the daemon, and say what the books came to.",
    "doctor": "Check what a daemon needs, from the node's flags to the clock, and say what to do.",
    "config": "Look at the configuration: what is in effect, whether it is right, what there is to set.",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when it is run, so ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"hyperstream.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperstream")
def main() -> None:
    """Market data from a Hyperliquid node: order books, trades and orders over gRPC.

    \b
    Try:  hyperstream demo
          hyperstream run --config /etc/hyperstream/hyperstream.toml
          hyperstream watch book BTC
    """
