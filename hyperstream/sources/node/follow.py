"""Follows one source: its tail, its reader, and the channel to the engine."""

import math

import trio
from attrs import define

from hyperstream.sources.node.blocks import STREAMING
from hyperstream.sources.node.reader import Reader
from hyperstream.sources.node.tail import Tail
from hyperstream.wire.node_blocks import NodeItem

# In the streaming layout the node writes 20,000 lines a second, each of which would wake us. A
# millisecond after the last read costs a block nothing, since it only ends by silence or the next
# one, and saves most of the wake-ups. The first line after a pause is read at once.
STREAMING_PACE_SECONDS = 0.001

# A read of diffs, the engine's application of them, and two steps for streams that were not idle.
GIVE_WAY_STEPS = 4

# How long the file before may bring a block that the next file's first line leaves out. The writer's
# buffer takes up to three seconds in the worst case measured, most often a fifth of one.
ROLLOVER_SECONDS = 1.0

# A node that buffers its files leaves half a line at their end, and goes on when the buffer is full again:
# after that long at most, in the worst case measured. A block whose next line has begun is not at its end.
BUFFER_SECONDS = 3.0


@define(eq=False)
class Follower:
    """Hands one source's blocks to ``items``; while that channel is full the lines stay in the files.

    A source that ``gives_way`` is not read in the same breath as it was written: statuses are the
    largest file and the least urgent, and their read would hold up the diffs of the same block.
    """

    layout: str
    tail: Tail
    reader: Reader
    items: trio.MemorySendChannel[NodeItem]
    quiet_seconds: float
    gives_way: bool = False

    async def run(self) -> None:
        """Run until cancelled."""
        tail, reader = self.tail, self.reader
        tail.patience = self._patience
        tail.lost = reader.lost
        pace_seconds = STREAMING_PACE_SECONDS if self.layout == STREAMING else 0.0
        quiet_at = math.inf
        read_at = -math.inf
        with tail:
            while True:
                batch = tail.take()
                if batch is None:
                    if reader.has_open_block:  # the tail may just have told of a line that was lost
                        quiet_at = min(quiet_at, trio.current_time() + self.quiet_seconds)
                    with trio.move_on_at(quiet_at) as scope:
                        if pace_seconds:
                            await trio.sleep_until(read_at + pace_seconds)
                        await tail.wait()
                        await self._give_way()
                    if not scope.cancelled_caught:
                        continue
                    batch = tail.take()
                    now = trio.current_time()
                    if batch is None and now < read_at + BUFFER_SECONDS and reader.goes_on(tail.begun):
                        quiet_at = now + self.quiet_seconds
                        continue
                items = reader.feed(batch) if batch is not None else reader.flush()
                read_at = trio.current_time()
                quiet_at = read_at + self.quiet_seconds if reader.has_open_block else math.inf
                if not items:  # a megabyte of rejections hands on nothing: let the others run
                    await trio.lowlevel.checkpoint()
                # Nothing here may keep a block alive: freeing its thousand events would fall
                # between the next block's reading and its application.
                del batch
                while items:
                    await self.items.send(items.pop(0))

    async def _give_way(self) -> None:
        """Let the other sources' lines, which came at the same time, go all the way first."""
        if self.gives_way:
            for _ in range(GIVE_WAY_STEPS):
                await trio.lowlevel.checkpoint()

    def _patience(self, head: bytes) -> float:
        """Return for how long the last lines of an hour may come after the first of the next.

        By-block files tell by their heights whether something is missing. Streaming files do not:
        there the last block gets as long as any block at its end.
        """
        if self.layout == STREAMING:
            return self.quiet_seconds
        return 0.0 if self.reader.follows(head) else ROLLOVER_SECONDS
