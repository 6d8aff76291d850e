"""Binance's books: updates that wait for a snapshot from REST, and are joined to it.

Source of the rules: "How to manage a local order book correctly" in Binance's spot and USD-M documentation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from attrs import define, field

from hyperstream.market.venue_book import (
    APPLIED,
    IGNORED,
    NEED_SNAPSHOT,
    BookSnapshot,
    BookUpdate,
    Broken,
    Outcome,
    SyncedBook,
)

MAX_WAITING = 1_000


@define(eq=False)
class BinanceBook(SyncedBook):
    """What spot and USD-M have in common: updates wait for a snapshot, which is then joined to them.

    At most ``MAX_WAITING`` updates wait, the newest of them: a snapshot is fetched after they came, so
    the oldest are those it contains.
    """

    _waiting: deque[BookUpdate] = field(factory=lambda: deque(maxlen=MAX_WAITING), init=False)

    def update(self, update: BookUpdate) -> Outcome:
        """Apply the next update, or let it wait for the snapshot; a break begins with it anew."""
        if not self.is_synced:
            self._waiting.append(update)
            return NEED_SNAPSHOT
        outcome = self._follow(update)
        if isinstance(outcome, Broken):
            self._waiting.append(update)
        return outcome

    def snapshot(self, snapshot: BookSnapshot) -> Outcome:
        """Join a snapshot to the waiting updates; ``NeedSnapshot`` says that it is too old for them."""
        if self.is_synced:
            return IGNORED
        if self._waiting and self._is_too_old(snapshot.last_id, self._waiting[0]):
            return NEED_SNAPSHOT
        waiting = [update for update in self._waiting if self._is_news(snapshot.last_id, update)]
        if waiting and not self._joins(snapshot.last_id, waiting[0]):
            return NEED_SNAPSHOT
        outcome = self._replace(snapshot.last_id, snapshot.bids, snapshot.asks)
        if isinstance(outcome, Broken):
            return outcome
        self._waiting.clear()
        for number, update in enumerate(waiting):
            outcome = self._follow(update)
            if isinstance(outcome, Broken):
                self._waiting.extend(waiting[number:])
                return outcome
        return APPLIED

    def reset(self) -> None:
        """Forget the book and what waits."""
        SyncedBook.reset(self)
        self._waiting.clear()

    @property
    def waiting_count(self) -> int:
        """How many updates wait for a snapshot."""
        return len(self._waiting)

    @abstractmethod
    def _follow(self, update: BookUpdate) -> Outcome:
        """Apply an update to a book that is in step."""

    @abstractmethod
    def _is_too_old(self, snapshot_id: int, first: BookUpdate) -> bool:
        """Whether the first update that came begins after this snapshot."""

    @abstractmethod
    def _is_news(self, snapshot_id: int, update: BookUpdate) -> bool:
        """Whether a waiting update is to be applied on this snapshot."""

    @abstractmethod
    def _joins(self, snapshot_id: int, update: BookUpdate) -> bool:
        """Whether this update may be the first that is applied on this snapshot."""


@define(eq=False)
class BinanceSpotBook(BinanceBook):
    """Binance spot, by its documentation:

    1. Updates wait; U and u are the first and last update id in one.
    2. A snapshot with ``lastUpdateId`` L is fetched.
    3. L < U of the first waiting update: fetch another.
    4. Updates with u <= L are dropped. The first that remains must have U <= L + 1 <= u.
    5. The book is the snapshot, its id L. Then for each update: u <= id is ignored; U > id + 1 is a gap,
       the book is discarded and everything begins anew; otherwise its levels are set and id = u.
    """

    def _is_too_old(self, snapshot_id: int, first: BookUpdate) -> bool:
        return snapshot_id < first.first_id

    def _is_news(self, snapshot_id: int, update: BookUpdate) -> bool:
        return update.last_id > snapshot_id

    def _joins(self, snapshot_id: int, update: BookUpdate) -> bool:
        return update.first_id <= snapshot_id + 1 <= update.last_id

    def _follow(self, update: BookUpdate) -> Outcome:
        if update.last_id <= self.last_id:
            return IGNORED
        if update.first_id > self.last_id + 1:
            return self._break(f"updates {self.last_id + 1} to {update.first_id - 1} are missing")
        return self._apply(update)


@define(eq=False)
class BinanceFuturesBook(BinanceBook):
    """Binance USD-M, by its documentation; ids are shared by all symbols, so only ``pu`` links updates:

    1. Updates wait; pu is the u of the update before.
    2. A snapshot with ``lastUpdateId`` L is fetched.
    3. Updates with u < L are dropped.
    4. The first that is applied must have U <= L <= u. (pu <= L < U says the same of a market where
       nothing happened since the snapshot, and is accepted too.) Otherwise fetch another.
    5. Each one after it must have pu equal to the u before; otherwise the book is discarded and
       everything begins anew. A repetition (u <= the u before) is ignored.
    6. Sizes are absolute, zero removes, and removing what is not there is normal.
    """

    _is_linked: bool = field(default=False, init=False)

    def snapshot(self, snapshot: BookSnapshot) -> Outcome:
        """Join a snapshot to the waiting updates; the next update is the first unless one of them was."""
        if not self.is_synced:
            self._is_linked = False
        return BinanceBook.snapshot(self, snapshot)

    def _is_too_old(self, snapshot_id: int, first: BookUpdate) -> bool:
        return snapshot_id < min(first.first_id, first.previous_id)

    def _is_news(self, snapshot_id: int, update: BookUpdate) -> bool:
        return update.last_id >= snapshot_id

    def _joins(self, snapshot_id: int, update: BookUpdate) -> bool:
        return min(update.first_id, update.previous_id) <= snapshot_id <= update.last_id

    def _follow(self, update: BookUpdate) -> Outcome:
        if not self._is_linked:
            if not self._is_news(self.last_id, update):
                return IGNORED
            if not self._joins(self.last_id, update):
                return self._break(f"update {update.first_id} does not join the snapshot {self.last_id}")
            self._is_linked = True
        elif update.last_id <= self.last_id:
            return IGNORED
        elif update.previous_id != self.last_id:
            return self._break(f"update {update.last_id} follows {update.previous_id}, not {self.last_id}")
        return self._apply(update)
