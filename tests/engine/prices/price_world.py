"""A prices engine, its clock, what it asked its feeds for, and followers that read what they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from hyperstream.config import PriceSettings
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.market.indicators import IndicatorSpec
from hyperstream.market.price_updates import SeriesName, bar_name, indicator_name, price_name
from hyperstream.market.venues import FeedDemand, Quote, VenueBar, VenueTrade
from hyperstream.v1 import price_pb2
from hyperstream.wire.protobuf.prices import PRICES

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS  # a full second, not a full minute
VENUE, SYMBOL = "bybit", "BTCUSDT"
PLENTY = OutboxLimits(100_000, 1 << 30)


def prices(*, is_every_tick: bool = False, symbol: str = SYMBOL, venue: str = VENUE) -> SeriesName:
    return price_name(venue, symbol, is_every_tick=is_every_tick)


def bars(interval: str, symbol: str = SYMBOL, venue: str = VENUE) -> SeriesName:
    return bar_name(venue, symbol, interval)


def indicator(text: str, symbol: str = SYMBOL, venue: str = VENUE) -> SeriesName:
    """As the command line writes it: ``rsi:14@1m``."""
    spec = IndicatorSpec.parse(text)
    return indicator_name(venue, symbol, spec, spec.kind.outputs)


class PriceWorld:
    """Time stands still until a test moves it."""

    def __init__(self, *, standing: Sequence[tuple[str, str]] = (), **settings: Any) -> None:
        self.now_ns = START_NS
        self.hub = Hub(start_seconds=1)
        self.demands: list[FeedDemand] = []
        self.trade_count = 0
        self.engine = PriceEngine(
            self.hub,
            PRICES,
            lambda: self.now_ns,
            PriceSettings(**settings),
            {"bybit", "binance"},
            self.demands.append,
            standing=standing,
        )

    @property
    def wanted(self) -> set[str]:
        """What is wanted of the venues now, as people read it."""
        wanted: set[str] = set()
        for demand in self.demands:
            (wanted.add if demand.is_wanted else wanted.discard)(str(demand.topic))
        return wanted

    def trade(self, price: float, seconds: float = 0.1, *, size: str = "1.0", symbol: str = SYMBOL) -> None:
        """A trade of Bybit, some time after the one before."""
        self.now_ns += int(seconds * SECOND_NS)
        self.trade_count += 1
        self.engine.apply([trade(price, self.now_ns, self.trade_count, size=size, symbol=symbol)])

    def quote(self, bid: str, ask: str, bid_size: str = "1", ask_size: str = "2") -> None:
        """A quote of Bybit."""
        quote = Quote(VENUE, SYMBOL, bid, bid_size, ask, ask_size, self.now_ns, self.now_ns)
        self.engine.apply([quote])

    def pass_time(self, seconds: float) -> None:
        """Nothing happens but that time passes, swept now and then."""
        self.engine.retire()
        self.now_ns += int(seconds * SECOND_NS)
        self.engine.flush()
        self.engine.retire()
        self.engine.retire()

    def follow(self, *names: SeriesName, limits: OutboxLimits = PLENTY) -> Follower:
        follower = Follower(self, limits)
        follower.follow(*names)
        return follower


@define(eq=False)
class Follower:
    """A subscriber of series. ``take`` returns the events that came; ``is_prompt`` is written to directly."""

    world: PriceWorld
    limits: OutboxLimits = PLENTY
    subscription: Subscription = field(init=False)
    messages: list[bytes] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        hub = self.world.hub
        self.subscription = hub.subscribe(Contract.CONFLATE, PRICES, lambda: None, self.limits)

    def be_prompt(self) -> None:
        """Have every message written the moment it is there, as a client that keeps up has."""

        def write(body: bytes) -> bool:
            self.messages.append(body)
            return True

        self.subscription.write, self.subscription.is_idle = write, True

    def follow(self, *names: SeriesName) -> None:
        for name in names:
            for topic in self.world.engine.open(name):
                self.subscription.attach(topic)

    def leave(self) -> None:
        for topic in list(self.subscription.cursors):
            self.subscription.detach(topic)

    def take(self) -> list[Any]:
        """What came since it was last called, a batch having been published first."""
        self.world.engine.flush()
        while (message := self.subscription.take()) is not None:
            self.messages.append(message)
        messages, self.messages = self.messages, []
        return [event for message in messages for event in read(message)]

    def indicators(self) -> list[Any]:
        return [event.indicator for event in self.take() if event.HasField("indicator")]

    def bars(self) -> list[Any]:
        return [event.bar for event in self.take() if event.HasField("bar")]

    def prices(self) -> list[Any]:
        return [event.price for event in self.take() if event.HasField("price")]


def read(message: bytes) -> list[Any]:
    """The events of a message."""
    return list(price_pb2.StreamPricesResponse.FromString(message).events)


def trade(
    price: float, time_ns: int, number: int, *, size: str = "1.0", symbol: str = SYMBOL, venue: str = VENUE
) -> VenueTrade:
    return VenueTrade(venue, symbol, str(number), f"{price:.2f}", size, number % 2 == 0, time_ns, time_ns)


def venue_bar(number: int, close: str, *, is_closed: bool, interval_ns: int = 60 * SECOND_NS) -> VenueBar:
    """A minute of Bybit's own, by its number since some minute."""
    start_ns = START_NS // interval_ns * interval_ns + number * interval_ns
    return VenueBar(
        VENUE,
        SYMBOL,
        "1m",
        start_ns,
        start_ns + interval_ns,
        "100.0",
        "110.0",
        "90.0",
        close,
        "12.5",
        "1250.0",
        0,
        is_closed,
        start_ns + interval_ns,
    )
