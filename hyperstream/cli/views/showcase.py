"""The screen of ``hyperstream demo``: what this is, a ladder, best prices, trades, rates."""

from collections.abc import Mapping

from attrs import define, field
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from hyperstream.cli.client_book import ClientBook
from hyperstream.cli.views.bbo import BboView
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Beside
from hyperstream.cli.views.ladder import Ladder
from hyperstream.cli.views.numbers import MILLISECOND, SECOND, compact, fixed
from hyperstream.cli.views.prices import PricesView
from hyperstream.cli.views.rates import Percentiles, Rate
from hyperstream.cli.views.tape import TapeView
from hyperstream.v1 import orderbook_pb2, price_pb2

EXPLANATION = (
    ("fake node → files → daemon → gRPC → this view", "one process, no network"),
    ("A made-up exchange writes a Hyperliquid node's files; others speak WebSocket.", ""),
    ("The daemon keeps every book, computes indicators and streams each change to you.", ""),
)
_EXPLANATION_HEIGHT = len(EXPLANATION) + 2
_ROOM_FOR_PRICES = 24  # lines below the explanation: with fewer, books and trades are all there is


@define(eq=False)
class Showcase:
    """Everything the demo has received; ``symbol`` is the market with the ladder.

    ``latency`` holds nanoseconds from the node writing a line to the event arriving here.
    """

    symbol: str
    feed: Feed
    price_labels: Mapping[str, str] = field(factory=dict)
    started_ns: int = 0
    ends_ns: int = 0
    phase: str = "starting"
    ladder: Ladder = field(init=False)
    bbo: BboView = field(init=False)
    tape: TapeView = field(init=False)
    prices: PricesView = field(init=False)
    latency: Percentiles = field(factory=Percentiles)
    blocks: Rate = field(factory=Rate)
    received: Rate = field(factory=Rate)

    def __attrs_post_init__(self) -> None:
        self.ladder = Ladder(ClientBook(self.symbol), self.feed)
        self.bbo = BboView(self.feed)
        self.tape = TapeView(self.feed)
        self.prices = PricesView(Feed(""), self.price_labels)

    def on_book(self, event: orderbook_pb2.OrderbookEvent, now_ns: int) -> None:
        """Take an event of the ladder's market."""
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            self.ladder.on_applied(self.ladder.book.apply_snapshot(event.snapshot), now_ns)
            self.feed.on_event(now_ns, event.snapshot.height)
        elif kind == "delta":
            holes = self.ladder.book.holes
            self.ladder.on_applied(self.ladder.book.apply_delta(event.delta), now_ns)
            self.feed.holes += self.ladder.book.holes - holes
            self.feed.on_event(now_ns, event.delta.height)
            self.latency.add(now_ns - event.delta.node_time_ns)
        elif kind == "gap":
            self.feed.on_gap(event.gap, now_ns)
            self.ladder.book.expect_snapshot()
        elif kind == "notice":
            self.feed.on_notice(event.notice, now_ns)
        else:
            self.feed.on_heartbeat(event.heartbeat, now_ns)

    def on_bbo(self, event: orderbook_pb2.BboEvent, now_ns: int) -> None:
        """Take a best-price event of any market."""
        self.bbo.apply(event, now_ns)

    def on_trades(self, event: orderbook_pb2.TradesEvent, now_ns: int) -> None:
        """Take a trades event of any market."""
        self.tape.apply(event, now_ns)

    def on_price(self, event: price_pb2.PriceStreamEvent, now_ns: int) -> None:
        """Take a price, an indicator's value, or what was said about them."""
        self.prices.apply(event, now_ns)

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen."""
        room = height - _EXPLANATION_HEIGHT - 1
        below = min(len(self.prices.rows) + 3, room // 2) if room >= _ROOM_FOR_PRICES else 0
        room -= below
        left = max(40, min(64, width * 9 // 20))
        right = width - left
        table_height = min(max(len(self.bbo.rows), 3) + 3, room // 2)
        tape_height = room - table_height
        lists = Group(
            _framed("best prices", self.bbo.table(right - 4, table_height - 2, now_ns), right, table_height),
            _framed("last trades", self.tape.table(right - 4, tape_height - 2), right, tape_height),
        )
        body = Beside(((self.ladder.render(left, room, now_ns), left), (lists, right)), room)
        parts: list[RenderableType] = [self._explanation(width, now_ns), body]
        if below:
            table = self.prices.table(width - 4, below - 2, now_ns)
            parts.append(_framed("exchanges: prices and indicators", table, width, below))
        return Group(*parts, self._rates(width, now_ns))

    def line(self, now_ns: int) -> str:
        """Return what plain output says once a second."""
        book = self.ladder.book
        best = f"{self.symbol} "
        if book.bids and book.asks:
            places = self.ladder.places
            for level in (book.bids[0], book.asks[0]):
                places.see(level.price_e8, level.size_e8)
            best += " / ".join(fixed(level.price_e8, places.price) for level in (book.bids[0], book.asks[0]))
        else:
            best += "no book yet"
        return (
            f"{(now_ns - self.started_ns) / SECOND:5.1f} s  height {self.feed.height}  "
            f"{self.blocks.per_second(now_ns):4.1f} blocks/s  "
            f"{self.feed.events.per_second(now_ns):5.1f} events/s  "
            f"{best}  trades {self.tape.buys + self.tape.sells}  {self.prices.first()}  "
            f"{latency_text(self.latency)}"
        )

    def _explanation(self, width: int, now_ns: int) -> Panel:
        text = Text(no_wrap=True, overflow="ellipsis")
        for index, (sentence, aside) in enumerate(EXPLANATION):
            text.append("\n" if index else "")
            text.append(sentence, "bold cyan" if index == 0 else "default")
            text.append(f"   {aside}" if aside else "", "dim")
        left_ns = max(0, self.ends_ns - now_ns)
        state = f"{-(-left_ns // SECOND)} s left" if self.phase == "live" else self.phase
        return Panel(
            text,
            title=Text(" hyperstream demo ", "bold"),
            title_align="left",
            subtitle=Text(f" {state} · Ctrl-C ends ", "dim"),
            subtitle_align="right",
            width=width,
            border_style="cyan",
            padding=(0, 1),
        )

    def _rates(self, width: int, now_ns: int) -> Text:
        gap = " " if width < 100 else "   "
        parts = [
            Text(f"{self.blocks.per_second(now_ns):2.0f} blocks/s", "bold"),
            Text(f"{self.feed.events.per_second(now_ns):3.0f} events/s", "bold"),
            Text(f"{compact(self.received.per_second(now_ns))}B/s".rjust(8), "bold"),
        ]
        missed = self.feed.missed()
        parts.append(Text(f"missed {missed}", "dim" if missed == "nothing" else "bold yellow"))
        parts.append(Text(latency_text(self.latency), "green"))
        line = Text(gap).join(parts)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def latency_text(latency: Percentiles) -> str:
    """Return the latency from the node's line to the event here, in milliseconds."""
    found = latency.at(50, 99)
    if found is None:
        return "line→event: measuring"
    half, most = (value / MILLISECOND for value in found)
    return f"line→event p50 {half:.1f} p99 {most:.1f} ms"


def _framed(title: str, content: RenderableType, width: int, height: int) -> Panel:
    return Panel(
        content,
        title=Text(f" {title} ", "bold"),
        title_align="left",
        width=width,
        height=height,
        padding=(0, 1),
        border_style="dim",
    )
