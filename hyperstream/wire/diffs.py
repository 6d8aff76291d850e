"""Raw book diffs applied to books."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field

from hyperstream.errors import DecimalError
from hyperstream.market.book import ADDED, REMOVED, UPDATED, Book, BookFault, BookSide
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.market.order import MAX_OID, Order
from hyperstream.wire.diff_lines import REMOVE, Change, Diff

MAX_USERS = 200_000


@define(eq=False)
class Applied:
    """What diffs did: the orders ``added`` by oid, and those ``removed``.

    Removed orders are held here because freeing one, with the bytes of its status, takes longer than
    taking it out of its level; that can wait until what changed has been published.
    """

    added: dict[int, Order] = field(factory=dict)
    removed: list[Order] = field(factory=list)


class DiffApplier:
    """Applies diffs to books; ``settle`` afterwards does what can wait.

    ``report`` is told of every contradiction: the book, a short cause and a sentence; the rest
    is applied all the same.
    """

    def __init__(self, report: Callable[[Book, str, str], None]) -> None:
        self._report = report
        self._users: dict[str, str] = {}

    def apply(self, book: Book, diffs: Iterable[Diff], applied: Applied) -> None:
        """Apply a market's diffs in their order, and enter into ``applied`` what they did."""
        added, gone = applied.added, applied.removed.append
        bids, asks, journal = book.bids, book.asks, book.journal
        for diff in diffs:
            oid, price, change, letter = diff.oid, diff.price, diff.change, diff.side
            try:
                if letter == "B":
                    side = bids
                elif letter == "A":
                    side = asks
                else:
                    side = _odd_side(book, diff)
                if change == REMOVE:
                    removed = side.remove(oid, price)
                    if removed is None:
                        removed = book.take_emptied(oid)
                    gone(removed)
                    if journal is not None:
                        journal.append((REMOVED, removed, None))
                    continue
                if type(change) is not Change:
                    raise BookFault("unreadable diff", str(change))
                new = change.new
                if new is None:
                    self._resize(book, side, diff, change, added)
                    continue
                size_e8 = parse_e8(new.size)
                if not size_e8:
                    raise BookFault("impossible size", f"order {oid} is new with size zero")
                if not 0 <= oid <= MAX_OID:
                    raise BookFault("unreadable diff", f"no order has the number {oid}")
                before_oid = new.before_oid
                try:
                    order = side.add(oid, diff.user, price, size_e8, before_oid)
                except BookFault as fault:
                    if fault.cause != "unknown anchor":
                        raise
                    # The order rests, only its place in the queue is in doubt.
                    level = side.level_at(price)
                    assert level is not None
                    order = level.orders[oid]
                    before_oid = None
                    self._report(book, fault.cause, str(fault))
                added[oid] = order
                if journal is not None:
                    journal.append((ADDED, order, before_oid))
            except BookFault as fault:
                self._report(book, fault.cause, str(fault))
            except DecimalError as fault:
                self._report(book, "impossible size", f"{fault} in {diff!r:.300}")

    def settle(self, applied: Applied) -> None:
        """Let new orders share one string for each user, and free the orders removed."""
        users = self._users
        if len(users) > MAX_USERS:
            users.clear()
        share = users.setdefault
        for order in applied.added.values():
            user = order.user
            order.user = share(user, user)
        applied.removed.clear()

    def _resize(
        self, book: Book, side: BookSide, diff: Diff, change: Change, added: dict[int, Order]
    ) -> None:
        oid, price = diff.oid, diff.price
        expected_e8 = None
        if change.update is not None:
            size_e8 = parse_e8(change.update.size)
            expected_e8 = parse_e8(change.update.size_before)
        elif change.modified is not None:
            size_e8 = parse_e8(change.modified.size)
        else:
            raise BookFault("unreadable diff", f"nothing that is known happens to order {oid} at {price}")
        before, after = side.resize(oid, price, size_e8)
        if not size_e8:
            book.note_emptied(after)
        if oid in added:
            added[oid] = after
        if book.journal is not None:
            book.journal.append((UPDATED, after, before.size_e8))
        if size_e8 > before.size_e8:
            raise BookFault(
                "impossible size",
                f"order {oid} grew from {format_e8(before.size_e8)} to {format_e8(size_e8)}",
            )
        if expected_e8 is not None and expected_e8 != before.size_e8:
            raise BookFault(
                "size mismatch",
                f"order {oid} at {after.level.price} had {format_e8(before.size_e8)} left, "
                f"the node says {format_e8(expected_e8)}",
            )


def _odd_side(book: Book, diff: Diff) -> BookSide:
    """The side of a diff that does not say B or A; raises BookFault if it cannot be known."""
    letter, oid = diff.side, diff.oid
    if letter == "Bid":
        return book.bids
    if letter == "Ask":
        return book.asks
    if type(diff.change) is str and diff.change != REMOVE:
        raise BookFault("unreadable diff", diff.change)
    if letter is None:
        for side in book.sides():
            level = side.level_at(diff.price)
            if level is not None and oid in level.orders:
                return side
        raise BookFault(
            "diff without side",
            f"order {oid} has no side: a node older than mid-2025 wrote this, take a newer recording",
        )
    raise BookFault("unreadable diff", f"order {oid} has side {letter!r}")
