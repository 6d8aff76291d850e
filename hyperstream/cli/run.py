"""``hyperstream run``: the daemon in the foreground."""

import signal
import sys
from pathlib import Path

import click

from hyperstream.cli.exits import config_option, load_or_exit, run_to_exit_code, set_option
from hyperstream.logs import set_up


@click.command("run")
@config_option
@set_option
def command(config_file: Path | None, overrides: tuple[str, ...]) -> None:
    """Read a node's files and serve its order books over gRPC until told to stop.

    The first SIGINT or SIGTERM drains: every stream is told and ends in order. The second forces.
    Exit code 0 is drained, 1 forced or failed, 2 bad configuration.

    \b
    Example:  hyperstream run --config /etc/hyperstream/hyperstream.toml
              hyperstream run --set node.data_dir=~/hl/data --set grpc.listen=127.0.0.1:50052
    """
    settings = load_or_exit(config_file, overrides).settings
    set_up(settings.log)
    from hyperstream.app import run  # here, so that a bad configuration is told at once

    code = run_to_exit_code(run, settings)
    # Only the interpreter has to end now: a signal that comes late must not change the exit code.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)
