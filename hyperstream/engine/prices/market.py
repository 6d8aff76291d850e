"""One market of one venue: its newest values, its history of trades, and who is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from contextlib import suppress

from attrs import define, field

from hyperstream.engine.prices.instances import BookInstance
from hyperstream.engine.prices.market_groups import Group, MarketGroups
from hyperstream.engine.prices.series import Publisher
from hyperstream.engine.prices.unreadable import Unreadable
from hyperstream.engine.prices.venue_clock import VenueClock
from hyperstream.errors import DecimalError, FormatError, IndicatorFault
from hyperstream.hub.latest import LatestMarket
from hyperstream.market.history import PriceHistory
from hyperstream.market.indicators.kind import BookLevels
from hyperstream.market.updates import BlockStamp
from hyperstream.market.venue_decimals import SCALE, VenueDecimals
from hyperstream.market.venues import Channel, FeedTopic, Quote, Ticker, VenueBar, VenueBook, VenueTrade

_Side = tuple[tuple[str, str], ...]
_e12 = VenueDecimals(200_000)


@define(eq=False)
class PriceMarket:
    """Takes what a venue tells of a market.

    ``dirty`` is where it puts itself when there is something to publish.
    ``is_standing``: its trades come whether anybody follows them or not, so its history has no holes.
    ``refusals`` are why the venue does not serve a channel, and the version of ``latest`` at the time.
    ``readers`` count those who want something of it and read that from ``latest``.
    ``changes`` counts ticks, ``trade_count`` the trades among them.
    """

    venue: str
    symbol: str
    latest: LatestMarket
    history: PriceHistory
    publisher: Publisher
    dirty: list[PriceMarket]
    is_standing: bool
    readers: int = 0
    changes: int = 0
    trade_count: int = 0
    event_time_ns: int = 0
    receive_time_ns: int = 0
    refusals: dict[Channel, tuple[str, int]] = field(factory=dict)
    groups: MarketGroups = field(factory=MarketGroups)
    unreadable: Unreadable = field(init=False)
    _clock: VenueClock = field(factory=VenueClock)
    _forgotten: set[Channel] = field(factory=set)
    _is_dirty: bool = False
    _seen_version: int = -1

    def __attrs_post_init__(self) -> None:
        self.unreadable = Unreadable(f"{self.venue}/{self.symbol}")

    # --- what the venue tells ---

    def on_trade(self, trade: VenueTrade) -> None:
        """A trade: the tick that indicators and bars are made of."""
        try:
            price_e12, size_e12 = _e12[trade.price], _e12[trade.size]
        except DecimalError as problem:
            self._cannot_read(Channel.TRADES, problem)
            self.history.mark_gap()
            for stream in self.groups.trade_bars:
                stream.builder.mark_gap()
            return
        price, size = price_e12 / SCALE, size_e12 / SCALE
        self.history.append(trade.trade_time_ns, price, size if trade.is_buyer_taker else -size)
        self.latest.trade.put(trade)
        self.event_time_ns, self.receive_time_ns = trade.trade_time_ns, trade.receive_time_ns
        self.changes += 1
        self.trade_count += 1
        for instance in self.groups.tick_instances:
            try:
                instance.update(price)
            except IndicatorFault as problem:
                instance.fault(problem)
        self._clock.see(trade.trade_time_ns, trade.receive_time_ns)
        if self.groups.trade_bars:
            time_ns, is_buy = trade.trade_time_ns, trade.is_buyer_taker
            for stream in self.groups.trade_bars:
                stream.add_trade(time_ns, trade.price, price_e12, size_e12, is_buyer_taker=is_buy)
        if self.groups.is_followed:
            self._changed()

    def tell_gap(self, topics: Container[FeedTopic], detail: str) -> None:
        """Something of these topics is missing: say so to whoever follows what is made of them."""
        if FeedTopic(self.venue, Channel.TRADES, self.symbol) in topics:
            self.history.mark_gap()
        for channel, cell in ((Channel.QUOTES, self.latest.price), (Channel.TICKER, self.latest.ticker)):
            if FeedTopic(self.venue, channel, self.symbol) in topics:
                cell.interrupt()
        for group in self.groups:
            if any(topic in topics for topic in group.wanted):
                group.tell_gap(detail)

    def _cannot_read(self, channel: Channel, problem: Exception) -> None:
        """Something is lost to whoever computes from it, and they are told."""
        if self.unreadable.count(channel, problem, self.publisher.now_ns()):
            for group in self.groups:
                if any(topic.channel is channel for topic in group.wanted):
                    group.tell_gap(f"cannot be read: {problem}")

    def on_quote(self, quote: Quote) -> None:
        """The best bid and ask."""
        self.latest.price.put(quote)
        self.event_time_ns, self.receive_time_ns = quote.event_time_ns, quote.receive_time_ns
        self.changes += 1
        if self.groups.quote_instances:
            self._look_at(Channel.QUOTES, self.groups.quote_instances, *_sides(quote))
        if self.groups.is_followed:
            self._changed()

    def on_book(self, book: VenueBook) -> None:
        """A book after an update."""
        self.latest.book.put(book)
        instances = tuple(
            instance
            for instance in self.groups.books.values()
            if instance not in self.groups.quote_instances and book.detail in ("", instance.wanted[0].detail)
        )
        if instances:
            self.event_time_ns, self.receive_time_ns = book.event_time_ns, book.receive_time_ns
            levels = max(instance.indicator.levels for instance in instances)
            self._look_at(Channel.BOOK, instances, tuple(book.bids[:levels]), tuple(book.asks[:levels]))
            self._mark()

    def _look_at(
        self, channel: Channel, instances: tuple[BookInstance, ...], bids: _Side, asks: _Side
    ) -> None:
        try:
            _show_book(instances, bids, asks)
        except DecimalError as problem:
            self._cannot_read(channel, problem)

    def _show_newest(self, instance: BookInstance) -> None:
        """Let one who is new begin with the book as it stands, if it can be read."""
        quote, book = self.latest.price.value, self.latest.book.value
        with suppress(DecimalError):
            if instance.indicator.levels == 1:
                if quote is not None:
                    _show_book((instance,), *_sides(quote))
            elif book is not None and book.detail in ("", instance.wanted[0].detail):
                levels = instance.indicator.levels
                _show_book((instance,), tuple(book.bids[:levels]), tuple(book.asks[:levels]))

    def on_bar(self, bar: VenueBar) -> None:
        """The venue's own bar."""
        stream = self.groups.bars.get(bar.interval)
        if stream is None:
            return
        self.receive_time_ns = bar.receive_time_ns
        self._clock.see_bar(bar)
        was_built = stream.takes_trades
        try:
            stream.put(bar)
        except (FormatError, ValueError) as problem:
            self._cannot_read(Channel.BARS, problem)
            stream.builder.mark_gap()
        if was_built != stream.takes_trades:
            self.groups.arrange()
        self._mark()

    def on_ticker(self, ticker: Ticker) -> None:
        """What the venue computes: mark price, funding, …"""
        self.latest.ticker.put(ticker)
        self.event_time_ns, self.receive_time_ns = ticker.event_time_ns, ticker.receive_time_ns
        self.changes += 1
        if self.groups.is_followed:
            self._changed()

    # --- publishing ---

    def _changed(self) -> None:
        """A tick came that somebody may follow."""
        every_tick = self.groups.every_tick
        if every_tick is not None:
            every_tick.publish()
            self.publisher.is_urgent = True
        self._mark()

    def _mark(self) -> None:
        if not self._is_dirty:
            self._is_dirty = True
            self.dirty.append(self)

    def publish(self) -> None:
        """Publish what has changed since the last batch."""
        self._is_dirty = False
        self.groups.publish()

    def advance(self, now_ns: int) -> None:
        """Close bars that have ended by this time."""
        venue_ns = self._clock.now(now_ns)
        for stream in self.groups.bars.values():
            if stream.advance(venue_ns):
                self._mark()

    def latest_time_ns(self) -> int:
        """A time that nothing the venue tells can be far ahead of: ours, or the venue's if that is later."""
        now_ns = self.publisher.now_ns()
        return max(now_ns, self._clock.now(now_ns))

    def stamp(self) -> BlockStamp:
        """When the newest of it was made, read and published."""
        return BlockStamp(0, self.event_time_ns, 0, self.receive_time_ns, self.publisher.now_ns())

    def add(self, group: Group) -> None:
        """From now on this is told what comes; of the book it is shown what there is."""
        self.groups.add(group)
        if isinstance(group, BookInstance):
            self._show_newest(group)

    @property
    def is_unused(self) -> bool:
        """Whether nobody follows anything of it, and nothing was told of it since this was last asked."""
        before, self._seen_version = self._seen_version, self.latest.version
        return (
            not (self.groups.is_followed or self.is_standing or self.readers) and before == self._seen_version
        )

    def counts(self) -> Counter[str]:
        """What was not as it should be, by cause."""
        unreadable = {f"unreadable {each.value}": n for each, n in self.unreadable.counts.items()}
        return self.groups.counts() + Counter(unreadable)

    def expect(self, channels: Iterable[Channel]) -> None:
        """Somebody wants these from now on."""
        self._forgotten.difference_update(channels)

    def forget_again(self) -> None:
        """What came of the unwanted since it was forgotten was on its way then, and is no beginning."""
        for channel in self._forgotten.copy():
            self.forget(channel)

    def forget(self, channel: Channel) -> None:
        """Nobody wants this any more: what was newest grows old, and later trades do not follow these."""
        if self.is_standing and channel in (Channel.QUOTES, Channel.TRADES):
            return
        self._forgotten.add(channel)
        latest = self.latest
        match channel:
            case Channel.QUOTES:
                latest.price.clear()
            case Channel.TRADES:
                latest.trade.clear()
                self.history = PriceHistory(self.history.capacity)
            case Channel.BOOK:
                latest.book.clear()
            case Channel.TICKER:
                latest.ticker.clear()


def _sides(quote: Quote) -> tuple[_Side, _Side]:
    """A quote as a book of one level."""
    return (
        ((quote.bid, quote.bid_size),) if quote.bid else (),
        ((quote.ask, quote.ask_size),) if quote.ask else (),
    )


def _show_book(instances: tuple[BookInstance, ...], bids: _Side, asks: _Side) -> None:
    """Let these compute from a book; raises DecimalError if it cannot be read."""
    sides: tuple[BookLevels, BookLevels] = (
        [(_e12[price], _e12[size]) for price, size in bids],
        [(_e12[price], _e12[size]) for price, size in asks],
    )
    for instance in instances:
        instance.update(*sides)
