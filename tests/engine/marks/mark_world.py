"""The engine of the node's books, a prices engine whose venues a test speaks for, and marks of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from hyperstream.config import PriceSettings
from hyperstream.engine.marks.keeper import MarkKeeper
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.hub.delivery import Contract
from hyperstream.hub.subscription import Subscription
from hyperstream.market.venues import (
    BINANCE_FUTURES,
    BYBIT,
    HYPERLIQUID,
    NODE,
    Channel,
    FeedDemand,
    FeedGap,
    FeedTopic,
    Quote,
    Ticker,
    VenueInstrument,
    VenueListed,
)
from hyperstream.v1 import mark_price_pb2
from hyperstream.wire.node_blocks import Instrument, InstrumentsListed
from hyperstream.wire.protobuf.marks import MARK_PRICES
from hyperstream.wire.protobuf.prices import PRICES
from tests.engine.handmade import diffs, new
from tests.engine.world import PLENTY, SECOND_NS, World

FEEDS = (HYPERLIQUID, BINANCE_FUTURES, BYBIT)
LISTS = {
    HYPERLIQUID: (VenueInstrument("BTC"), VenueInstrument("kPEPE"), VenueInstrument("xyz:XYZ100")),
    BINANCE_FUTURES: (
        VenueInstrument("BTCUSDT", kind="perpetual"),
        VenueInstrument("1000PEPEUSDT", kind="perpetual"),
    ),
    BYBIT: (
        VenueInstrument("BTCUSDT", kind="LinearPerpetual"),
        VenueInstrument("PEPEUSDT", kind="LinearPerpetual", is_active=False),
    ),
}


class MarkWorld(World):
    """Time stands still until a test moves it; the first block has one market."""

    def __init__(
        self, *, venues: Sequence[str] = FEEDS, symbols: Sequence[str] = ("BTC",), **settings: Any
    ) -> None:
        super().__init__()
        self.demands: list[FeedDemand] = []
        self.prices = PriceEngine(
            self.hub,
            PRICES,
            lambda: self.clock(),
            PriceSettings(**settings),
            {NODE, *venues},
            lambda demand: self.demand(demand),
            self.engine,
        )
        self.marks = MarkKeeper(self.hub, MARK_PRICES, lambda: self.clock(), self.engine, self.prices.newest)
        self.height = 0
        self.block(*(order for symbol in symbols for order in best(symbol, "100.0", "101.0")))
        for number, symbol in enumerate(symbols):
            self.apply(InstrumentsListed((Instrument(symbol, number, 2),)))

    def block(self, *orders: dict[str, Any]) -> None:
        """The node makes a block."""
        self.height += 1
        self.apply(diffs(self.height, *orders))

    def demand(self, demand: FeedDemand) -> None:
        """Something is wanted of a venue, or nobody wants it any more."""
        self.demands.append(demand)

    def list_markets(self) -> None:
        """Every venue lists its markets."""
        for venue, instruments in LISTS.items():
            self.prices.apply([VenueListed(venue, instruments)])

    def quote(self, venue: str, bid: str, ask: str, symbol: str = "BTCUSDT") -> None:
        """A venue tells its best prices."""
        self.prices.apply([Quote(venue, symbol, bid, "1", ask, "1", self.time_ns, self.time_ns)])

    def context(self, oracle: str, mark: str = "", symbol: str = "BTC") -> None:
        """Hyperliquid tells what it computes."""
        ticker = Ticker(HYPERLIQUID, symbol, "", mark, oracle, "0.0001", "5.0", 0, self.time_ns)
        self.prices.apply([ticker])

    def lose(self, venue: str, channel: Channel, symbol: str) -> None:
        """A venue's connection is lost."""
        topics = (FeedTopic(venue, channel, symbol),)
        self.prices.apply([FeedGap(venue, topics, 0, "connection", "it was reset")])

    @property
    def wanted(self) -> set[str]:
        """What is wanted of the venues now, as people read it."""
        wanted: set[str] = set()
        for demand in self.demands:
            (wanted.add if demand.is_wanted else wanted.discard)(str(demand.topic))
        return wanted

    def pass_time(self, seconds: float = 1.0) -> None:
        """Time passes, and the clock of the marks strikes once, at the end of it."""
        self.time_ns += int(seconds * SECOND_NS)
        for _ in self.marks.strike():
            pass

    def look(self) -> None:
        """What the clock does ten times a second."""
        for _ in self.marks.look():
            pass

    def follow_marks(self, *symbols: str, contract: Contract = Contract.CONFLATE) -> MarkFollower:
        follower = MarkFollower(self, contract)
        for symbol in symbols:
            follower.attach(symbol)
        self.look()
        return follower


@define(eq=False)
class MarkFollower:
    """A subscriber of marks; ``take`` returns the events that came since it was last called."""

    world: MarkWorld
    contract: Contract
    subscription: Subscription = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.subscription = self.world.hub.subscribe(self.contract, MARK_PRICES, lambda: None, PLENTY)

    def attach(self, symbol: str, resume: Any = None) -> None:
        market = self.world.engine.find_symbol(symbol)
        assert market is not None
        self.subscription.attach(self.world.marks.stream(market), resume)

    def leave(self) -> None:
        self.subscription.finish()

    def take(self) -> list[Any]:
        events: list[Any] = []
        self.world.hub.flush()
        while (message := self.subscription.take()) is not None:
            events += mark_price_pb2.SubscribeMarkPricesResponse.FromString(message).events
        return events

    def marks(self) -> list[Any]:
        return [event.mark_price for event in self.take() if event.HasField("mark_price")]

    def mark(self) -> Any:
        """The newest mark; exactly one must have come."""
        (mark,) = self.marks()
        return mark


def best(symbol: str, bid: str, ask: str, oid: int = 1) -> list[dict[str, Any]]:
    """A market's best bid and ask, of one unit each."""
    number = oid + 100 * sum(symbol.encode())
    return [
        new(2 * number, price=bid, symbol=symbol),
        new(2 * number + 1, side="A", price=ask, symbol=symbol),
    ]


def inputs(mark: Any) -> dict[str, str]:
    """A mark's inputs and their prices."""
    return {
        mark_price_pb2.MarkPriceInputKind.Name(each.kind).removeprefix("MARK_PRICE_INPUT_KIND_"): each.price
        for each in mark.inputs
    }


def parts(mark: Any) -> dict[str, str]:
    """Everything the inputs are made of."""
    return {part.name: part.value for each in mark.inputs for part in each.parts}


def absent(mark: Any) -> dict[str, str]:
    """Why nothing of a source is used; the last reason of each."""
    return {each.source: each.reason for each in mark.absent}
