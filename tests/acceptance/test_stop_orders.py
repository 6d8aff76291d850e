"""The stop and take-profit orders that wait equal the node's after every block."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
import trio

from hyperstream.testing import Divergence, LateLines, MissingBlock, RepeatedHeights, Rollover, TornLine
from hyperstream.testing.lines import STATUSES

from .client import Client, Stream, body, kind
from .contract import number
from .program import PATIENCE_SECONDS, Daemon
from .rebuilt_stops import RebuiltStops, described, truly_described
from .stage import MARKETS, Stage, in_thread, staged, wait_height

LAYOUTS = ("by_block", "streaming")
CALL = "SubscribeStopOrders"
Truths = dict[tuple[str, int], list[tuple[Any, ...]]]


class Watched:
    """A stage, a stream of its waiting orders, and what truly waited after every block."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.truths: Truths = {}
        self.record()

    def record(self) -> None:
        for symbol in MARKETS:
            stops = self.stage.node.stops(symbol)
            self.truths[symbol, self.stage.node.height] = sorted(map(truly_described, stops))

    def step(self, *faults: Any, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.stage.step(*faults)
            self.record()

    async def caught_up(self, stream: Stream, since: int = 0) -> None:
        """Wait until the stream has told of every change so far, but for those up to a block."""
        await self.stage.caught_up()
        last = {symbol: self.last_change(symbol) for symbol in MARKETS}
        await in_thread(
            stream.wait_heights, {symbol: height for symbol, height in last.items() if height > since}
        )

    def last_change(self, symbol: str) -> int:
        known = sorted((height, truth) for (of, height), truth in self.truths.items() if of == symbol)
        changed = [height for (_, before), (height, truth) in pairwise(known) if truth != before]
        return changed[-1] if changed else known[0][0]

    def compare(self, stream: Stream) -> tuple[int, dict[str, RebuiltStops]]:
        """Rebuild and compare at every height; returns how often it was equal."""
        compared = 0
        rebuilt: defaultdict[str, RebuiltStops] = defaultdict(RebuiltStops)
        events = [event for event in stream.events if kind(event) in ("snapshot", "delta")]
        lasts = {(body(event).symbol, body(event).height): index for index, event in enumerate(events)}
        told: defaultdict[str, set[int]] = defaultdict(set)
        for index, event in enumerate(events):
            update = body(event)
            stops = rebuilt[update.symbol]
            (stops.take_chunk if kind(event) == "snapshot" else stops.take_delta)(update)
            where = update.symbol, update.height
            told[update.symbol].add(update.height)
            if update.doubtful or not stops.is_whole or lasts[where] != index or where not in self.truths:
                continue
            assert update.complete, where
            assert sorted(map(described, stops.orders.values())) == self.truths[where], where
            compared += 1
        if not stream.of_kind("gap"):
            self.check_is_gapless({symbol: told[symbol] for symbol in MARKETS})
        return compared, rebuilt

    def check_is_gapless(self, told: dict[str, set[int]]) -> None:
        """Between the first event and the last no block that changed what waits was left out."""
        for symbol, heights in told.items():
            for height in range(min(heights) + 1, max(heights) + 1):
                before, after = self.truths[symbol, height - 1], self.truths[symbol, height]
                assert before == after or height in heights, (symbol, height)


def listed(client: Client) -> Any:
    """What waits now, as the unary call tells."""
    return client.call("GetStopOrders", symbols=MARKETS)


async def until_told(watched: Watched, stream: Stream, reason: str) -> None:
    """Go on until a gap with this reason has come for every market that has one."""
    wanted = number(reason)
    with trio.fail_after(PATIENCE_SECONDS):
        while not any(gap.reason == wanted for gap in stream.of_kind("gap")):
            watched.step()
            await trio.sleep(0.005)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_waiting_orders_equal_the_nodes_after_every_block(tmp_path: Path, layout: str) -> None:
    async with staged(tmp_path, layout, settings={"grpc.snapshot_chunk_orders": 3}) as stage:
        watched = Watched(stage)
        stream = stage.client.follow(CALL, MARKETS)
        for trouble in (
            (TornLine(stem=STATUSES, pieces=3),),
            (LateLines(stem=STATUSES, blocks=5),),
            (Rollover(),),
            (RepeatedHeights(blocks=4),),
            (Rollover(),),
        ):
            watched.step(blocks=25)
            watched.step(*trouble)
            await stage.caught_up()
        watched.step(blocks=60)
        await watched.caught_up(stream)
        compared, rebuilt = watched.compare(stream)
        assert compared > 50
        assert not stream.of_kind("gap")
        reasons = {status for stops in rebuilt.values() for status in stops.removals}
        assert {"triggered", "canceled"} <= reasons
        late_comer = stage.client.follow(CALL, ["*"])
        await in_thread(
            late_comer.wait_for,
            lambda: (
                {part.symbol for part in late_comer.of_kind("snapshot") if part.last_chunk} >= set(MARKETS)
            ),
            "every snapshot",
        )
        assert max(part.chunk for part in late_comer.of_kind("snapshot")) > 0
        assert watched.compare(late_comer)[0] >= len(MARKETS)
        asked = await in_thread(lambda: stage.client.call("GetStopOrders", symbols=["*"]))
        for told in asked.snapshots:
            if told.symbol in MARKETS:
                assert (told.complete, told.doubtful, told.last_chunk) == (True, False, True)
                assert sorted(map(described, told.orders)) == watched.truths[told.symbol, told.height]


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_waiting_orders_are_doubtful_after_a_loss_and_repaired(tmp_path: Path, layout: str) -> None:
    missing = MissingBlock() if layout == "by_block" else TornLine(stem=STATUSES)
    async with staged(tmp_path, layout, seed=4) as stage:
        watched = Watched(stage)
        for trouble in (Divergence(kind="unknown_remove"), missing):
            stream = stage.client.follow(CALL, MARKETS)
            watched.step(blocks=20)
            if layout == "by_block" or trouble is not missing:
                watched.step(trouble)
            else:
                _lose_a_status(stage)
            await until_told(watched, stream, "GAP_REASON_SOURCE_GAP")
            await until_told(watched, stream, "GAP_REASON_RESYNC")
            watched.step(blocks=30)
            await watched.caught_up(stream)
            compared, _ = watched.compare(stream)
            assert compared > 10
            _check_what_was_told(stream)


def _lose_a_status(stage: Stage) -> None:
    """Write a line that cannot be read among the node's statuses, as a crash may leave one."""
    directory = next(stage.node.data_dir.glob("node_order_statuses_streaming/hourly/*"))
    path = max(directory.iterdir(), key=lambda file: int(file.name))
    with path.open("ab") as file:
        file.write(b'{"local_time":"2026-05-05T17:39:16.001926658","block_ti\n')


def _check_what_was_told(stream: Stream) -> None:
    """Doubt is told before the first doubtful event; after a repair a snapshot of a new epoch follows."""
    doubtful: set[str] = set()
    waiting: dict[str, int] = {}
    epochs: dict[str, int] = {}
    for event in stream.events:
        told = body(event)
        if kind(event) == "gap":
            assert told.detail
            if told.reason == number("GAP_REASON_SOURCE_GAP"):
                doubtful.add(told.symbol)
            else:
                assert told.reason == number("GAP_REASON_RESYNC")
                doubtful.discard(told.symbol)
                waiting[told.symbol] = epochs[told.symbol]
            continue
        assert told.doubtful == (told.symbol in doubtful)
        if kind(event) == "snapshot":
            assert told.epoch > waiting.pop(told.symbol, 0)
        assert told.symbol not in waiting
        epochs[told.symbol] = told.epoch
    assert not doubtful
    assert not waiting


async def test_a_restarted_daemon_tells_of_the_gap_and_begins_anew(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        watched = Watched(stage)
        before = stage.client.follow(CALL, MARKETS)
        watched.step(blocks=40)
        await watched.caught_up(before)
        points = before.resume_points()
        resumed_at = stage.node.height
        resumed = stage.client.follow(CALL, MARKETS, resume=points)
        watched.step(blocks=30)
        await watched.caught_up(resumed, resumed_at)
        assert not resumed.of_kind("gap", "snapshot")
        assert resumed.of_kind("delta")
        stage.daemon.process.terminate()
        assert await in_thread(stage.daemon.wait) == 0
        [notice] = before.of_kind("notice")
        watched.step(blocks=10)
        with Daemon(stage.settings) as daemon:
            port = await in_thread(daemon.port)
            with Client(port) as client:
                await wait_height(client, stage.node.height)
                after = client.follow(CALL, MARKETS, resume=notice.resume)
                stage.daemon, stage.client = daemon, client
                watched.step(blocks=30)
                await watched.caught_up(after)
                restart = number("GAP_REASON_RESTART")
                assert [gap.reason for gap in after.of_kind("gap")] == [restart] * len(MARKETS)
                assert watched.compare(after)[0] > len(MARKETS)


async def test_a_snapshot_file_without_trigger_orders_leaves_the_list_incomplete(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        watched = Watched(stage)
        watched.step(blocks=40)
        given = tmp_path / "given.json"
        for has_triggers in (False, True):
            stage.node.write_snapshot(given, include_trigger_orders=has_triggers)
            start = stage.node.height
            waited = {symbol: {order.oid for order in stage.node.stops(symbol)} for symbol in MARKETS}
            watched.step(blocks=30)
            with Daemon({**stage.settings, "node.snapshot": given}) as daemon:
                port = await in_thread(daemon.port)
                with Client(port) as client:
                    await wait_height(client, stage.node.height)
                    with trio.fail_after(PATIENCE_SECONDS):
                        while True:
                            asked = await in_thread(listed, client)
                            if all(told.height == stage.node.height for told in asked.snapshots):
                                break
            assert start < stage.node.height
            for told in asked.snapshots:
                truth = watched.truths[told.symbol, told.height]
                expected = (
                    truth if has_triggers else [one for one in truth if one[0] not in waited[told.symbol]]
                )
                assert sorted(map(described, told.orders)) == expected
                assert told.complete == has_triggers


async def test_waiting_orders_of_unknown_or_no_markets_are_refused(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        refusals: tuple[tuple[dict[str, Any], str], ...] = (
            ({"symbols": ["BTCX"]}, "NOT_FOUND"),
            ({"market_ids": [98_765]}, "NOT_FOUND"),
            ({}, "INVALID_ARGUMENT"),
        )
        for request, code in refusals:
            with pytest.raises(grpc.RpcError) as refused:
                await in_thread(partial(stage.client.call, "GetStopOrders", **request))
            assert refused.value.code().name == code
        conflated = stage.client.start(CALL, ["BTC"], delivery=number("DELIVERY_CONTRACT_CONFLATE"))
        with pytest.raises(grpc.RpcError) as refused:
            await in_thread(lambda: next(iter(conflated)))
        assert refused.value.code().name == "INVALID_ARGUMENT"
        by_id = await in_thread(lambda: stage.client.call("GetStopOrders", market_ids=[0]))
        assert [told.symbol for told in by_id.snapshots] == ["BTC"]
