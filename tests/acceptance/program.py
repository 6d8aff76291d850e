"""The installed program as a process: its arguments, signals, exit code and what it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

PATIENCE_SECONDS = 60.0
VENUES = ("BINANCE", "BINANCE_FUTURES", "HYPERLIQUID", "BYBIT")


def command() -> list[str]:
    """How the program is called: the console script of this environment, or the module."""
    script = Path(sys.executable).with_name("hyperstream")
    return [str(script)] if script.exists() else [sys.executable, "-m", "hyperstream"]


def environment() -> dict[str, str]:
    """This process's environment without what configures hyperstream or colours it, and without feeds."""
    foreign = ("HYPERSTREAM_", "FORCE_", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {f"HYPERSTREAM_FEEDS__{venue}__ENABLED": "false" for venue in VENUES}


class Program:
    """A running ``hyperstream``; threads collect what it writes. Use it as a context manager."""

    def __init__(
        self, *arguments: str, start: list[str] | None = None, descriptors: Sequence[int] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [*(start or command()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            pass_fds=descriptors,
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._open_pipes = 2
        pipes = ((self.process.stdout, self.output), (self.process.stderr, self.errors))
        self._threads = [
            threading.Thread(target=self._collect, args=pair, daemon=True, name="pipe") for pair in pipes
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill it, if it still runs, and let go of its pipes."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def _collect(self, pipe: IO[str], lines: list[str]) -> None:
        with pipe:
            for line in pipe:
                with self._changed:
                    lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._open_pipes -= 1
            self._changed.notify_all()

    def wait_for(
        self, is_wanted: Callable[[str], object], what: str, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Return the first line, of either pipe, that is wanted."""

        def found() -> str | None:
            return next((line for line in (*self.output, *self.errors) if is_wanted(line)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or not self._open_pipes, seconds)
            line = found()
        if line is None:
            raise AssertionError(f"{what} was never written:\n{self.told()}")
        return line

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return the exit code; everything written has been collected by then."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program does not end:\n{self.told()}") from None
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        return code

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it stand still for a while, as a machine does that has no time for it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def told(self) -> str:
        """Everything written so far."""
        return "".join((*self.output, *self.errors))


class Daemon(Program):
    """``hyperstream run`` with settings such as ``{"node.data_dir": path}``; logs are JSON."""

    def __init__(
        self, settings: dict[str, Any], *, start: list[str] | None = None, descriptors: Sequence[int] = ()
    ) -> None:
        ports = {
            "grpc.listen": "127.0.0.1:0",
            "websocket.listen": "127.0.0.1:0",
            "http.listen": "127.0.0.1:0",
        }
        chosen = {**ports, "node.snapshot_retry_seconds": 0.1, **settings}
        arguments = [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]
        super().__init__("run", *arguments, start=start, descriptors=descriptors)

    def wait_event(self, event: str) -> dict[str, Any]:
        """Return the first log entry of this name."""
        line = self.wait_for(lambda line: _entry(line).get("event") == event, f"the event {event!r}")
        return _entry(line)

    def entries(self, level: str | None = None) -> list[dict[str, Any]]:
        """The log so far, or what of it has this level."""
        told = [_entry(line) for line in self.errors]
        return [entry for entry in told if level is None or entry.get("level") == level]

    def port(self) -> int:
        """Return the port of its gRPC server, once it listens."""
        return int(self.wait_event("gRPC is listening")["port"])

    def gateway_port(self) -> int:
        """Return the port of its WebSocket gateway, once it listens."""
        return int(self.wait_event("the WebSocket gateway is listening")["port"])


def _entry(line: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": line}
    return entry if isinstance(entry, dict) else {"event": line}


@contextmanager
def simulated_node(data_dir: Path, *arguments: str) -> Iterator[tuple[Program, str]]:
    """Run ``hyperstream simulate node`` with an info server; yields it and the server's address."""
    with Program("simulate", "node", "--data-dir", str(data_dir), "--info-port", "0", *arguments) as node:
        line = node.wait_for(lambda line: line.startswith("info "), "the info server's address")
        yield node, line.split()[1]


def run(*arguments: str) -> Program:
    """Run a command to its end; see ``process.returncode``, ``output`` and ``errors``."""
    with Program(*arguments) as program:
        program.wait()
        return program
