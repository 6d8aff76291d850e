"""Snapshots on their way to the engine: the one that books start from, and repairs later."""

import re
from collections.abc import Awaitable, Callable, Collection

import structlog
import trio
from attrs import define, field

from hyperstream.errors import SnapshotError
from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.snapshot import SnapshotTaker
from hyperstream.sources.node.snapshot_file import SnapshotFile
from hyperstream.wire.node_blocks import NodeItem, RepairRequest, SnapshotBegun, SnapshotEnded

log = structlog.get_logger("hyperstream.sources.node")

LONGEST_RETRY_SECONDS = 60.0
_NUMBER = re.compile(r"[0-9]+")


@define(eq=False)
class SnapshotSupply:
    """Hands snapshots to ``items``, one at a time, asking again as long as it fails.

    ``has_market`` says of a symbol whether its book is kept; other markets are left out.
    """

    taker: SnapshotTaker
    items: trio.MemorySendChannel[NodeItem]
    has_market: Callable[[str], bool]
    retry_seconds: float
    complaints: Complaints = field(factory=lambda: Complaints(log.warning), init=False)
    sent_height: int | None = field(default=None, init=False)
    sent_at: float = field(default=0.0, init=False)
    repairs: int = field(default=0, init=False)

    async def until_good(self, use: Callable[[SnapshotFile], Awaitable[None]]) -> None:
        """Take snapshots until ``use`` accepts one; it refuses by SnapshotError."""
        while True:
            try:
                with await self.taker.take() as snapshot:
                    await use(snapshot)
                return
            except SnapshotError as exc:
                self._complain(exc, self.retry_seconds)
            await trio.sleep(self.retry_seconds)

    async def send(self, snapshot: SnapshotFile, symbols: Collection[str] | None = None) -> None:
        """Send a snapshot, whole or of some ``symbols``; raises SnapshotError after telling the engine."""
        height = snapshot.height
        await self.items.send(SnapshotBegun(height, is_full=symbols is None))
        broke_off: SnapshotError | None = None
        # A node that was asked for trigger orders lists them, and there may be none.
        has_triggers = self.taker.is_asked
        try:
            for piece in snapshot.pieces(symbols):
                has_triggers = has_triggers or bool(piece.triggers)
                if self.has_market(piece.symbol) and (symbols is None or piece.symbol in symbols):
                    await self.items.send(piece)
                else:
                    await trio.lowlevel.checkpoint()
        except SnapshotError as exc:
            broke_off = exc
        if broke_off is not None:
            await self.items.send(SnapshotEnded(height, is_complete=False, reason=str(broke_off)))
            raise broke_off
        await self.items.send(SnapshotEnded(height, has_triggers=has_triggers))
        self.sent_height, self.sent_at = height, trio.current_time()
        log.info(
            "snapshot handed on", height=height, markets="all" if symbols is None else sorted(symbols)[:20]
        )

    async def serve(self, repairs: trio.MemoryReceiveChannel[RepairRequest]) -> None:
        """Answer repair requests one after the other until their channel ends; waiting ones are merged."""
        async for request in repairs:
            wanted = request
            seconds = self.retry_seconds
            while True:
                wanted = _merged(wanted, repairs)
                try:
                    with await self.taker.take(wanted.after_height) as snapshot:
                        await self.send(snapshot, wanted.symbols)
                    self.repairs += 1
                    break
                except SnapshotError as exc:
                    self.taker.last_error = str(exc)
                    self._complain(exc, seconds)
                await trio.sleep(seconds)
                seconds = min(seconds * 2, max(LONGEST_RETRY_SECONDS, self.retry_seconds))

    async def refuse(self, repairs: trio.MemoryReceiveChannel[RepairRequest]) -> None:
        """Take repair requests that cannot be answered: without snapshots books stay as they are."""
        async for request in repairs:
            self.complaints.about(
                "no repair", 'books cannot be repaired with node.snapshot = "none"; set it to "auto"',
                reason=request.reason, symbols=sorted(request.symbols)[:20],
            )  # fmt: skip

    def _complain(self, error: SnapshotError, seconds: float) -> None:
        cause = _NUMBER.sub("#", str(error))
        self.complaints.about(
            cause, "no usable snapshot yet, asking again", error=str(error), every_seconds=seconds
        )


def _merged(request: RepairRequest, repairs: trio.MemoryReceiveChannel[RepairRequest]) -> RepairRequest:
    while True:
        try:
            more = repairs.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return request
        request = RepairRequest(
            request.symbols | more.symbols, max(request.after_height, more.after_height), more.reason
        )
