"""FakeNode: an exchange, its files and its info server in one object.

    node = FakeNode(tmp_path, seed=7, markets=["BTC", "@107", "xyz:XYZ100"])
    node.write_snapshot(tmp_path / "snapshot.json")
    block = node.step()
    assert node.truth("BTC").bids[0] == ("81310.0", "0.0153", 2)

The same seed and the same calls give the same bytes, unless the clock is the wall's.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import trio
from attrs import frozen

from hyperstream.testing import info, snapshot
from hyperstream.testing.clock import Clock
from hyperstream.testing.divergence import diverge
from hyperstream.testing.exchange import Events, Exchange
from hyperstream.testing.faults import Divergence, Fault, Stall
from hyperstream.testing.flow import Flow
from hyperstream.testing.listings import choose_markets
from hyperstream.testing.load import QUIET, Load
from hyperstream.testing.truth import TrueBook, TrueOrder
from hyperstream.testing.writer import PreparedBlock, Writer

CATCH_UP_BLOCKS = 3  # when late, at most so many blocks follow one another without a pause


@frozen
class Block:
    """What one step did. ``symbols`` are the coins whose books changed; counts are of events."""

    height: int
    block_time_ns: int
    symbols: tuple[str, ...]
    statuses: int
    diffs: int
    fills: int
    bytes_written: int
    faults: tuple[Fault, ...] = ()
    diverged: tuple[str, ...] = ()
    stall_seconds: float = 0.0


class FakeNode:
    """A seeded Hyperliquid node that writes plausible files and knows the true books.

    ``load`` says how busy it is, ``faults`` what goes wrong. With ``start_time_ns`` None the
    simulated clock starts now, and ``run`` at a positive rate follows the wall.
    ``lag_seconds`` is how far ``run`` was behind its schedule at the last block.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        seed: int = 1,
        layout: str = "by_block",
        markets: int | Sequence[str] = 8,
        load: Load = QUIET,
        faults: Sequence[Fault] = (),
        start_height: int = 985_000_001,
        start_time_ns: int | None = None,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.layout = layout
        self.specs = choose_markets(markets)
        self.symbols = tuple(spec.symbol for spec in self.specs)
        self.height = start_height - 1
        self.info_faults = info.InfoFaults()
        self.lag_seconds = 0.0
        self._follows_wall = start_time_ns is None
        self._clock = Clock(start_time_ns, Random(f"{seed} clock"))
        self._fault_rng = Random(f"{seed} faults")  # apart, so that faults do not change the flow
        self._faults = tuple(faults)
        self._injected: list[Fault] = []
        rng = Random(seed)
        self.exchange = Exchange(self.specs, rng)
        self._flow = Flow(self.exchange, load, rng)
        self.block_time_ns = start_time_ns or time.time_ns()
        self._flow.fill_books(self.block_time_ns // 1_000_000)
        self._writer = Writer(self.data_dir, layout, self._clock)

    # -- blocks ---------------------------------------------------------------------------

    def step(self) -> Block:
        """Make one block, write it, and say what it held."""
        height = self.height + 1
        faults = [fault for fault in self._faults if fault.is_due(height, self._fault_rng)]
        faults += self._injected
        self._injected = []
        events = self._make_block()
        before = self._writer.bytes_written
        diverged = [
            diverge(events, self.exchange, fault, self._fault_rng)
            for fault in faults
            if isinstance(fault, Divergence)
        ]
        self._writer.write(height, self.block_time_ns, events, faults)
        stall = sum(fault.seconds for fault in faults if isinstance(fault, Stall))
        self._clock.stall(stall)
        return Block(
            height=height,
            block_time_ns=self.block_time_ns,
            symbols=events.changed,
            statuses=len(events.statuses),
            diffs=len(events.diffs),
            fills=len(events.fills),
            bytes_written=self._writer.bytes_written - before,
            faults=tuple(faults),
            diverged=tuple(symbol for symbol in diverged if symbol is not None),
            stall_seconds=stall,
        )

    async def run(
        self,
        blocks: int | None = None,
        rate: float = 15.0,
        on_block: Callable[[Block], object] | None = None,
    ) -> None:
        """Make ``blocks`` blocks (None: for ever) in real time, ``rate`` a second; 0 is flat out.

        ``on_block`` is called with each block right after it was written.
        """
        self._clock.follows_wall = self._follows_wall and rate > 0
        await trio.lowlevel.checkpoint()
        due = trio.current_time()
        made = 0
        while blocks is None or made < blocks:
            if rate > 0:
                now = trio.current_time()
                self.lag_seconds = max(0.0, now - due)
                due = max(due, now - CATCH_UP_BLOCKS / rate)  # what is later than that is given up
                await trio.sleep_until(due)
                due += 1 / rate
            else:
                await trio.lowlevel.checkpoint()
            block = self.step()
            made += 1
            if on_block is not None:
                on_block(block)
            if block.stall_seconds and rate > 0:
                due += block.stall_seconds

    def inject(self, fault: Fault) -> None:
        """Let the fault strike the next block, whatever its own schedule says."""
        self._injected.append(fault)

    def settle(self) -> None:
        """Write now everything that faults still hold back."""
        self._writer.settle()

    def close(self) -> None:
        """Settle and close the files; a later step opens them again."""
        self._writer.close()

    @property
    def lines_written(self) -> int:
        """Events written so far, in all files of one layout."""
        return self._writer.lines_written

    @property
    def bytes_written(self) -> int:
        """Bytes written so far, in all files."""
        return self._writer.bytes_written

    # -- prepared blocks ------------------------------------------------------------------

    def prepare(self, blocks: int) -> list[PreparedBlock]:
        """Make blocks ahead without writing them, for load tests that must cost little while they run.

        Faults do not strike prepared blocks, and ``truth`` is that of the last one prepared.
        """
        return list(self._prepare(blocks))

    def write_prepared(self, block: PreparedBlock) -> None:
        """Write a prepared block now; its lines carry the wall's local time of this moment."""
        self._writer.write_prepared(block, time.time_ns())

    # -- truth ----------------------------------------------------------------------------

    def truth(self, symbol: str, depth: int | None = None) -> TrueBook:
        """Return the true levels of a market after the last block, best first."""
        return self.exchange.book(symbol, depth)

    def orders(self, symbol: str) -> tuple[list[TrueOrder], list[TrueOrder]]:
        """Return the resting orders of a market in priority order: bids, asks."""
        return self.exchange.orders(symbol)

    def stops(self, symbol: str) -> list[TrueOrder]:
        """Return the untriggered orders of a market, oldest first."""
        return self.exchange.stops(symbol)

    def write_snapshot(
        self,
        path: Path,
        *,
        include_users: bool = True,
        include_trigger_orders: bool = False,
        include_height: bool = True,
    ) -> int:
        """Write the L4 snapshot of the state after ``height``; return that height."""
        captured = snapshot.capture(self.exchange, self.height, include_trigger_orders=include_trigger_orders)
        with Path(path).open("wb") as file:
            for piece in snapshot.pieces(
                captured, include_users=include_users, include_height=include_height
            ):
                file.write(piece)
        return captured.height

    # -- info server ----------------------------------------------------------------------

    @asynccontextmanager
    async def serve_info(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve ``POST /info`` while the block runs; yields the address. ``info_faults`` spoils answers."""
        async with info.serve(self, host, port) as url:
            yield url

    def _make_block(self) -> Events:
        self.height += 1
        self.block_time_ns = self._clock.next_block()
        self.exchange.begin(self.block_time_ns)
        self._flow.drive()
        return self.exchange.end()

    def _prepare(self, blocks: int) -> Iterator[PreparedBlock]:
        for _ in range(blocks):
            events = self._make_block()
            yield self._writer.prepare(self.height, self.block_time_ns, events)
