"""The command line: one file per command, loaded when it is asked for.

Exit codes: 0 drained, 1 forced or failed, 2 bad configuration or usage.
"""

import importlib

import click

COMMANDS = {
    "run": "hyperstream.cli.run",
    "demo": "hyperstream.cli.demo",
    "watch": "hyperstream.cli.watch",
    "simulate": "hyperstream.cli.simulate",
    "replay": "hyperstream.cli.replay",
    "config": "hyperstream.cli.config",
}


class _LazyGroup(click.Group):
    """Imports a command's module only when it is run, so ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperstream")
def main() -> None:
    """Market data from a Hyperliquid node: order books, trades and orders over gRPC.

    \b
    Try:  hyperstream demo
          hyperstream run --config /etc/hyperstream/hyperstream.toml
          hyperstream watch book BTC
    """
