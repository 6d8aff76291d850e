"""Help of every command: quick to print, with an example, in the same words everywhere."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hyperstream.cli import COMMANDS, main


def paths(group: click.Group, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words that lead to each command, the groups among them."""
    found = [above]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += paths(command, (*above, name))
        else:
            found.append((*above, name))
    return found


@pytest.mark.parametrize("path", paths(main), ids=lambda path: " ".join(path) or "hyperstream")
def test_every_help_exits_with_0_and_has_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="hyperstream")
    assert result.exit_code == 0
    usage, _, after_usage = result.output.partition("\n")
    assert usage.startswith(" ".join(("Usage: hyperstream", *path)))
    assert " ".join(("hyperstream", *path, "")) in after_usage, "no example"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help is not None
    assert " ".join(command.help.split()).startswith(COMMANDS[name])


def test_to_list_the_commands_none_of_them_is_loaded() -> None:
    program = """
import sys
from hyperstream.cli import main
main(["--help"], standalone_mode=False)
print(*(name for name in sys.modules if name.startswith("hyperstream.")), sep="\\n")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert "Commands:" in lines
    assert [line for line in lines if line.startswith("hyperstream.")] == ["hyperstream.cli"]
