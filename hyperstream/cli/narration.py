"""What ``hyperstream replay`` says: to a person at a terminal, to a pipe, to a program.

One class for each; all hear the same few things: listening, progress, notes, the summary, the end.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

import orjson
from attrs import asdict, define, field, frozen
from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PROGRESS_SECONDS = 1.0
TERMINAL_PROGRESS_SECONDS = 0.1
SHOWN_MARKETS = 40


@frozen
class State:
    """How far a replay is. ``part`` runs from 0 to 1; heights are the player's and the daemon's."""

    part: float
    blocks: int
    blocks_per_second: float
    played_height: int
    height: int
    doubtful: int


@frozen
class MarketSummary:
    """A market at the end; prices are the venue's digits, None for an empty side."""

    symbol: str
    best_bid: str | None
    best_ask: str | None
    orders: int
    doubt: str


@frozen
class Summary:
    """What a replay came to. ``is_caught_up`` is false if the daemon did not reach the last block played.

    ``problem`` says what was wrong with the first of the ``unreadable_lines``; ``snapshot_height`` is that of
    the snapshot from which books began.
    """

    seconds: float
    blocks: int
    events: int
    unreadable_lines: int
    played_height: int
    height: int
    is_caught_up: bool
    markets: tuple[MarketSummary, ...]
    counts: dict[str, int]
    problem: str = ""
    snapshot_height: int | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to play, or nothing of it was news to the books."""
        return not self.blocks or self.played_height <= (self.snapshot_height or 0)

    @property
    def doubtful(self) -> list[MarketSummary]:
        """The markets whose books may be wrong."""
        return [market for market in self.markets if market.doubt]

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        if not self.blocks:
            return f"Nothing was played: {self.problem or 'the recorded files hold no line'}."
        if self.is_nothing:
            return (
                f"Nothing was applied: the snapshot stands at block {self.snapshot_height}, the recording "
                f"ends with {self.played_height}. Take a snapshot from before its last block."
            )
        if not self.is_caught_up:
            return f"The daemon stands at height {self.height} and did not reach {self.played_height}."
        if self.doubtful:
            return (
                f"{len(self.doubtful)} of {len(self.markets)} markets are DOUBTFUL: their books may be wrong."
            )
        return f"All {len(self.markets)} books are sound at height {self.height}."

    @property
    def is_sound(self) -> bool:
        """Whether every block arrived and every book is to be trusted."""
        return self.is_caught_up and not self.is_nothing and not self.doubtful


class Narrator(Protocol):
    """Tells a replay's story. ``progress_seconds`` is how often it wants to hear of progress."""

    progress_seconds: float

    def listening(self, address: str, recording: str) -> None:
        """Subscribers may come to ``address``."""

    def progress(self, state: State) -> None:
        """It got this far."""

    def note(self, text: str) -> None:
        """Say something that matters."""

    def summary(self, summary: Summary) -> None:
        """All blocks were played."""


@define(eq=False)
class JsonNarrator:
    """One JSON object per line, ``type`` first."""

    stream: TextIO
    progress_seconds: float = PROGRESS_SECONDS

    def listening(self, address: str, recording: str) -> None:
        """Say where."""
        self._write("listening", address=address, recording=recording)

    def progress(self, state: State) -> None:
        """Say how far."""
        self._write("progress", **asdict(state))

    def note(self, text: str) -> None:
        """Say it."""
        self._write("note", text=text)

    def summary(self, summary: Summary) -> None:
        """Say everything."""
        self._write("summary", verdict=summary.verdict, is_sound=summary.is_sound, **asdict(summary))

    def _write(self, kind: str, **fields: Any) -> None:
        self.stream.write(orjson.dumps({"type": kind, **fields}, option=orjson.OPT_APPEND_NEWLINE).decode())
        self.stream.flush()


