"""What the fake node's books truly were after every block, and what a subscriber should have seen."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen

from hyperstream.testing import Block, FakeNode, TrueBook

from .client import Stream, body, kind
from .rebuilt import RebuiltBook, Sides


@frozen
class View:
    """How much of a book a subscription shows, and how it is aggregated."""

    depth: int = 1000
    significant_figures: int = 0
    mantissa: int = 0

    def of(self, book: TrueBook) -> Any:
        """What a subscriber with this view holds when the book is this."""
        if not self.significant_figures:
            return book.bids[: self.depth], book.asks[: self.depth]
        return tuple(
            self._aggregated(side, is_bid) for side, is_bid in ((book.bids, True), (book.asks, False))
        )

    def spelled(self, sides: Sides) -> Any:
        """What was rebuilt, comparable with ``of``: aggregated levels compare as numbers."""
        if not self.significant_figures:
            return sides
        return tuple(tuple((Decimal(px), Decimal(size), n) for px, size, n in side) for side in sides)

    def request(self) -> dict[str, Any]:
        """The fields that ask for this view."""
        return {
            "depth": self.depth,
            "significant_figures": self.significant_figures,
            "mantissa": self.mantissa,
        }

    def _aggregated(self, side: tuple[tuple[str, str, int], ...], is_bid: bool) -> Any:
        """As the venue does it: the first price outside a bucket opens the next one."""
        buckets: list[list[Any]] = []
        for text, size, count in side:
            price_e8 = int(Decimal(text) * 10**8)
            if buckets and (price_e8 >= buckets[-1][0] if is_bid else price_e8 <= buckets[-1][0]):
                buckets[-1][1] += Decimal(size)
                buckets[-1][2] += count
                continue
            step = max(1, self.mantissa) * 10 ** max(0, len(str(price_e8)) - self.significant_figures)
            edge = price_e8 // step * step if is_bid else -(-price_e8 // step) * step
            buckets.append([edge, Decimal(size), count])
        return tuple((Decimal(edge) / 10**8, size, n) for edge, size, n in buckets[: self.depth])


@define(eq=False)
class TruthLog:
    """The true books of a node after every block that changed them."""

    node: FakeNode
    block_times: dict[int, int] = field(factory=dict)
    _heights: dict[str, list[int]] = field(factory=dict)
    _books: dict[str, list[TrueBook]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for symbol in self.node.symbols:
            self._heights[symbol] = [self.node.height]
            self._books[symbol] = [self.node.truth(symbol)]

    def record(self, block: Block) -> None:
        """Keep what the block just made has changed."""
        self.block_times[block.height] = block.block_time_ns
        for symbol in block.symbols:
            book = self.node.truth(symbol)
            if book != self._books[symbol][-1]:
                self._heights[symbol].append(block.height)
                self._books[symbol].append(book)

    def at(self, symbol: str, height: int) -> TrueBook:
        """The book after this block; empty for a market that the node only lists."""
        if symbol not in self._heights:
            return TrueBook((), ())
        return self._books[symbol][bisect_right(self._heights[symbol], height) - 1]

    def changes(self, symbol: str, view: View) -> list[int]:
        """The heights at which a view of the book changed."""
        heights = []
        before = None
        books = zip(self._heights.get(symbol, ()), self._books.get(symbol, ()), strict=True)
        for height, book in books:
            seen = view.of(book)
            if seen != before:
                heights.append(height)
            before = seen
        return heights

    def last_changes(self, view: View) -> dict[str, int]:
        """The height at which a view of each book changed last."""
        return {symbol: self.changes(symbol, view)[-1] for symbol in self.node.symbols}


@define(eq=False)
class Verdict:
    """What a stream of books came to. ``compared`` counts heights at which a book was equal."""

    compared: int = 0
    doubtful: int = 0
    gaps: Counter[int] = field(factory=Counter)
    books: dict[str, RebuiltBook] = field(factory=dict)


def judge(stream: Stream, log: TruthLog, view: View) -> Verdict:
    """Rebuild every book from the stream's events and compare it with the truth at every height.

    A block may reach the subscriber in two events of the same height (the streaming layout): it is
    compared after the last. Without a gap no change may be missing between the first event and the last.
    """
    verdict = Verdict()
    seen: dict[str, set[int]] = {}
    first: dict[str, int] = {}
    events = list(stream.events)
    lasts = {
        (told.symbol, told.epoch, told.height): index
        for index, (told, name) in enumerate((body(event), kind(event)) for event in events)
        if name in ("snapshot", "delta")
    }
    for index, event in enumerate(events):
        told, name = body(event), kind(event)
        if name == "gap":
            verdict.gaps[told.reason] += 1
        if name not in ("snapshot", "delta"):
            continue
        symbol = told.symbol
        book = verdict.books.setdefault(symbol, RebuiltBook(view.depth))
        (book.take_snapshot if name == "snapshot" else book.take_delta)(told)
        if told.height in log.block_times and told.block_time_ns:
            assert told.block_time_ns == log.block_times[told.height], told
        first.setdefault(symbol, told.height)
        seen.setdefault(symbol, set()).add(told.height)
        if told.doubtful:
            verdict.doubtful += 1
        elif lasts[symbol, told.epoch, told.height] == index:
            assert view.spelled(book.sides()) == view.of(log.at(symbol, told.height)), (
                f"{symbol} after block {told.height} is not the node's ({view})"
            )
            verdict.compared += 1
    if not verdict.gaps:
        for symbol, heights in seen.items():
            changes = log.changes(symbol, view)
            missing = {height for height in changes if first[symbol] < height < max(heights)} - heights
            assert not missing, f"{symbol}: no event of the blocks {sorted(missing)[:10]}"
    return verdict
