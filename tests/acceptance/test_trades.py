"""Each trade of the node reaches a subscriber exactly once, both of its fills paired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hyperstream.testing import LateLines, MissingBlock, RepeatedHeights, Rollover, TornLine
from hyperstream.testing.lines import FILLS

from .client import Stream
from .contract import number
from .stage import Stage, in_thread, staged

Trade = tuple[Any, ...]


def written_trades(data_dir: Path) -> dict[tuple[int, str, int], Trade]:
    """What the fills in the node's files come to, by height, symbol and trade id."""
    halves: dict[tuple[int, str, int], dict[str, Any]] = {}
    for path in data_dir.glob("node_fills_*/hourly/*/*"):
        for line in path.read_text().splitlines():
            block = json.loads(line)
            for user, fill in block["events"]:
                found = halves.setdefault((block["block_number"], fill["coin"], fill["tid"]), {})
                found[fill["side"]] = user, fill
                found["taker" if fill["crossed"] else "maker"] = fill
    return {key: _trade(half) for key, half in halves.items()}


def _trade(half: dict[str, Any]) -> Trade:
    taker = half["taker"]
    (buyer, bought), (seller, sold) = half["B"], half["A"]
    side = number("SIDE_BID" if taker["side"] == "B" else "SIDE_ASK")
    return (
        (taker["px"], taker["sz"], side, taker["time"] * 1_000_000, taker["hash"]),
        (buyer, bought["oid"], seller, sold["oid"]),
        "liquidation" in taker,
    )


def received_trades(stream: Stream) -> dict[tuple[int, str, int], Trade]:
    """What a subscriber got; a trade told twice and a hole in a sequence are errors."""
    trades: dict[tuple[int, str, int], Trade] = {}
    sequences: dict[str, tuple[int, int]] = {}
    for batch in stream.of_kind("trades"):
        epoch, sequence = sequences.get(batch.symbol, (batch.epoch, batch.sequence - 1))
        assert (batch.epoch, batch.sequence) == (epoch, sequence + 1)
        sequences[batch.symbol] = batch.epoch, batch.sequence
        for trade in batch.trades:
            key = batch.height, batch.symbol, trade.trade_id
            assert key not in trades, f"twice: {trade}"
            trades[key] = (
                (trade.price, trade.size, trade.side, trade.trade_time_ns, trade.hash),
                (trade.buyer, trade.buyer_oid, trade.seller, trade.seller_oid),
                trade.liquidation,
            )
    return trades


async def wait_trades(stage: Stage, stream: Stream, first: int) -> dict[tuple[int, str, int], Trade]:
    """Wait for the last trade of each symbol; returns what was written from block ``first`` on."""
    await stage.caught_up()
    written = {key: trade for key, trade in written_trades(stage.node.data_dir).items() if key[0] >= first}
    last: dict[str, int] = {}
    for height, symbol, _ in written:
        last[symbol] = max(height, last.get(symbol, 0))
    await in_thread(stream.wait_heights, last)
    return written


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_each_trade_comes_exactly_once(tmp_path: Path, layout: str) -> None:
    async with staged(tmp_path, layout) as stage:
        stream = stage.client.follow("SubscribeTrades")
        first = stage.node.height + 1
        for fault in (
            TornLine(stem=FILLS, pieces=3),
            RepeatedHeights(blocks=5),
            Rollover(),
            LateLines(stem=FILLS, blocks=4),
            Rollover(to="day"),
        ):
            await stage.steps(25)
            stage.step(fault)
            await stage.caught_up()
        await stage.steps(40)
        written = await wait_trades(stage, stream, first)
        assert len(written) > 100
        assert received_trades(stream) == written
        assert not stream.of_kind("gap")


async def test_a_block_without_its_fills_is_told_to_those_who_follow_trades(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stream = stage.client.follow("SubscribeTrades")
        first = stage.node.height + 1
        await stage.steps(20)
        stage.step(MissingBlock(stem=FILLS))
        await stage.steps(60)
        written = await wait_trades(stage, stream, first)
        assert received_trades(stream) == written
        gaps = stream.of_kind("gap")
        assert {gap.symbol for gap in gaps} >= set(stage.node.symbols)
        assert {gap.reason for gap in gaps} == {number("GAP_REASON_SOURCE_GAP")}
