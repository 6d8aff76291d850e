"""``hyperstream doctor``: what stands between these settings and a daemon that works."""

import sys
from pathlib import Path

import click
import orjson
import trio
from attrs import asdict
from rich.console import Console
from rich.text import Text

from hyperstream.cli.checkup import BAD, GOOD, WARNING, Finding, look
from hyperstream.cli.exits import config_option, load_or_exit, set_option

_MARKS = {GOOD: ("✓", "green"), WARNING: ("!", "yellow"), BAD: ("✗", "red")}


@click.command("doctor")
@config_option
@set_option
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line.")
def command(config_file: Path | None, overrides: tuple[str, ...], is_json: bool) -> None:
    """Check what a daemon needs, from the node's flags to the clock, and say what to do.

    Looks only, and changes nothing. Run it as the user that will run the daemon, while no daemon runs
    with these settings. Exit code 0 is nothing bad, 1 something is, 2 bad configuration.

    \b
    Example:  hyperstream doctor --config /etc/hyperstream/hyperstream.toml
    """
    settings = load_or_exit(config_file, overrides).settings
    findings = trio.run(look, settings)
    if is_json:
        for finding in findings:
            click.echo(orjson.dumps(asdict(finding)))
    else:
        _show(findings)
    sys.exit(any(finding.verdict == BAD for finding in findings))


def _show(findings: list[Finding]) -> None:
    """A line for each finding, and under it what to do."""
    console = Console(highlight=False, soft_wrap=True)
    width = max((len(finding.what) for finding in findings), default=0)
    for finding in findings:
        mark, colour = _MARKS[finding.verdict]
        line = Text(f"{mark} ", style=colour)
        line.append(f"{finding.what:<{width}}  ", style="bold").append(finding.seen, style="default")
        console.print(line)
        if finding.advice:
            console.print(Text(f"  {'':<{width}}  → {finding.advice}", style=colour))
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in _MARKS}
    console.print(f"\n{counts[GOOD]} good, {counts[WARNING]} to know, {counts[BAD]} to mend")
