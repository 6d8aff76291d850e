"""The latest-value cache: the newest price, trade, book and ticker of every market, and who waits for newer.

    book = latest.market("binance", "BTCUSDT").book
    version = 0
    while True:
        newest = await book.wait_newer(version)
        version = newest.version
        use(newest.value)

The writer puts a value by a plain call that costs an assignment; only if somebody waits for that very
cell is an event set. A reader takes value and version in one step, when it runs: however many values came
while it slept, it sees the newest and none twice. Nothing is locked, because one thread does
all of it; nothing is torn, because values are replaced and never changed.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import trio
from attrs import define, field, frozen

from hyperstream.errors import NoLongerKept
from hyperstream.market.venues import Quote, Ticker, VenueBook, VenueTrade

Value = TypeVar("Value")


@frozen
class Newest(Generic[Value]):
    """A value and its version; versions of a cell only rise, by one with each value put."""

    version: int
    value: Value


@define(eq=False)
class Cell(Generic[Value]):
    """The newest value of one kind of one market. ``name`` says which, for messages.

    ``version`` is that of the newest value. While ``value`` is None nothing was put, or it was cleared.
    """

    name: str
    version: int = 0
    value: Value | None = None
    _interrupted: int = -1
    _news: trio.Event | None = None
    _closed: str = ""

    def put(self, value: Value) -> None:
        """Make this the newest value, and wake whoever waits for one."""
        self.value = value
        self.version += 1
        if self._news is not None:
            self._wake()

    def newest(self) -> Newest[Value] | None:
        """The newest value with its version, None before the first."""
        return Newest(self.version, self.value) if self.value is not None else None

    def interrupt(self) -> None:
        """Newer values may have been missed: until one is put, the newest may be old."""
        self._interrupted = self.version

    @property
    def current(self) -> Value | None:
        """The newest value, unless newer ones may have been missed since."""
        return self.value if self.version != self._interrupted else None

    async def wait_newer(self, version: int) -> Newest[Value]:
        """Wait until there is a value of a greater version than this; returns the newest there is then.

        0 is older than any. Raises NoLongerKept if the cell was closed, or is closed meanwhile.
        """
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise NoLongerKept(f"the newest {self.name} is no longer kept: {self._closed}")
            if self.value is not None and self.version > version:
                return Newest(self.version, self.value)
            if self._news is None:
                self._news = trio.Event()
            await self._news.wait()

    def clear(self) -> None:
        """Nothing is told of it any more: what was newest would grow old unnoticed. A newer one may come."""
        self.value = None

    def close(self, reason: str) -> None:
        """Nothing will be put any more: whoever waits is told why."""
        self._closed = self._closed or reason
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.set()

    @property
    def waiting(self) -> int:
        """How many tasks wait for a newer value."""
        return self._news.statistics().tasks_waiting if self._news is not None else 0


@define(eq=False)
class LatestMarket:
    """The cells of one market. ``price`` is the best bid and ask."""

    venue: str
    symbol: str
    price: Cell[Quote]
    trade: Cell[VenueTrade]
    book: Cell[VenueBook]
    ticker: Cell[Ticker]

    @property
    def version(self) -> int:
        """The highest version of any of its cells."""
        return max(self.price.version, self.trade.version, self.book.version, self.ticker.version)

    @property
    def waiting(self) -> int:
        """How many tasks wait for something of it."""
        return self.price.waiting + self.trade.waiting + self.book.waiting + self.ticker.waiting

    def close(self, reason: str) -> None:
        """Close every cell."""
        for cell in (self.price, self.trade, self.book, self.ticker):
            cell.close(reason)


@define(eq=False)
class Latest:
    """Every market of which something newest is kept.

    A market that is dropped and opened again goes on above the versions it had: a reader that still
    holds one of those never mistakes an old value for a newer one, nor waits for too many.
    """

    markets: dict[tuple[str, str], LatestMarket] = field(factory=dict)
    _floor: int = 0
    _closed: str = ""

    def market(self, venue: str, symbol: str) -> LatestMarket:
        """The market's cells, made if they are new; raises NoLongerKept once the cache was closed."""
        key = (venue, symbol)
        found = self.markets.get(key)
        if found is None:
            if self._closed:
                raise NoLongerKept(f"nothing of {venue}/{symbol} is kept: {self._closed}")
            where, floor = f"{venue}/{symbol}", self._floor
            found = self.markets[key] = LatestMarket(
                venue,
                symbol,
                Cell(f"price of {where}", floor),
                Cell(f"trade of {where}", floor),
                Cell(f"book of {where}", floor),
                Cell(f"ticker of {where}", floor),
            )
        return found

    def find(self, venue: str, symbol: str) -> LatestMarket | None:
        """The market's cells if there are any."""
        return self.markets.get((venue, symbol))

    def drop(self, venue: str, symbol: str, reason: str) -> None:
        """Keep nothing more of a market; whoever waits for it is told why."""
        market = self.markets.pop((venue, symbol), None)
        if market is not None:
            self._floor = max(self._floor, market.version)
            market.close(reason)

    def close(self, reason: str) -> None:
        """Keep nothing more of any market: the daemon ends."""
        self._closed = self._closed or reason
        for venue, symbol in list(self.markets):
            self.drop(venue, symbol, reason)
