"""The node source as a whole: what the engine receives equals what the node did."""

import shutil
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from hyperstream.errors import LayoutError
from hyperstream.sources.node import NodeSource
from hyperstream.sources.node.hours import list_hours
from hyperstream.testing import FakeNode
from hyperstream.testing.faults import (
    Fault,
    GarbageLine,
    LateLines,
    MissingBlock,
    RecreatedFile,
    RepeatedHeights,
    Rollover,
    TornLine,
)
from hyperstream.wire.node_blocks import (
    DiffBlock,
    FillBlock,
    HeightGap,
    InstrumentsListed,
    NodeItem,
    RepairRequest,
    SnapshotBegun,
    SnapshotEnded,
    SnapshotOrders,
    SourceStarted,
    StatusBlock,
)
from tests.sources.node.receiver import LAYOUTS, eventually, node_in, receiving, settings_for


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_books_equal_the_nodes_after_the_snapshot_and_every_block(tmp_path: Path, layout: str) -> None:
    node = node_in(tmp_path, layout)
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        receiver.check_truth(node)
        for _ in range(20):
            node.step()
            await receiver.until_height(node.height)
            receiver.check_truth(node)
        node.step()
        await receiver.until_height(node.height, DiffBlock, StatusBlock)
    assert receiver.of(SourceStarted) == [SourceStarted(layout, frozenset({"diffs", "statuses", "fills"}))]
    assert receiver.seen[0] == receiver.of(SourceStarted)[0]
    assert receiver.of(SnapshotBegun) == [SnapshotBegun(receiver.of(SnapshotEnded)[0].height, is_full=True)]
    assert receiver.of(HeightGap) == []
    statistics = receiver.source.statistics()
    assert [source.kind for source in statistics.sources] == ["diffs", "statuses", "fills"]
    assert statistics.sources[0].position == receiver.of(DiffBlock)[-1].position
    assert (statistics.layout, statistics.snapshot.attempts, statistics.snapshot.last_error) == (
        layout,
        1,
        "",
    )


FAULTS: dict[str, list[Fault]] = {
    "torn lines": [TornLine(stem=stem, probability=0.3, pieces=3) for stem in (None,)],
    "late files": [LateLines(stem=None, probability=0.2)],
    "blocks written again": [RepeatedHeights(probability=0.3)],
    "hours": [Rollover(probability=0.3), Rollover(to="day", probability=0.1)],
    "stragglers": [Rollover(probability=0.3, straggler=True)],
    "files recreated": [RecreatedFile(stem=None, probability=0.2)],
    "garbage": [GarbageLine(stem=None, probability=0.3)],
    "everything": [
        TornLine(stem=None, probability=0.1), RepeatedHeights(probability=0.1),
        Rollover(probability=0.1), GarbageLine(stem=None, probability=0.1),
    ],
}  # fmt: skip


@pytest.mark.parametrize("trouble", FAULTS)
async def test_nothing_is_lost_by_block_through(tmp_path: Path, trouble: str) -> None:
    node = node_in(tmp_path, "by_block")
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        node.step()
        await receiver.until_height(node.height, DiffBlock, StatusBlock, FillBlock)
        for step in range(40):
            for fault in FAULTS[trouble]:
                if step % 4 == 0:
                    node.inject(fault)
            node.step()
            if trouble == "files recreated":  # what is unlinked before it was opened cannot be read
                await receiver.until_height(node.height, DiffBlock, StatusBlock, FillBlock)
        node.settle()
        node.step()
        await receiver.until_height(node.height, DiffBlock, StatusBlock, FillBlock)
    receiver.check_truth(node)
    assert receiver.of(HeightGap) == []
    for kind in (DiffBlock, StatusBlock, FillBlock):
        heights = [block.height for block in receiver.of(kind)]
        assert heights == list(range(heights[0], node.height + 1))


@pytest.mark.parametrize(
    "trouble", ["torn lines", "late files", "blocks written again", "hours", "stragglers"]
)
async def test_nothing_is_lost_streaming_through(tmp_path: Path, trouble: str) -> None:
    node = node_in(tmp_path, "streaming")
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        for step in range(40):
            for fault in FAULTS[trouble]:
                if step % 4 == 0:
                    node.inject(fault)
            node.step()
            await trio.lowlevel.checkpoint()
        node.settle()
        node.step()
        await receiver.until_height(node.height)
    receiver.check_truth(node)
    assert receiver.of(HeightGap) == []


