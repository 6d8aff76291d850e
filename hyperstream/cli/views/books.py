"""The view of ``watch book``: one ladder or several, side by side while the width allows."""

from attrs import define, field
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.client_book import ClientBook, Outcome
from hyperstream.cli.views.feed import Feed, reason_name
from hyperstream.cli.views.grid import Beside
from hyperstream.cli.views.ladder import Ladder
from hyperstream.cli.views.numbers import basis_points, clock_time, duration, fixed, places_of
from hyperstream.v1 import orderbook_pb2

LADDER_WIDTH = 58
LADDER_HEIGHT = 9


@define(eq=False)
class BooksView:
    """Ladders of the markets subscribed, in the order their first event came."""

    feed: Feed
    depth: int = 50
    started_ns: int = 0
    ladders: dict[str, Ladder] = field(factory=dict)
    snapshots: int = 0

    def apply(self, event: orderbook_pb2.OrderbookEvent, now_ns: int) -> bool:
        """Take an event; True asks for a new subscription, because events are missing before it."""
        kind = event.WhichOneof("event")
        if kind == "heartbeat":
            self.feed.on_heartbeat(event.heartbeat, now_ns)
        elif kind == "notice":
            self.feed.on_notice(event.notice, now_ns)
        elif kind == "gap":
            self.feed.on_gap(event.gap, now_ns)
            self._ladder(event.gap.symbol).book.expect_snapshot()
        elif kind == "snapshot":
            ladder = self._ladder(event.snapshot.symbol)
            self.snapshots += 1
            ladder.on_applied(ladder.book.apply_snapshot(event.snapshot), now_ns)
            self.feed.on_event(now_ns, event.snapshot.height, event.merged)
        elif kind == "delta":
            ladder = self._ladder(event.delta.symbol)
            applied = ladder.book.apply_delta(event.delta)
            self.feed.on_event(now_ns, event.delta.height, event.merged)
            if applied.outcome is Outcome.HOLE:
                self.feed.holes += 1
                return True
            ladder.on_applied(applied, now_ns)
        return False

    def expect_fresh_start(self) -> None:
        """The connection went: what is held is old until snapshots come."""
        for ladder in self.ladders.values():
            ladder.book.expect_snapshot()

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: as many ladders as fit, and the footer."""
        room = height - 1
        ladders = list(self.ladders.values())
        if not ladders:
            return Group(
                Text("waiting for the first snapshot", "yellow", no_wrap=True), self.feed.footer(now_ns)
            )
        across = max(1, min(len(ladders), width // LADDER_WIDTH))
        down = max(1, min(-(-len(ladders) // across), room // LADDER_HEIGHT))
        shown = ladders[: across * down]
        rows = []
        for start in range(0, len(shown), across):
            row = shown[start : start + across]
            tall = room // down + (1 if start // across < room % down else 0)
            widths = [width // across + (1 if column < width % across else 0) for column in range(across)]
            parts = [
                (ladder.render(wide, tall, now_ns), wide) for ladder, wide in zip(row, widths, strict=False)
            ]
            rows.append(Beside(parts, tall))
        footer = self.feed.footer(now_ns)
        if len(shown) < len(ladders):
            hidden = Text(no_wrap=True, overflow="ellipsis")
            hidden.append(f"{len(ladders) - len(shown)} more do not fit · ", "yellow")
            footer = hidden.append_text(footer)
        return Group(*rows, footer)

    def lines(self, event: orderbook_pb2.OrderbookEvent) -> list[str]:
        """Return what plain output says about an event just applied."""
        kind = event.WhichOneof("event")
        if kind in ("snapshot", "delta"):
            head = event.snapshot if kind == "snapshot" else event.delta
            ladder = self._ladder(head.symbol)
            return [f"{clock_time(head.block_time_ns)} {head.symbol} {best_line(ladder.book)} {kind}"]
        return plain_control(event)

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        books = ", ".join(f"{symbol} {best_line(ladder.book)}" for symbol, ladder in self.ladders.items())
        return (
            f"{self.feed.events.total:.0f} events of {len(self.ladders)} books in "
            f"{duration(now_ns - self.started_ns)}, missed {self.feed.missed()}; last: {books or 'nothing'}"
        )

    def _ladder(self, symbol: str) -> Ladder:
        ladder = self.ladders.get(symbol)
        if ladder is None:
            ladder = self.ladders[symbol] = Ladder(ClientBook(symbol), self.feed, self.depth)
        return ladder


def best_line(book: ClientBook) -> str:
    """Return the top of a book in a line."""
    bids, asks = book.bids, book.asks
    parts = [f"height {book.height}"]
    for name, levels in (("bid", bids), ("ask", asks)):
        if levels:
            level = levels[0]
            price = fixed(level.price_e8, places_of(level.price_e8))
            parts.append(f"{name} {price} x {fixed(level.size_e8, places_of(level.size_e8))}")
        else:
            parts.append(f"{name} none")
    if bids and asks:
        bid, ask = bids[0].price_e8, asks[0].price_e8
        parts.append(f"spread {basis_points(ask - bid, (bid + ask) // 2):.2f} bps")
    if book.is_doubtful:
        parts.append("DOUBTFUL")
    if not book.is_current:
        parts.append("OLD")
    return " ".join(parts)


def plain_control(event: object) -> list[str]:
    """Return a line for the events every topic has: gap, notice, heartbeat."""
    kind = event.WhichOneof("event")  # type: ignore[attr-defined]  # each topic has its own message
    body = getattr(event, kind)
    if kind == "gap":
        span = f"{body.from_sequence} to {body.to_sequence}" if body.to_sequence else "unknown"
        return [f"GAP {body.symbol} events {span} ({reason_name(body)}) {body.detail}".rstrip()]
    if kind == "notice":
        return [f"NOTICE {body.detail}"]
    return [f"{clock_time(body.publish_time_ns)} heartbeat height {body.height}"]
