"""The node as a source: everything it writes, handed to the engine in one channel.

Steps, in this order:

1. Wait until the layout can be told; send SourceStarted.
2. In the background ask the info server for the list of markets, now and every five minutes.
3. Take a snapshot and send it. The node's files are the buffer: nothing is collected meanwhile.
4. Find the first line above the snapshot's height in each source, and follow the files from there.
5. Answer repair requests by further snapshots.

With ``snapshot = "none"`` steps 3 and 5 fall away and all sources start at the beginning of the newest
hourly file of diffs: the more of the past is read, the more of the resting orders are known.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import structlog
import trio

from hyperstream.config import NodeSettings
from hyperstream.errors import FormatError, SnapshotError
from hyperstream.sources.node.blocks import BY_BLOCK, make_reader
from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.follow import Follower
from hyperstream.sources.node.hours import newest_hour
from hyperstream.sources.node.info import InfoClient, InfoError
from hyperstream.sources.node.instruments import ask_instruments
from hyperstream.sources.node.layout import FLAGS, Layout, directory_of, existing_sources, find_layout
from hyperstream.sources.node.reader import DIFFS, FILLS, KINDS, STATUSES, Reader
from hyperstream.sources.node.seek import Place, find_place
from hyperstream.sources.node.snapshot import SnapshotTaker
from hyperstream.sources.node.snapshot_file import SnapshotFile
from hyperstream.sources.node.stall import LOOK_SECONDS, StallWatch
from hyperstream.sources.node.statistics import NodeStatistics, SnapshotStatistics, statistics_of
from hyperstream.sources.node.supply import SnapshotSupply
from hyperstream.sources.node.tail import Tail
from hyperstream.sources.node.watch import Watch
from hyperstream.wire.node_blocks import InstrumentsListed, NodeItem, RepairRequest, SourceStarted

log = structlog.get_logger("hyperstream.sources.node")

INSTRUMENTS_SECONDS = 300.0
_WITHOUT = {STATUSES: "orders have no attributes", FILLS: "there are no trades"}


class NodeSource:
    """Reads one node's files and hands ``NodeItem`` values to ``items``, which it closes at its end.

    ``repairs`` carries the engine's requests. ``transport`` replaces the network of the info client.
    """

    def __init__(
        self,
        settings: NodeSettings,
        items: trio.MemorySendChannel[NodeItem],
        repairs: trio.MemoryReceiveChannel[RepairRequest],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = settings
        self._items = items
        self._repairs = repairs
        self._info = InfoClient(settings.info_url, transport)
        self._supply = SnapshotSupply(
            SnapshotTaker(settings, self._info), items, self._has_market, settings.snapshot_retry_seconds
        )
        self._layout = ""
        self._state = "not started"
        self._followers: dict[str, Follower] = {}

    def statistics(self) -> NodeStatistics:
        """Return where every source stands and what was lost on the way."""
        supply, taker = self._supply, self._supply.taker
        age = trio.current_time() - supply.sent_at if supply.sent_height is not None else None
        return NodeStatistics(
            layout=self._layout,
            state=self._state,
            sources=tuple(statistics_of(self._followers[kind]) for kind in KINDS if kind in self._followers),
            snapshot=SnapshotStatistics(supply.sent_height, age, taker.attempts, taker.last_error),
            repairs=supply.repairs,
        )

    def kept_answer(self, request: Mapping[str, Any]) -> bytes | None:
        """What the info server answered last to a question about the venue (``{"type":"meta"}``)."""
        return self._info.kept_answer(request)

    async def run(self) -> None:
        """Run until cancelled; raises LayoutError if the node writes only what cannot be used."""
        with self._items, self._repairs:
            await self._wait_for_layout()
            sources = existing_sources(self.settings.data_dir, self._layout)
            await self._items.send(SourceStarted(self._layout, sources))
            async with self._info, trio.open_nursery() as nursery:
                nursery.start_soon(self._list_instruments, name="node: instruments")
                places = await self._start(sources)
                self._state = f"reading {self._layout} files below {self.settings.data_dir}"
                for kind in KINDS:
                    if kind in places:
                        nursery.start_soon(self._followers[kind].run, name=f"node: tail {kind}")
                    else:
                        nursery.start_soon(self._await_directory, kind, name=f"node: await {kind}")
                serve = self._supply.refuse if self.settings.snapshot == "none" else self._supply.serve
                nursery.start_soon(serve, self._repairs, name="node: repairs")
                nursery.start_soon(self._watch_for_stalls, name="node: stalls")

    async def _wait_for_layout(self) -> None:
        data_dir = self.settings.data_dir
        with Watch() as watch:
            while True:
                watch.cover(
                    [data_dir, *(directory_of(data_dir, DIFFS, name) for name in ("by_block", "streaming"))]
                )
                found = find_layout(data_dir, self.settings.layout)
                if isinstance(found, Layout):
                    break
                state = f"waiting for {found.waiting_for}"
                if state != self._state:
                    self._state = state
                    log.warning(state)
                await watch.wait()
        if found.doubt:
            log.warning("two layouts are being written", doubt=found.doubt, taken=found.name)
        self._layout = found.name
        log.info("node found", layout=found.name, data_dir=str(data_dir))

    async def _start(self, sources: frozenset[str]) -> dict[str, Place | None]:
        """Send the snapshot that books start from; return where each existing source goes on."""
        places: dict[str, Place | None] = {}
        if self.settings.snapshot == "none":
            hour = newest_hour(directory_of(self.settings.data_dir, DIFFS, self._layout))
            for kind in sources:
                places[kind] = Place(hour, 0, None, has_earlier=False) if hour is not None else None
                self._follow(kind, places[kind])
            return places

        async def join(snapshot: SnapshotFile) -> None:
            places.clear()
            for kind in sources:
                places[kind] = await self._find(kind, snapshot.height)
            readers = {kind: self._follow(kind, places[kind]) for kind in sources}
            problem = self._why_not(snapshot.height, places[DIFFS])
            if problem and self._supply.taker.is_asked:
                raise SnapshotError(problem)
            await self._supply.send(snapshot)
            for reader in readers.values():
                reader.start_after(snapshot.height)
            first = places[DIFFS]
            if problem and first is not None and first.height is not None:
                log.warning("the snapshot is older than the files; some blocks are missing", problem=problem)
                await self._items.send(readers[DIFFS].skip_to(first.height, problem))

        self._state = "waiting for a snapshot"
        await self._supply.until_good(join)
        return places

    def _why_not(self, height: int, place: Place | None) -> str:
        """Return why the diffs cannot go on from a snapshot, empty if they can.

        Without a line yet there is nothing to object to: the reader tells if heights are missing then.
        In the streaming layout a block without events has no line, so an earlier line proves enough.
        """
        if place is None or place.height is None or place.height == height + 1:
            return ""
        if place.has_earlier and self._layout != BY_BLOCK:
            return ""
        return (
            f"the diffs go on with block {place.height} in {place.hour.file}, the snapshot stands at {height}"
        )

    async def _find(self, kind: str, height: int) -> Place | None:
        directory = directory_of(self.settings.data_dir, kind, self._layout)
        return await trio.to_thread.run_sync(find_place, directory, height)

    def _follow(self, kind: str, place: Place | None) -> Reader:
        """Prepare to follow a source from a place; None where there was no file, so all that come are new."""
        directory = directory_of(self.settings.data_dir, kind, self._layout)
        if place is not None:
            tail = Tail(directory, place.hour, place.offset)
        else:
            tail = Tail(directory, is_from_oldest=True)
        reader = make_reader(kind, self._layout, log.warning)
        quiet_seconds = self.settings.quiet_seconds
        self._followers[kind] = Follower(
            self._layout, tail, reader, self._items, quiet_seconds, gives_way=kind == "statuses"
        )
        return reader

    async def _await_directory(self, kind: str) -> None:
        """Follow a source whose directory does not exist yet, from where the diffs stand by then."""
        data_dir = self.settings.data_dir
        directory = directory_of(data_dir, kind, self._layout)
        log.warning(
            f"the node does not write a source yet: {_WITHOUT[kind]}",
            source=kind, start_with=FLAGS[kind], directory=str(directory),
        )  # fmt: skip
        with Watch() as watch:
            watch.cover([directory])
            while not directory.is_dir():
                await watch.wait()
                watch.cover([directory])
        height = self._followers[DIFFS].reader.last_height
        place = await self._find(kind, height) if height is not None else None
        reader = self._follow(kind, place)
        if height is not None:
            reader.start_after(height)
        log.info("the node writes another source", source=kind, directory=str(directory))
        await self._items.send(SourceStarted(self._layout, existing_sources(data_dir, self._layout)))
        await self._followers[kind].run()

    async def _list_instruments(self) -> None:
        complaints = Complaints(log.warning)
        seconds = self.settings.snapshot_retry_seconds
        while True:
            try:
                listed = await ask_instruments(self._info, complaints)
                kept = tuple(instrument for instrument in listed if self._has_market(instrument.symbol))
                await self._items.send(InstrumentsListed(kept))
                complaints.settled("failed")
                seconds = INSTRUMENTS_SECONDS
            except (InfoError, FormatError) as exc:
                complaints.about(
                    "failed", "the list of markets is not to be had, asking again", error=str(exc)
                )
                seconds = min(max(seconds * 2, self.settings.snapshot_retry_seconds), INSTRUMENTS_SECONDS)
            await trio.sleep(seconds)

    async def _watch_for_stalls(self) -> None:
        stalls = StallWatch()
        while True:
            heights = {kind: follower.reader.last_height for kind, follower in self._followers.items()}
            gap = stalls.look(trio.current_time(), heights)
            if gap is not None:
                await self._items.send(gap)
            await trio.sleep(LOOK_SECONDS)

    def _has_market(self, symbol: str) -> bool:
        return "*" in self.settings.markets or symbol in self.settings.markets
