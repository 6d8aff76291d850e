"""Where the events go: a live screen, plain lines, or JSON lines.

Lines are written by a thread, a batch at a time: a pipe whose reader pauses must not keep
the program from hearing Ctrl-C or the end of its time.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import trio
from attrs import define
from rich.console import Console
from rich.live import Live

from hyperstream.cli.views.books import BooksView
from hyperstream.cli.views.view import View
from hyperstream.cli.watch.json_lines import book_line, event_line, missed_line

FRAME_SECONDS = 0.1


class EnoughError(Exception):
    """As many events as asked for have been handled."""


@define(eq=False)
class Countdown:
    """Ends the command after ``remaining`` events; None never does."""

    remaining: int | None

    def allow(self, wanted: int) -> int:
        """Return how many of ``wanted`` are still to be handled."""
        return wanted if self.remaining is None else min(wanted, self.remaining)

    def spend(self, handled: int) -> None:
        """Count events; raises EnoughError at the last."""
        if self.remaining is not None:
            self.remaining -= handled
            if self.remaining <= 0:
                raise EnoughError


@define(eq=False)
class ScreenOutput:
    """Feeds the view; ``draw`` shows it."""

    view: View
    countdown: Countdown
    clock_ns: Callable[[], int] = time.time_ns

    async def receive(self, events: Sequence[Any]) -> bool:
        """Apply the events; True asks for a new subscription."""
        now_ns = self.clock_ns()
        events = events[: self.countdown.allow(len(events))]
        needs_fresh = False
        for event in events:
            needs_fresh = self.view.apply(event, now_ns) or needs_fresh
        self.countdown.spend(len(events))
        return needs_fresh


async def draw(view: View, console: Console, clock_ns: Callable[[], int] = time.time_ns) -> None:
    """Draw the view ten times a second on the alternate screen, until cancelled."""
    with Live(
        console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    ) as live:
        while True:
            width, height = console.size
            live.update(view.render(width, height, clock_ns()), refresh=True)
            await trio.sleep(FRAME_SECONDS)


@define(eq=False)
class LineOutput:
    """Writes lines for events: plain ones, or JSON. Flushes after every batch.

    With ``is_full`` (books as JSON) a snapshot or delta is not written itself; the book
    rebuilt with it is.
    """

    view: View
    stream: BinaryIO
    countdown: Countdown
    is_json: bool = False
    is_full: bool = False
    clock_ns: Callable[[], int] = time.time_ns

    async def receive(self, events: Sequence[Any]) -> bool:
        """Write the events; True asks for a new subscription. Raises BrokenPipeError."""
        now_ns = self.clock_ns()
        lines: list[bytes] = []
        needs_fresh = False
        for event in events:
            if self.countdown.allow(len(lines) + 1) <= len(lines):
                break
            needs_fresh = self.view.apply(event, now_ns) or needs_fresh
            lines += self._lines(event)
        lines = lines[: self.countdown.allow(len(lines))]
        await write(self.stream, b"".join(lines))
        self.countdown.spend(len(lines))
        return needs_fresh

    def _lines(self, event: Any) -> list[bytes]:
        if not self.is_json:
            return [f"{line}\n".encode() for line in self.view.lines(event)]
        kind = event.WhichOneof("event")
        if not (self.is_full and isinstance(self.view, BooksView) and kind in ("snapshot", "delta")):
            return [event_line(event)]
        body = getattr(event, kind)
        book = self.view.ladders[body.symbol].book
        if book.is_current:
            return [book_line(book, body.market_id if body.HasField("market_id") else None)]
        return [missed_line(book, body.previous_sequence)]


async def write(stream: BinaryIO, data: bytes) -> None:
    """Write and flush in a thread; a cancelled call leaves the thread behind."""

    def write_now() -> None:
        stream.write(data)
        stream.flush()

    if data:
        await trio.to_thread.run_sync(write_now, abandon_on_cancel=True)
