"""``hyperstream config``: show what is in effect, check a file, print its schema."""

import json
from pathlib import Path

import click

from hyperstream.cli.exits import load_or_exit, set_option
from hyperstream.config import Settings
from hyperstream.settings.rendering import as_markdown, as_schema, as_toml

_file = click.argument("file", type=click.Path(path_type=Path), required=False)


@click.group("config")
def command() -> None:
    """Look at the configuration: what is in effect, whether it is right, what there is to set.

    \b
    Example:  hyperstream config check /etc/hyperstream/hyperstream.toml
    """


@command.command()
@_file
@set_option
def show(file: Path | None, overrides: tuple[str, ...]) -> None:
    """Print the configuration in effect as TOML, and where each value came from.

    \b
    Example:  hyperstream config show /etc/hyperstream/hyperstream.toml --set log.level=debug
    """
    effective = load_or_exit(file, overrides)
    unset = {"node.snapshot_file": effective.settings.node.snapshot_output}
    click.echo(as_toml(effective.settings, effective.origins, unset), nl=False)


@command.command()
@_file
@set_option
def check(file: Path | None, overrides: tuple[str, ...]) -> None:
    """Say "ok", or everything that is wrong with FILE and the environment (exit code 2).

    \b
    Example:  hyperstream config check /etc/hyperstream/hyperstream.toml
    """
    load_or_exit(file, overrides)
    click.echo("ok")


@command.command()
@click.option("--markdown", "is_markdown", is_flag=True, help="Print docs/configuration.md instead.")
def schema(is_markdown: bool) -> None:
    """Print the JSON Schema of the file, so that editors complete and explain it.

    \b
    Example:  hyperstream config schema > hyperstream.schema.json
    """
    text = as_markdown(Settings()) if is_markdown else json.dumps(as_schema(Settings()), indent=2) + "\n"
    click.echo(text, nl=False)


@command.command()
@click.argument("name")
def key(name: str) -> None:
    """Make an API key: the key goes to standard error, its entry for the file of keys to standard output.

    The key is shown once and kept nowhere; the entry holds its hash. Limits may be added to the entry:
    streams, connections, markets, bytes_per_second.

    \b
    Example:  hyperstream config key desk-1 >> /etc/hyperstream/keys.toml
    """
    from hyperstream.servers.door.keys import key_entry, make_key

    text = make_key()
    click.echo(key_entry(name, text), nl=False)
    click.echo(f"The key of {name}, shown this once: {text}", err=True)
