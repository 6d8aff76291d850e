"""Books of exchanges, kept in step with the venue by its own rules: one state machine per venue.

Each takes ``BookUpdate`` values (and, where the venue has one, a REST ``BookSnapshot``) and answers
what became of it: ``Applied``, ``Ignored``, ``NeedSnapshot`` or ``Broken``. They know no sockets and no
clock: fetching a snapshot and telling a gap is the business of whoever drives them.

Sources of the rules: Bybit's v5 "Orderbook" page with what was measured of ``u``, Hyperliquid's "l2Book".
Binance's stand in ``binance_books``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from attrs import define, field, frozen

from hyperstream.errors import DecimalError
from hyperstream.market.venue_levels import PriceSize, VenueSide


@define(eq=False)
class BookUpdate:
    """A message about a book. ``is_snapshot`` says whether it is the whole book or what changed.

    ``first_id`` to ``last_id`` are the update ids it covers, ``previous_id`` is the ``last_id`` of the
    update before it where the venue tells (0 elsewhere). Levels are pairs of price and size; size zero
    removes one.
    """

    symbol: str
    is_snapshot: bool
    first_id: int
    last_id: int
    previous_id: int
    bids: Sequence[Sequence[str]]
    asks: Sequence[Sequence[str]]
    event_time_ns: int
    receive_time_ns: int


@frozen
class BookSnapshot:
    """A book as REST tells it; ``last_id`` is the last update it contains."""

    last_id: int
    bids: Sequence[Sequence[str]]
    asks: Sequence[Sequence[str]]


@frozen
class Applied:
    """The book is in step with the venue and holds the update."""


@frozen
class Ignored:
    """The update is older than the book: a repetition."""


@frozen
class NeedSnapshot:
    """The update waits for a snapshot (or was dropped because one replaces it)."""


@frozen
class Broken:
    """The update contradicts the book, which is discarded: it must be synchronised anew."""

    reason: str


Outcome = Applied | Ignored | NeedSnapshot | Broken
APPLIED = Applied()
IGNORED = Ignored()
NEED_SNAPSHOT = NeedSnapshot()


@define(eq=False)
class SyncedBook(ABC):
    """Both sides of one market of one venue, and how far they are in step.

    ``last_id`` is the update the book stands at; it means nothing unless ``is_synced``.
    """

    symbol: str
    bids: VenueSide = field(factory=lambda: VenueSide(1))
    asks: VenueSide = field(factory=lambda: VenueSide(-1))
    last_id: int = field(default=0, init=False)
    event_time_ns: int = field(default=0, init=False)
    is_synced: bool = field(default=False, init=False)

    @abstractmethod
    def update(self, update: BookUpdate) -> Outcome:
        """Take what the stream said."""

    def reset(self) -> None:
        """Forget everything: the stream was interrupted."""
        self.is_synced = False
        self.last_id = 0
        self.event_time_ns = 0
        self.bids.clear()
        self.asks.clear()

    def top(self, depth: int) -> tuple[list[PriceSize], list[PriceSize]]:
        """The best ``depth`` levels of each side, best first."""
        return self.bids.top(depth), self.asks.top(depth)

    def _break(self, reason: str) -> Broken:
        self.reset()
        return Broken(reason)

    def _replace(self, last_id: int, bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> Outcome:
        try:
            self.bids.replace(bids)
            self.asks.replace(asks)
        except (DecimalError, ValueError, TypeError) as exc:
            return self._break(f"a snapshot has unusable levels: {exc}")
        self.last_id = last_id
        self.is_synced = True
        return APPLIED

    def _replace_by(self, update: BookUpdate) -> Outcome:
        outcome = self._replace(update.last_id, update.bids, update.asks)
        if outcome is APPLIED:
            self.event_time_ns = update.event_time_ns
        return outcome

    def _apply(self, update: BookUpdate) -> Outcome:
        try:
            self.bids.apply(update.bids)
            self.asks.apply(update.asks)
        except (DecimalError, ValueError, TypeError) as exc:
            return self._break(f"update {update.last_id} has unusable levels: {exc}")
        self.last_id = update.last_id
        self.event_time_ns = update.event_time_ns
        return APPLIED


@define(eq=False)
class BybitBook(SyncedBook):
    """Bybit v5, one depth of one symbol:

    1. A snapshot, at any time, replaces the book; so does any message with u = 1 (the service restarted).
    2. A change with u = last u + 1 is applied: size zero deletes, anything else is absolute.
    3. u <= last u is a repetition and ignored.
    4. Any other u is a gap: the book is discarded; the topic must be subscribed anew, which brings a
       snapshot. Changes until then are dropped.
    """

    def update(self, update: BookUpdate) -> Outcome:
        """Take a snapshot or a change."""
        if update.is_snapshot or update.last_id == 1:
            return self._replace_by(update)
        if not self.is_synced:
            return NEED_SNAPSHOT
        if update.last_id <= self.last_id:
            return IGNORED
        if update.last_id != self.last_id + 1:
            return self._break(f"updates {self.last_id + 1} to {update.last_id - 1} are missing")
        return self._apply(update)


@define(eq=False)
class HyperliquidBook(SyncedBook):
    """Hyperliquid's l2Book, whose ``last_id`` is the time of the book in ms:

    1. Each message is the whole book and replaces it.
    2. Time never goes backward. Where it does the book is discarded, and the next message begins anew.
    """

    def update(self, update: BookUpdate) -> Outcome:
        """Take the newest book."""
        if self.is_synced and update.last_id < self.last_id:
            return self._break(f"time went backward from {self.last_id} to {update.last_id} ms")
        return self._replace_by(update)
