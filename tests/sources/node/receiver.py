"""The engine's end of a node source, for tests: takes the items and keeps books in the plainest way."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve, field

from hyperstream.config import NodeSettings
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.sources.node import NodeSource
from hyperstream.testing import FakeNode
from hyperstream.testing.faults import (
    Fault,
)
from hyperstream.wire.diff_lines import REMOVE, Diff
from hyperstream.wire.node_blocks import (
    DiffBlock,
    NodeItem,
    RepairRequest,
    SnapshotOrders,
)

LAYOUTS = ("by_block", "streaming")
Levels = tuple[tuple[str, str, int], ...]


@define(eq=False)
class Receiver:
    """Takes every item and keeps books in the plainest way: an order is a row."""

    items: trio.MemoryReceiveChannel[NodeItem]
    repairs: trio.MemorySendChannel[RepairRequest]
    source: NodeSource
    keeps_books: bool = True
    seen: list[NodeItem] = field(factory=list)
    books: dict[str, dict[int, tuple[str, int, int]]] = field(factory=lambda: defaultdict(dict))

    async def until(self, is_reached: Callable[[NodeItem], bool]) -> NodeItem:
        """Receive up to the item asked for."""
        with trio.fail_after(20):
            while True:
                item = await self.items.receive()
                self.seen.append(item)
                self.apply(item)
                if is_reached(item):
                    return item

    async def until_height(self, height: int, *kinds: type) -> None:
        """Receive up to a height in each kind of block."""
        missing = set(kinds or (DiffBlock,))
        while missing:
            item: Any = await self.until(lambda item: type(item) in missing)
            if item.height >= height:
                missing.discard(type(item))

    def apply(self, item: NodeItem) -> None:
        if not self.keeps_books:
            return
        if isinstance(item, SnapshotOrders):
            for _, order in item.orders:
                row = (order["side"], parse_e8(order["limitPx"]), parse_e8(order["sz"]))
                self.books[item.symbol][order["oid"]] = row
        elif isinstance(item, DiffBlock):
            for diff in item.diffs:
                self.change(self.books[diff.symbol], diff)

    def change(self, book: dict[int, tuple[str, int, int]], diff: Diff) -> None:
        what, oid = diff.change, diff.oid
        if isinstance(what, str):
            assert what == REMOVE
            del book[oid]
        elif what.new is not None:
            assert oid not in book, "applied twice"
            assert diff.side is not None
            book[oid] = (diff.side, parse_e8(diff.price), parse_e8(what.new.size))
        else:
            assert what.update is not None
            side, price, size = book[oid]
            assert size == parse_e8(what.update.size_before), "something is missing"
            book[oid] = (side, price, parse_e8(what.update.size))

    def levels(self, symbol: str, side: str) -> Levels:
        """The levels of a side, best first."""
        sums: dict[int, tuple[int, int]] = {}
        for its_side, price, size in self.books[symbol].values():
            if its_side == side and size:
                total, count = sums.get(price, (0, 0))
                sums[price] = (total + size, count + 1)
        rows = sorted(sums.items(), reverse=side == "B")
        return tuple((format_e8(price), format_e8(total), count) for price, (total, count) in rows)

    def of(self, *kinds: type) -> list[Any]:
        return [item for item in self.seen if isinstance(item, kinds)]

    def check_truth(self, node: FakeNode) -> None:
        """Every book equals the node's."""
        for symbol in node.symbols:
            truth = node.truth(symbol)
            assert self.levels(symbol, "B") == truth.bids, symbol
            assert self.levels(symbol, "A") == truth.asks, symbol


async def run_source(source: NodeSource) -> None:
    await source.run()


@asynccontextmanager
async def receiving(settings: NodeSettings, room: int = 64) -> AsyncIterator[Receiver]:
    """A node source that runs during the block, and what it sends."""
    send, receive = trio.open_memory_channel[NodeItem](room)
    ask, requests = trio.open_memory_channel[RepairRequest](8)
    source = NodeSource(settings, send, requests)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_source, source, name="node source")  # its channel tells
        with ask:
            yield Receiver(receive, ask, source)
        nursery.cancel_scope.cancel(reason="the test is over")
    is_closed = False
    while not is_closed:
        try:
            receive.receive_nowait()
        except trio.EndOfChannel:  # and not WouldBlock
            is_closed = True
    receive.close()


async def eventually(is_true: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not is_true():  # noqa: ASYNC110  # what is waited for is only a number
            await trio.sleep(0.01)


def settings_for(data_dir: Path, url: str = "http://127.0.0.1:9/info", **changes: Any) -> NodeSettings:
    return evolve(NodeSettings(data_dir=data_dir, info_url=url, snapshot_retry_seconds=0.02), **changes)


def node_in(data_dir: Path, layout: str, *faults: Fault, markets: int = 6) -> FakeNode:
    """A node that has run for a while."""
    assert layout in LAYOUTS
    node = FakeNode(data_dir, layout=layout, markets=markets, faults=faults)
    for _ in range(3):
        node.step()
    return node