@define(eq=False)
class PlainNarrator:
    """Lines for a pipe or a log."""

    stream: TextIO
    progress_seconds: float = PROGRESS_SECONDS

    def listening(self, address: str, recording: str) -> None:
        """Say where, and how to look."""
        self._write(f"replaying {recording}; watch it with: hyperstream watch bbo '*' --target {address}")

    def progress(self, state: State) -> None:
        """Say how far."""
        doubtful = f"  {state.doubtful} doubtful" if state.doubtful else ""
        self._write(
            f"{state.part:4.0%}  height {state.height}  {state.blocks} blocks"
            f"  {state.blocks_per_second:.1f} blocks/s{doubtful}"
        )

    def note(self, text: str) -> None:
        """Say it."""
        self._write(text)

    def summary(self, summary: Summary) -> None:
        """Say what it came to, every market on its line."""
        self._write(_totals(summary))
        for market in summary.markets:
            doubt = f"  DOUBTFUL: {market.doubt}" if market.doubt else ""
            self._write(
                f"{market.symbol:<14} bid {market.best_bid or '-':>14}  ask {market.best_ask or '-':>14}"
                f"  {market.orders:>8,} orders{doubt}"
            )
        for cause, count in sorted(summary.counts.items()):
            self._write(f"{cause}: {count:,}")
        if summary.problem and summary.blocks:
            self._write(f"unreadable: {summary.problem}")
        self._write(summary.verdict)

    def _write(self, line: str) -> None:
        self.stream.write(f"{line}\n")
        self.stream.flush()


@define(eq=False)
class TerminalNarrator:
    """A progress bar, and a table at the end."""

    console: Console
    bar: Progress
    progress_seconds: float = TERMINAL_PROGRESS_SECONDS
    _task: TaskID | None = field(default=None, init=False)

    def listening(self, address: str, recording: str) -> None:
        """Say where, and how to look."""
        self.console.print(f"Replaying [bold]{recording}[/bold]", highlight=False)
        self.console.print(
            f"Watch it with: [bold]hyperstream watch bbo '*' --target {address}[/bold]", highlight=False
        )
        self._task = self.bar.add_task("", total=1.0, height="", rate="")

    def progress(self, state: State) -> None:
        """Move the bar."""
        if self._task is not None:
            doubtful = f"  [red]{state.doubtful} doubtful[/red]" if state.doubtful else ""
            rate = f"{state.blocks_per_second:,.1f} blocks/s{doubtful}"
            self.bar.update(self._task, completed=state.part, height=f"height {state.height}", rate=rate)

    def note(self, text: str) -> None:
        """Say it above the bar."""
        self.console.print(Text(text, style="bold"))

    def summary(self, summary: Summary) -> None:
        """Draw the table."""
        self.bar.stop()
        table = Table(
            "market", "best bid", "best ask", "orders", "doubt", header_style="bold", box=None, pad_edge=False
        )
        for column in table.columns[1:4]:
            column.justify = "right"
        largest = sorted(summary.markets, key=lambda market: (not market.doubt, -market.orders))
        for market in largest[:SHOWN_MARKETS]:
            table.add_row(
                Text(market.symbol),
                Text(market.best_bid or "-", style="green"),
                Text(market.best_ask or "-", style="red"),
                f"{market.orders:,}",
                Text(market.doubt, style="bold red"),
            )
        self.console.print(table)
        if len(largest) > SHOWN_MARKETS:
            self.console.print(f"… and {len(largest) - SHOWN_MARKETS} markets more; --json tells all")
        for cause, count in sorted(summary.counts.items()):
            self.console.print(Text(f"{cause}: {count:,}", style="yellow"))
        if summary.problem and summary.blocks:
            self.console.print(Text(f"unreadable: {summary.problem}", style="yellow"))
        self.console.print(_totals(summary), highlight=False)
        self.console.print(
            Text(summary.verdict, style="bold green" if summary.is_sound else "bold white on red")
        )


def _totals(summary: Summary) -> str:
    rate = summary.blocks / summary.seconds if summary.seconds > 0 else 0.0
    unreadable = f", {summary.unreadable_lines} unreadable lines" if summary.unreadable_lines else ""
    return (
        f"{summary.blocks:,} blocks, {summary.events:,} events, {len(summary.markets)} markets"
        f"{unreadable} in {summary.seconds:.1f} s ({rate:,.1f} blocks/s)"
    )


@contextmanager
def narration(*, is_json: bool) -> Iterator[tuple[Narrator, TextIO]]:
    """Yield the narrator that suits standard output, and the stream logs should go to meanwhile.

    While a bar is drawn, logs are written above it.
    """
    if is_json:
        yield JsonNarrator(sys.stdout), sys.stderr
        return
    console = Console()
    if not console.is_terminal:
        yield PlainNarrator(sys.stdout), sys.stderr
        return
    bar = Progress(
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[height]}  {task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        logs = FileProxy(console, sys.stderr) if sys.stderr.isatty() else sys.stderr
        yield TerminalNarrator(console, bar), logs  # type: ignore[misc] # a FileProxy is a TextIO in all but name
