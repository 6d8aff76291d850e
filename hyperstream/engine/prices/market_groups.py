"""What is followed of one market, sorted by what it is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import define, field

from hyperstream.engine.prices.bar_stream import BarStream
from hyperstream.engine.prices.instances import BarInstance, BookInstance, TickInstance
from hyperstream.engine.prices.price_stream import PriceStream

Group = PriceStream | BarStream | TickInstance | BookInstance | BarInstance


@define(eq=False)
class MarketGroups:
    """Everything of a market that is followed, or was lately; indicators on bars come before the bars.

    ``tick_instances``, ``trade_bars`` and ``quote_instances`` are for those who tell them, so that a tick
    finds them without looking.
    """

    prices: PriceStream | None = None
    every_tick: PriceStream | None = None
    bars: dict[str, BarStream] = field(factory=dict)
    ticks: dict[str, TickInstance] = field(factory=dict)
    books: dict[str, BookInstance] = field(factory=dict)
    tick_instances: tuple[TickInstance, ...] = ()
    trade_bars: tuple[BarStream, ...] = ()
    quote_instances: tuple[BookInstance, ...] = ()
    is_followed: bool = False

    def __iter__(self) -> Iterator[Group]:
        if self.prices is not None:
            yield self.prices
        if self.every_tick is not None:
            yield self.every_tick
        yield from list(self.ticks.values())
        yield from list(self.books.values())
        for stream in list(self.bars.values()):
            yield from list(stream.instances.values())
            yield stream

    def add(self, group: Group) -> None:
        """From now on this is told what comes."""
        match group:
            case PriceStream() if group.name.is_every_tick:
                self.every_tick = group
            case PriceStream():
                self.prices = group
            case BarStream():
                self.bars[group.name.interval] = group
            case TickInstance():
                self.ticks[group.name.symbol] = group
            case BookInstance():
                self.books[group.name.symbol] = group
            case BarInstance():
                group.stream.instances[group.name.symbol] = group
        self.arrange()

    def remove(self, group: Group) -> None:
        """From now on this is told nothing more."""
        match group:
            case PriceStream() if group.name.is_every_tick:
                self.every_tick = None
            case PriceStream():
                self.prices = None
            case BarStream():
                del self.bars[group.name.interval]
            case TickInstance():
                del self.ticks[group.name.symbol]
            case BookInstance():
                del self.books[group.name.symbol]
            case BarInstance():
                del group.stream.instances[group.name.symbol]
        self.arrange()

    def arrange(self) -> None:
        """Sort out who is told what."""
        self.tick_instances = tuple(self.ticks.values())
        self.quote_instances = tuple(book for book in self.books.values() if book.indicator.levels == 1)
        self.trade_bars = tuple(stream for stream in self.bars.values() if stream.takes_trades)
        self.is_followed = next(iter(self), None) is not None

    def publish(self) -> None:
        """Publish what has changed since the last batch."""
        if self.prices is not None:
            self.prices.publish()
        for instance in self.tick_instances:
            instance.publish()
        for book in self.books.values():
            book.publish()
        for stream in self.bars.values():
            stream.publish()

    def counts(self) -> Counter[str]:
        """What was not as it should be, by cause."""
        counts: Counter[str] = Counter()
        for stream in self.bars.values():
            told = stream.builder.statistics()
            counts["late trades"] += told.late_trades
            counts["early trades"] += told.early_trades
            counts["late bars"] += told.late_bars
            counts["skipped bars"] += told.skipped_bars
        for group in self:
            if isinstance(group, TickInstance | BookInstance | BarInstance):
                counts["indicator faults"] += group.faults
        return +counts
