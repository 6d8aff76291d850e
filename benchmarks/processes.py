"""Starting, asking and ending the processes of a benchmark: generator, daemon, clients."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import orjson
import trio
from attrs import define, field

from benchmarks.material import ROOT

START_SECONDS = 300.0
END_SECONDS = 20.0
LINES_KEPT = 200
# Settings of a daemon that asks no exchange.
NO_FEEDS = {
    f"feeds.{venue}.enabled": "false" for venue in ("binance", "binance_futures", "hyperliquid", "bybit")
}
_LEVELS_OF_TROUBLE = ("warning", "error", "critical")


@define(eq=False)
class LineReader:
    """Lines of a byte stream."""

    stream: trio.abc.ReceiveStream
    _buffer: bytearray = field(factory=bytearray)

    async def line(self) -> bytes:
        """Return the next line without its newline, empty at the end of the stream."""
        while (end := self._buffer.find(b"\n")) < 0:
            chunk = await self.stream.receive_some()
            if not chunk:
                return b""
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        await trio.lowlevel.checkpoint()
        return line


@define(eq=False)
class Program:
    """A process that answers lines of JSON with lines of JSON."""

    name: str
    process: trio.Process
    _answers: LineReader = field(init=False)

    def __attrs_post_init__(self) -> None:
        assert self.process.stdout is not None
        self._answers = LineReader(self.process.stdout)

    async def answer(self) -> dict[str, Any]:
        """Return the next answer; raises ClickException if the process ended instead."""
        with trio.fail_after(START_SECONDS):
            line = await self._answers.line()
        if not line:
            raise click.ClickException(f"the {self.name} ended early; its error output says why")
        return orjson.loads(line)  # type: ignore[no-any-return]

    async def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question and return the answer."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(orjson.dumps(question) + b"\n")
        return await self.answer()


def give_core(program: Program, number: int) -> None:
    """Keep a program on one core, where there are several: programs that wake each other often share one."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(program.process.pid, {cores[number % len(cores)]} if len(cores) > 1 else cores)


@define(eq=False)
class Daemon:
    """``hyperstream run`` in a process: its ports of both servers. ``troubles`` are its newest warnings."""

    process: trio.Process
    port: int = 0
    websocket_port: int = 0
    troubles: deque[str] = field(factory=lambda: deque(maxlen=LINES_KEPT))
    _log: LineReader = field(init=False)

    def __attrs_post_init__(self) -> None:
        assert self.process.stderr is not None
        self._log = LineReader(self.process.stderr)

    async def wait_listening(self) -> None:
        """Wait until it says where it listens."""
        with trio.fail_after(START_SECONDS):
            while True:
                is_alive = await self._read_log()
                if self.port and self.websocket_port:
                    return
                if not is_alive:
                    raise click.ClickException("the daemon ended early: " + "; ".join(self.troubles))

    async def follow_log(self) -> None:
        """Read what it logs until it ends."""
        while await self._read_log():
            pass

    async def _read_log(self) -> bool:
        line = await self._log.line()
        if not line:
            return False
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.troubles.append(line.decode(errors="replace"))
            return True
        if entry.get("level") in _LEVELS_OF_TROUBLE:
            self.troubles.append(line.decode(errors="replace"))
        if entry.get("event") == "gRPC is listening":
            self.port = entry["port"]
        elif entry.get("event") == "the WebSocket gateway is listening":
            self.websocket_port = entry["port"]
        return True

    @property
    def target(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def run_program(module: str, *arguments: str | Path) -> AsyncIterator[Program]:
    """Run a module of this package; ended at the end of the block."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        yield Program(module, process)
    finally:
        with trio.move_on_after(2 * END_SECONDS, shield=True):
            await _end(process)


@asynccontextmanager
async def run_daemon(
    data_dir: Path, snapshot: Path, layout: str, *, profile: Path | None = None, stages: Path | None = None
) -> AsyncIterator[Daemon]:
    """Run the daemon over the node's files, as `start_daemon` does."""
    settings = {
        "node.data_dir": data_dir,
        "node.snapshot": snapshot,
        "node.layout": layout,
        "node.info_url": "http://127.0.0.1:9/info",  # nobody answers there: ids stay unknown
        **NO_FEEDS,
    }
    async with start_daemon(settings, profile=profile, stages=stages) as daemon:
        yield daemon


@asynccontextmanager
async def start_daemon(
    settings: dict[str, Any], *, profile: Path | None = None, stages: Path | None = None
) -> AsyncIterator[Daemon]:
    """Run the daemon on free ports with these settings; drained at the end of the block.

    ``profile`` runs it under cProfile and writes the statistics there. ``stages`` runs it with clocks round
    its stages (benchmarks/stages.py), which write there.
    """
    program = ["-m", "hyperstream"]
    if profile is not None:
        program = ["-m", "cProfile", "-o", str(profile), *program]
    elif stages is not None:
        program = ["-m", "benchmarks.stages", str(stages)]
    settings = {
        "grpc.listen": "127.0.0.1:0",
        "websocket.listen": "127.0.0.1:0",
        "http.listen": "127.0.0.1:0",
        "log.format": "json",
        **settings,
    }
    command = [sys.executable, *program, "run", *_set_options(settings)]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, cwd=ROOT)
    daemon = Daemon(process)
    try:
        await daemon.wait_listening()
        yield daemon
    finally:
        with trio.move_on_after(2 * END_SECONDS, shield=True):
            await _end(process)


def _set_options(settings: dict[str, Any]) -> Sequence[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


async def _end(process: trio.Process) -> None:
    """Ask the process to end, and kill it if it does not."""
    if process.stdin is not None:
        await process.stdin.aclose()
    if process.returncode is None:
        process.terminate()
    with trio.move_on_after(END_SECONDS):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def answer(figures: object) -> None:
    """Answer whoever started this process: one line of JSON on standard output."""
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
