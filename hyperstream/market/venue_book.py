"""Books of exchanges, kept in step with the venue by its own rules: one state machine per venue.

Each takes ``BookUpdate`` values (and, where the venue has one, a REST ``BookSnapshot``) and answers
what became of it: ``Applied``, ``Ignored``, ``NeedSnapshot`` or ``Broken``. They know no sockets and no
clock: fetching a snapshot and telling a gap is the business of whoever drives them.

Sources of the rules: "How to manage a local order book correctly" in Binance's spot and USD-M
documentation, Bybit's v5 "Orderbook" page with what was measured of ``u``, Hyperliquid's "l2Book".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from attrs import define, field, frozen

from hyperstream.errors import DecimalError
from hyperstream.market.venue_levels import PriceSize, VenueSide

MAX_WAITING = 1_000


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