async def test_a_missing_block_is_announced_in_front_of_the_next(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        receiver.keeps_books = False
        node.inject(MissingBlock())
        missing = node.step().height
        node.step()
        gap = await receiver.until(lambda item: isinstance(item, HeightGap) and item.source == "diffs")
        assert isinstance(gap, HeightGap)
        assert (gap.first_missing, gap.last_missing) == (missing, missing)
        await receiver.until_height(node.height)
        assert receiver.source.statistics().sources[0].missing_blocks == 1


async def test_repair_requests_are_merged_and_answered_with_the_markets_asked_for(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    first, second, *_ = node.symbols
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        node.step()
        await receiver.until_height(node.height)
        before = len(receiver.seen)
        receiver.repairs.send_nowait(RepairRequest(frozenset({first}), node.height, "a test"))
        receiver.repairs.send_nowait(RepairRequest(frozenset({second}), node.height, "a test"))
        receiver.keeps_books = False
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        repair = receiver.seen[before:]
        assert [item for item in repair if isinstance(item, SnapshotBegun)] == [
            SnapshotBegun(node.height, False)
        ]
        assert {item.symbol for item in repair if isinstance(item, SnapshotOrders)} == {first, second}


async def test_a_repair_older_than_the_doubt_is_asked_for_again(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        wanted = node.height + 2
        receiver.repairs.send_nowait(RepairRequest(frozenset({"BTC"}), wanted, "a test"))
        await eventually(lambda: node.info_faults.requests >= 6)
        node.step()
        node.step()
        receiver.keeps_books = False
        ended = await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        assert ended == SnapshotEnded(wanted, has_triggers=True)


async def test_markets_not_kept_are_left_out_of_snapshots_and_instruments(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    async with (
        node.serve_info() as url,
        receiving(settings_for(tmp_path, url, markets=("BTC",))) as receiver,
    ):
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        if not receiver.of(InstrumentsListed):
            await receiver.until(lambda item: isinstance(item, InstrumentsListed))
    assert {piece.symbol for piece in receiver.of(SnapshotOrders)} == {"BTC"}
    assert [each.symbol for each in receiver.of(InstrumentsListed)[0].instruments] == ["BTC"]


@pytest.mark.parametrize("trouble", ["refuse_snapshots", "errors", "stale_once"])
async def test_a_snapshot_that_fails_is_asked_for_again_and_nothing_is_sent_before(
    tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = node_in(tmp_path, "by_block")
    if trouble == "stale_once":
        node.info_faults.stale = True
    else:
        setattr(node.info_faults, trouble, 2)
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        receiver.source._supply.taker.complete_seconds = 0.2
        if trouble == "stale_once":
            await eventually(lambda: receiver.source.statistics().snapshot.attempts >= 2)
            node.info_faults.stale = False
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        assert receiver.source.statistics().snapshot.attempts >= 2
    begun = receiver.seen.index(receiver.of(SnapshotBegun)[0])
    assert {type(item) for item in receiver.seen[:begun]} <= {SourceStarted, InstrumentsListed}


async def test_without_an_info_server_the_reason_is_in_the_statistics(tmp_path: Path) -> None:
    node_in(tmp_path, "by_block")
    async with receiving(settings_for(tmp_path)) as receiver:
        assert isinstance(await receiver.until(lambda _: True), SourceStarted)
        await eventually(lambda: receiver.source.statistics().snapshot.attempts >= 2)
        statistics = receiver.source.statistics()
        assert "--serve-info" in statistics.snapshot.last_error
        assert statistics.state == "waiting for a snapshot"


async def test_files_that_begin_after_the_snapshot_make_it_ask_again(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    stale_height = node.height
    node.write_snapshot(tmp_path / "old.json")
    given = settings_for(tmp_path, snapshot=str(tmp_path / "old.json"))
    node.step()
    node.inject(Rollover())
    node.step()
    last_before = node.height
    node.step()
    for kind in ("node_raw_book_diffs", "node_order_statuses", "node_fills"):
        directory = tmp_path / f"{kind}_by_block" / "hourly"
        pruned, *rest = list_hours(directory)
        assert rest
        (directory / pruned.file).unlink()
    async with receiving(given) as receiver:
        receiver.keeps_books = False
        gap = await receiver.until(lambda item: isinstance(item, HeightGap) and item.source == "diffs")
        assert isinstance(gap, HeightGap)
        assert (gap.first_missing, gap.last_missing) == (stale_height + 1, last_before)
        assert receiver.of(SnapshotEnded) == [SnapshotEnded(stale_height)]
        await receiver.until_height(node.height)
    async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        receiver.check_truth(node)


async def test_snapshot_none_reads_the_newest_hour_from_its_start_in_all_sources(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    node.inject(Rollover())
    node.step()
    first = node.height + 1
    for _ in range(5):
        node.step()
    async with receiving(settings_for(tmp_path, snapshot="none")) as receiver:
        receiver.keeps_books = False
        await receiver.until_height(node.height, DiffBlock, StatusBlock, FillBlock)
    for kind in (DiffBlock, StatusBlock, FillBlock):
        assert receiver.of(kind)[0].height == first
    assert receiver.of(SnapshotBegun) == []


async def test_it_waits_calmly_until_the_node_writes(tmp_path: Path) -> None:
    data_dir = tmp_path / "hl" / "data"
    async with receiving(settings_for(data_dir, snapshot="none")) as receiver:
        await trio.testing.wait_all_tasks_blocked()
        assert str(data_dir) in receiver.source.statistics().state
        node = FakeNode(data_dir, layout="by_block", markets=2)
        node.step()
        receiver.keeps_books = False
        await receiver.until_height(node.height)


async def test_a_directory_that_appears_later_is_followed_and_told(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    node = node_in(data_dir, "by_block")
    statuses = data_dir / "node_order_statuses_by_block"
    statuses.rename(tmp_path / "aside")
    async with node.serve_info() as url, receiving(settings_for(data_dir, url)) as receiver:
        await receiver.until(lambda item: isinstance(item, SnapshotEnded))
        node.step()
        await receiver.until_height(node.height)
        if not statuses.exists():
            (tmp_path / "aside").rename(statuses)
        await receiver.until(lambda item: isinstance(item, SourceStarted) and "statuses" in item.sources)
        node.step()
        await receiver.until_height(node.height, StatusBlock)
    assert [sorted(started.sources) for started in receiver.of(SourceStarted)] == [
        ["diffs", "fills"], ["diffs", "fills", "statuses"],
    ]  # fmt: skip


async def test_single_events_end_the_source_with_the_flag_to_use(tmp_path: Path) -> None:
    FakeNode(tmp_path, layout="per_event", markets=2).step()
    send, receive = trio.open_memory_channel[NodeItem](8)
    ask, requests = trio.open_memory_channel[RepairRequest](8)
    with receive, ask, trio.fail_after(30), pytest.raises(LayoutError, match="--batch-by-block"):
        await NodeSource(settings_for(tmp_path), send, requests).run()


async def test_a_full_channel_stops_the_reading(tmp_path: Path) -> None:
    node = node_in(tmp_path, "by_block")
    async with receiving(settings_for(tmp_path, snapshot="none"), room=0) as receiver:
        receiver.keeps_books = False
        await receiver.until_height(node.height, DiffBlock, StatusBlock, FillBlock)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(30):
            node.step()
            await trio.testing.wait_all_tasks_blocked()
        held = {source.kind: source.blocks for source in receiver.source.statistics().sources}
        assert max(held.values()) < 3 + 30
        await receiver.until_height(node.height, DiffBlock, StatusBlock, FillBlock)
        assert len(receiver.of(DiffBlock)) == 33


async def test_a_source_that_the_node_does_not_write_is_told_with_the_flag_that_it_lacks(
    tmp_path: Path,
) -> None:
    node = node_in(tmp_path, "by_block")
    shutil.rmtree(tmp_path / "node_fills_by_block")
    with capture_logs() as logs:
        async with node.serve_info() as url, receiving(settings_for(tmp_path, url)) as receiver:
            await receiver.until(lambda item: isinstance(item, SnapshotEnded))
            await eventually(lambda: any("there are no trades" in entry["event"] for entry in logs))
    (told,) = [entry for entry in logs if "there are no trades" in entry["event"]]
    assert (told["log_level"], told["start_with"]) == ("warning", "--write-fills")
