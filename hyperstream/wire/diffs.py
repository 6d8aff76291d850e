"""Raw book diffs: the node's objects applied to books.

``{"user":"0x…","oid":412036451270,"coin":"BTC","side":"A","px":"81311.0","raw_book_diff":{"new":{"sz":"0.61488"}}}``

with ``raw_book_diff`` one of ``{"new":{"sz":…,"insertBefore":oid?}}``, ``{"update":{"origSz":…,"newSz":…}}``,
``{"modified":{"sz":…}}`` and ``"remove"``. ``side`` is ``B``/``A`` (``Bid``/``Ask`` in the documentation's
example, absent before mid-2025).
"""

from collections.abc import Callable
from typing import Any

from attrs import define, field

from hyperstream.errors import DecimalError
from hyperstream.market.book import ADDED, REMOVED, UPDATED, Book, BookFault, BookSide
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.market.order import MAX_OID, Order

MAX_USERS = 200_000


@define(eq=False)
class Applied:
    """What diffs did: the books they ``touched`` by symbol, the orders ``added`` by oid, those ``removed``.

    Removed orders are held here because freeing one, with the bytes of its status, takes longer than
    taking it out of its level; that can wait until what changed has been published.
    """

    touched: dict[str, Book] = field(factory=dict)
    added: dict[int, Order] = field(factory=dict)
    removed: list[Order] = field(factory=list)


class DiffApplier:
    """Applies the diffs of a block to the books they name; ``settle`` afterwards does what can wait.

    ``books`` maps symbols to books; ``open_book`` makes the book of a symbol seen for the first
    time, or returns None if the market is not wanted. ``report`` is told of every contradiction:
    the book (None if the object does not even name one), a short cause and a sentence; the rest of
    the block is applied all the same.
    """

    def __init__(
        self,
        books: dict[str, Book],
        open_book: Callable[[str], Book | None],
        report: Callable[[Book | None, str, str], None],
    ) -> None:
        self.books = books
        self._open_book = open_book
        self._report = report
        self._users: dict[str, str] = {}

    def apply(self, events: list[dict[str, Any]], applied: Applied) -> None:
        """Apply diffs in their order, and enter into ``applied`` what they did."""
        books = self.books
        touched, added, gone = applied.touched, applied.added, applied.removed.append
        for event in events:
            book = None
            try:
                symbol = event["coin"]
                if symbol in touched:
                    book = touched[symbol]
                else:
                    book = books[symbol] if symbol in books else self._open_book(symbol)
                    if book is None:
                        continue
                    touched[symbol] = book
                change = event["raw_book_diff"]
                oid = event["oid"]
                price = event["px"]
                letter = event["side"] if "side" in event else None  # noqa: SIM401 - twice as fast
                if letter == "B":
                    side = book.bids
                elif letter == "A":
                    side = book.asks
                else:
                    side = _odd_side(book, letter, oid, price)
                if change == "remove":
                    removed = side.remove(oid, price)
                    if removed is None:
                        removed = book.take_emptied(oid)
                    gone(removed)
                    if book.journal is not None:
                        book.journal.append((REMOVED, removed, None))
                    continue
                if "new" in change:
                    new = change["new"]
                    size_e8 = parse_e8(new["sz"])
                    if not size_e8:
                        raise BookFault("impossible size", f"order {oid} is new with size zero")
                    user = event["user"]
                    before_oid = new.get("insertBefore") if len(new) > 1 else None
                    if type(oid) is not int or type(user) is not str or not 0 <= oid <= MAX_OID:
                        raise TypeError("oid or user is impossible")
                    if before_oid is not None and type(before_oid) is not int:
                        raise TypeError("insertBefore is no oid")
                    try:
                        order = side.add(oid, user, price, size_e8, before_oid)
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
                    if book.journal is not None:
                        book.journal.append((ADDED, order, before_oid))
                    continue
                self._resize(book, side, oid, price, change, added)
            except BookFault as fault:
                self._report(book, fault.cause, str(fault))
            except DecimalError as fault:
                self._report(book, "impossible size", f"{fault} in {event!r:.300}")
            except (KeyError, TypeError, AttributeError) as fault:
                self._report(book, "unreadable diff", f"{fault!r} in {event!r:.300}")

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
        self,
        book: Book,
        side: BookSide,
        oid: int,
        price: str,
        change: dict[str, Any],
        added: dict[int, Order],
    ) -> None:
        update = change.get("update")
        if update is not None:
            size_e8 = parse_e8(update["newSz"])
            expected_e8 = parse_e8(update["origSz"])
        else:
            size_e8 = parse_e8(change["modified"]["sz"])
            expected_e8 = None
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


def _odd_side(book: Book, letter: object, oid: int, price: str) -> BookSide:
    """The side of a diff that does not say B or A; raises BookFault if it cannot be known."""
    if letter == "Bid":
        return book.bids
    if letter == "Ask":
        return book.asks
    if letter is None:
        for side in book.sides():
            level = side.level_at(price)
            if level is not None and oid in level.orders:
                return side
        raise BookFault(
            "diff without side",
            f"order {oid} has no side: a node older than mid-2025 wrote this, take a newer recording",
        )
    raise BookFault("unreadable diff", f"order {oid} has side {letter!r}")
