"""Runs every benchmark, each in a process of its own: what one leaves behind must not slow the next."""

import subprocess
import sys

import click

from benchmarks.material import ROOT
from benchmarks.report import json_option

BENCHMARKS = (
    "ingest",
    "apply",
    "prices",
    "feed",
    "end_to_end",
    "fanout",
    "storm",
    "memory",
    "startup",
    "collector",
    "attacks",
    "session",
    "attacks_websocket",
)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(BENCHMARKS))
@json_option
def main(names: tuple[str, ...], as_json: bool) -> None:
    """Run the benchmarks named, or all of them, with their default settings."""
    failed = []
    for name in names or BENCHMARKS:
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--json"] if as_json else [])]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    if failed:
        raise click.ClickException(f"these could not be run to their end: {', '.join(failed)}")


if __name__ == "__main__":
    main()
