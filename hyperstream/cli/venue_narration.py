"""What ``hyperstream simulate exchange`` says: to a person at a terminal, and to a pipe."""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol, TextIO

from attrs import define, field
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hyperstream.cli.venue_state import MarketLine, VenueState
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.testing.exchanges import Urls

PLAIN_SECONDS = 5.0
LIVE_SECONDS = 0.25
SHOWN_MARKETS = 20
SHOWN_NEWS = 8
_COLUMNS = (
    Column("market", 12),
    Column("bid", 10, right=True),
    Column("ask", 10, right=True),
    Column("last", 10, right=True),
    Column("change", 9, right=True, from_width=60),
    Column("trades/min", 10, right=True, from_width=75),
)


class VenueNarrator(Protocol):
    """Tells a venue's story; wants news every ``look_seconds``, and progress every ``progress_seconds``."""

    look_seconds: float
    progress_seconds: float

    def listening(self, name: str, urls: Urls) -> None:
        """Clients may come."""

    def news(self, line: str) -> None:
        """Something happened."""

    def progress(self, state: VenueState) -> None:
        """So it stands."""

    def summary(self, state: VenueState) -> None:
        """It is over."""


@define(eq=False)
class PlainVenueNarrator:
    """Lines for a pipe or a log."""

    stream: TextIO
    look_seconds: float = 0.5
    progress_seconds: float = PLAIN_SECONDS

    def listening(self, name: str, urls: Urls) -> None:
        """Say where, and which settings point the daemon here."""
        for line in introduction(name, urls):
            self._write(line)

    def news(self, line: str) -> None:
        """Say it."""
        self._write(line)

    def progress(self, state: VenueState) -> None:
        """Say how it stands, the first markets included."""
        markets = "  ".join(f"{line.label} {line.bid}/{line.ask}" for line in state.markets[:3])
        self._write(f"{clock(state.time_ms)}  {load(state)}  {markets}")

    def summary(self, state: VenueState) -> None:
        """Say what it came to."""
        self._write(totals(state))

    def _write(self, line: str) -> None:
        self.stream.write(f"{line}\n")
        self.stream.flush()


@define(eq=False)
class TerminalVenueNarrator:
    """A table that is redrawn, with the newest events under it."""

    console: Console
    live: Live
    look_seconds: float = LIVE_SECONDS
    progress_seconds: float = LIVE_SECONDS
    _grid: Grid = field(factory=lambda: Grid(_COLUMNS), init=False)
    _news: deque[str] = field(factory=lambda: deque(maxlen=SHOWN_NEWS), init=False)

    def listening(self, name: str, urls: Urls) -> None:
        """Say where, and which settings point the daemon here."""
        for line in introduction(name, urls):
            self.console.print(line, highlight=False, soft_wrap=True)

    def news(self, line: str) -> None:
        """Keep it for the next picture."""
        self._news.append(line)

    def progress(self, state: VenueState) -> None:
        """Redraw."""
        self.live.update(self.picture(state), refresh=True)

    def picture(self, state: VenueState) -> Text:
        """Return markets, load and the newest events."""
        markets = state.markets[:SHOWN_MARKETS]
        rows = [self._row(line) for line in markets]
        lines = [
            Text(f"{state.name}  {clock(state.time_ms)}  {load(state)}", style="bold"),
            self._grid.lay_out(rows, self.console.width, len(rows) + 1),
        ]
        if len(state.markets) > len(markets):
            lines.append(Text(f"… and {len(state.markets) - len(markets)} markets more", style="dim"))
        lines += [Text(line, style="yellow" if line.startswith("trouble") else "dim") for line in self._news]
        picture = Text("\n").join(lines)
        picture.no_wrap, picture.overflow = True, "ellipsis"
        return picture

    def summary(self, state: VenueState) -> None:
        """Say what it came to, below the last picture."""
        self.live.update(self.picture(state), refresh=True)
        self.live.stop()
        self.console.print(totals(state), highlight=False)

    @staticmethod
    def _row(line: MarketLine) -> list[Text]:
        change = Text(f"{line.change_bps / 100:+.3f} %", style="green" if line.change_bps >= 0 else "red")
        return [
            Text(line.label),
            Text(line.bid, style="green"),
            Text(line.ask, style="red"),
            Text(line.last, style="green" if line.is_buy else "red"),
            change,
            Text(str(line.trades)),
        ]


def introduction(name: str, urls: Urls) -> list[str]:
    """Return the addresses, and the command that points a daemon at them."""
    kinds = (("stream", urls.stream), ("spot", urls.spot), ("public", urls.public), ("market", urls.market))
    lines = [f"{name:<12} {kind:<8} {url}" for kind, url in (*kinds, ("rest", urls.info or urls.rest)) if url]
    options = [f"--set {setting}={value}" for setting, value in urls.settings.items()]
    return [*lines, "point the daemon here with:", *(f"  {option}" for option in options)]


def clock(time_ms: int) -> str:
    """Return the time of day, UTC."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%H:%M:%S")


def load(state: VenueState) -> str:
    """Return clients, streams, messages and trouble."""
    said = (
        f"{state.clients} {'client' if state.clients == 1 else 'clients'}  {state.streams} streams"
        f"  {state.messages_per_second:,.0f} messages/s"
    )
    return f"{said}  trouble: {sum(state.trouble.values())}" if state.trouble else said


def totals(state: VenueState) -> str:
    """Return what it came to."""
    trouble = ", ".join(
        f"{kind.replace('_', ' ')} {count:,}" for kind, count in sorted(state.trouble.items())
    )
    said = (
        f"stopped after {state.seconds:.1f} s: {state.messages:,} messages, {state.requests:,} requests, "
        f"{state.expelled:,} clients expelled"
    )
    return f"{said}; trouble: {trouble}" if trouble else said


@contextmanager
def narration() -> Iterator[VenueNarrator]:
    """Yield the narrator that suits standard output."""
    console = Console()
    if not console.is_terminal:
        yield PlainVenueNarrator(sys.stdout)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield TerminalVenueNarrator(console, live)
