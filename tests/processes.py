"""``hyperstream`` as a process that is gone when the test is, however the test ends."""

import codecs
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

PATIENCE_SECONDS = 60


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Start the program; ``options`` are those of ``subprocess.Popen``."""
    command = [sys.executable, "-m", "hyperstream", *arguments]
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def printing(*arguments: str, **options: Any) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """Start the program; yields it and what it prints."""
    with started(*arguments, stdout=subprocess.PIPE, **options) as process:
        assert process.stdout is not None
        yield process, process.stdout


def run_on_terminal(*arguments: str, seen: Callable[[str], object] = len) -> tuple[int, str]:
    """Run the program on a terminal of its own to its end; returns the exit code and all it drew.

    ``seen`` is called with everything so far whenever there is more.
    """
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    drawn, decoder = "", codecs.getincrementaldecoder("utf-8")()
    with started(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other side of a terminal is closed
                break
            drawn += decoder.decode(part)
            seen(drawn)
        os.close(ours)
        return process.wait(PATIENCE_SECONDS), drawn
