"""Mark prices of the installed program, asked for by a client that knows nothing but proto/.

Every number a mark was made of must be the fake node's, or one that a fake exchange has told; the mark itself
is computed once more from them.
"""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import pytest
import trio
from attrs import define, field

from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeHyperliquid, How
from hyperstream.testing.exchanges.hyperliquid.payloads import context

from .client import Stream
from .contract import number
from .program import PATIENCE_SECONDS, Program
from .stage import Stage, in_thread, staged

MARKETS = ("BTC", "kPEPE", "xyz:XYZ100")
ABROAD = {"BTC": "BTCUSDT", "kPEPE": "1000PEPEUSDT"}
SIZE_DECIMALS = {"BTC": 5, "kPEPE": 0}
FEEDS = ("hyperliquid", "binance_futures", "bybit")


@define(eq=False)
class Exchanges:
    """Three fakes beside the node, and everything each has been telling, by market."""

    hyperliquid: FakeHyperliquid
    binance: FakeBinance
    bybit: FakeBybit
    told: dict[tuple[str, str], set[Decimal]] = field(factory=lambda: defaultdict(set))

    def step(self) -> None:
        """Let a tenth of a second pass at all of them."""
        for fake in (self.hyperliquid, self.binance, self.bybit):
            fake.step(100)
        self.record()

    def topics(self) -> set[str]:
        """What the daemon has subscribed to, by the venues' names."""
        return {name for fake in (self.hyperliquid, self.binance, self.bybit) for name in fake.board.topics}

    def record(self) -> None:
        """Keep what they tell now."""
        for coin in MARKETS:
            ctx = context(self.hyperliquid.markets[coin])
            self.told[coin, "venue"].add(Decimal(ctx["markPx"]))
            self.told[coin, "oracle"].add(Decimal(ctx.get("oraclePx", "0")))
        for coin, symbol in ABROAD.items():
            books = (self.binance.truth(symbol, "futures", depth=1), self.bybit.truth(symbol, depth=1))
            for venue, book in zip(FEEDS[1:], books, strict=True):
                middle = (Decimal(book.bids[0][0]) + Decimal(book.asks[0][0])) / 2
                self.told[coin, f"{venue}/{symbol}"].add(middle)


@asynccontextmanager
async def market(directory: Path) -> AsyncIterator[tuple[Stage, Exchanges]]:
    """A node and three exchanges whose markets move, and a daemon that hears them all."""
    symbols = tuple(ABROAD.values())
    found = Exchanges(
        FakeHyperliquid(seed=5, symbols=MARKETS),
        FakeBinance(seed=6, symbols=symbols),
        FakeBybit(seed=7, symbols=symbols),
    )
    found.record()
    async with (
        found.hyperliquid.serve() as hyperliquid,
        found.binance.serve() as binance,
        found.bybit.serve() as bybit,
        trio.open_nursery() as nursery,
    ):
        settings = {
            **{f"feeds.{venue}.enabled": "true" for venue in FEEDS},
            **{f"feeds.{venue}.retry_seconds": 0.05 for venue in FEEDS},
            **hyperliquid.settings,
            **binance.settings,
            **bybit.settings,
            "feeds.hyperliquid.coins": "[]",
            "feeds.binance_futures.symbols": "[]",
        }
        async with staged(directory, markets=MARKETS, start_time_ns=None, settings=settings) as stage:

            async def move() -> None:
                while True:
                    stage.step()
                    found.step()
                    await trio.sleep(0.05)

            nursery.start_soon(move)
            yield stage, found
            nursery.cancel_scope.cancel(reason="the test has ended")


def parts_of(mark: Any) -> dict[str, Decimal]:
    return {part.name: Decimal(part.value) for each in mark.inputs for part in each.parts}


def prices_of(mark: Any) -> dict[int, Decimal]:
    return {each.kind: Decimal(each.price) for each in mark.inputs}


ORACLE, LOCAL, EXTERNAL, AVERAGE = (
    number(f"MARK_PRICE_INPUT_KIND_{name}") for name in ("ORACLE", "LOCAL", "EXTERNAL", "LOCAL_AVERAGE")
)


def allowed(price: Decimal, size_decimals: int | None) -> Decimal:
    """Five significant figures, six places less those of sizes, whole numbers always."""
    places = min(6 - (size_decimals or 0), max(0, 4 - price.adjusted()))
    return price.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def judge(mark: Any, stage: Stage, exchanges: Exchanges) -> None:
    """Everything in a mark is true, and it follows from it."""
    symbol, parts, prices = mark.symbol, parts_of(mark), prices_of(mark)
    book = stage.truth.at(symbol, mark.height)
    assert parts["bid"] == Decimal(book.bids[0][0]), mark
    assert parts["ask"] == Decimal(book.asks[0][0]), mark
    assert prices[LOCAL] == median([parts[name] for name in ("bid", "ask", "last_trade") if name in parts])
    for name, value in parts.items():
        if name == "oracle" or "/" in name:
            assert value in exchanges.told[symbol, name], (name, value)
    if ORACLE in prices:
        assert prices[ORACLE] == parts["oracle"] + parts["average_premium"]
    if EXTERNAL in prices:
        heaviest = next(venue for venue in FEEDS[1:] if f"{venue}/{ABROAD[symbol]}" in parts)
        assert prices[EXTERNAL] == parts[f"{heaviest}/{ABROAD[symbol]}"]
    assert (AVERAGE in prices) == (len(prices.keys() & {ORACLE, LOCAL, EXTERNAL}) == 2)
    if symbol in SIZE_DECIMALS:
        assert Decimal(mark.price) == allowed(median(prices.values()), SIZE_DECIMALS[symbol]), mark
    else:
        assert set(prices) == {LOCAL}
    if mark.venue_price:
        venue = Decimal(mark.venue_price)
        assert venue in exchanges.told[symbol, "venue"]
        points = float((Decimal(mark.price) - venue) / venue * 10_000)
        assert abs(mark.difference_basis_points - points) < 0.001


def marks_of(stream: Stream, symbol: str) -> list[Any]:
    return [mark for mark in stream.of_kind("mark_price") if mark.symbol == symbol]


def has(stream: Stream, symbol: str, *kinds: int) -> bool:
    """Whether the newest mark of a market was made of exactly these inputs."""
    marks = marks_of(stream, symbol)
    return bool(marks) and set(prices_of(marks[-1])) == set(kinds)


async def test_every_mark_is_made_of_what_the_node_and_the_exchanges_told(tmp_path: Path) -> None:
    with trio.fail_after(2 * PATIENCE_SECONDS):
        async with market(tmp_path) as (stage, exchanges):
            stream = await in_thread(lambda: stage.client.follow("SubscribeMarkPrices", MARKETS))

            def is_enough() -> bool:
                counts = [len(marks_of(stream, symbol)) for symbol in MARKETS]
                return min(counts) >= 4

            await in_thread(stream.wait_for, is_enough, "four marks of each market")
            for symbol in MARKETS:
                marks = marks_of(stream, symbol)
                for mark in marks:
                    judge(mark, stage, exchanges)
                sequences = [(mark.epoch, mark.sequence) for mark in marks]
                assert sequences == [(marks[0].epoch, marks[0].sequence + n) for n in range(len(marks))]
                assert marks[-1].venue_price
            for symbol in ABROAD:
                newest = marks_of(stream, symbol)[-1]
                assert set(prices_of(newest)) == {ORACLE, LOCAL, EXTERNAL}
                assert not {each.source for each in newest.absent} - {"node"}
                assert marks_of(stream, symbol)[0].averaging_since_time_ns == newest.averaging_since_time_ns

            mark = await in_thread(lambda: stage.client.call("GetMarkPrice", symbols=["BTC"]))
            judge(mark, stage, exchanges)
            snapshot = await in_thread(lambda: stage.client.call("GetOrderbook", symbols=["BTC"]))

            def was_told() -> bool:
                return snapshot.mark_price in {mark.price for mark in marks_of(stream, "BTC")}

            await in_thread(stream.wait_for, was_told, f"the mark {snapshot.mark_price!r} of the snapshot")


async def test_a_mark_that_nobody_follows_is_got_whole(tmp_path: Path) -> None:
    with trio.fail_after(2 * PATIENCE_SECONDS):
        async with market(tmp_path) as (stage, exchanges):
            await stage.steps(1)
            assert not exchanges.topics()
            mark = await in_thread(lambda: stage.client.call("GetMarkPrice", symbols=["kPEPE"]))
            assert exchanges.topics() == {
                '{"type":"activeAssetCtx","coin":"kPEPE"}',
                "futures 1000pepeusdt@bookTicker",
                "linear orderbook.1.1000PEPEUSDT",
            }
            judge(mark, stage, exchanges)
            assert set(prices_of(mark)) == {ORACLE, LOCAL, EXTERNAL}
            assert parts_of(mark)["average_premium"] == (
                (parts_of(mark)["bid"] + parts_of(mark)["ask"]) / 2 - parts_of(mark)["oracle"]
            )


async def test_a_feed_that_dies_drops_out_and_the_mark_goes_on_from_the_others(tmp_path: Path) -> None:
    with trio.fail_after(2 * PATIENCE_SECONDS):
        async with market(tmp_path) as (stage, exchanges):
            stream = await in_thread(lambda: stage.client.follow("SubscribeMarkPrices", ["BTC"]))

            async def until(*kinds: int) -> Any:
                await in_thread(stream.wait_for, lambda: has(stream, "BTC", *kinds), f"a mark of {kinds}")
                newest = marks_of(stream, "BTC")[-1]
                judge(newest, stage, exchanges)
                return newest

            await until(ORACLE, LOCAL, EXTERNAL)
            exchanges.hyperliquid.trouble.answer_handshakes(503, count=100_000, retry_after_seconds=0)
            assert exchanges.hyperliquid.trouble.disconnect(How.RESET)
            newest = await until(LOCAL, EXTERNAL, AVERAGE)
            assert "hyperliquid" in {each.source for each in newest.absent}
            assert not newest.venue_price
            for fake in (exchanges.binance, exchanges.bybit):
                fake.trouble.answer_handshakes(503, count=100_000, retry_after_seconds=0)
                assert fake.trouble.disconnect(How.RESET)
            newest = await until(LOCAL)
            assert {each.source for each in newest.absent} >= set(FEEDS)
            assert newest.price


async def test_wrong_requests_are_told_what_is_wrong(tmp_path: Path) -> None:
    wrong: list[tuple[str, dict[str, Any], str, str]] = [
        ("GetMarkPrice", {"symbols": ["btc"]}, "NOT_FOUND", "did you mean 'BTC'"),
        ("GetMarkPrice", {"market_ids": [4_000_000]}, "NOT_FOUND", "4000000"),
        ("GetMarkPrice", {}, "INVALID_ARGUMENT", "name at least one market"),
    ]
    async with staged(tmp_path, markets=MARKETS) as stage:
        for method, fields, code, sentence in wrong:
            with pytest.raises(grpc.RpcError) as caught:
                await in_thread(partial(stage.client.call, method, **fields))
            error: Any = caught.value
            assert (error.code().name, sentence in error.details()) == (code, True)
        mark = await in_thread(lambda: stage.client.call("GetMarkPrice", symbols=["BTC"]))
        assert "switched off" in next(each.reason for each in mark.absent if each.source == "hyperliquid")


async def test_watch_mark_tells_marks_as_json_and_a_drain_ends_them_with_a_notice(tmp_path: Path) -> None:
    with trio.fail_after(2 * PATIENCE_SECONDS):
        async with market(tmp_path) as (stage, _):
            stream = await in_thread(lambda: stage.client.follow("SubscribeMarkPrices", ["*"]))
            target = f"127.0.0.1:{await in_thread(stage.daemon.port)}"
            with Program("watch", "mark", "BTC", "--json", "--count", "2", "--target", target) as watch:
                assert await in_thread(watch.wait) == 0
                told = [json.loads(line) for line in watch.output]
            assert [line["event"] for line in told] == ["mark_price"] * 2
            assert told[1]["sequence"] == told[0]["sequence"] + 1
            assert told[1]["inputs"]
            stage.daemon.process.send_signal(signal.SIGTERM)
            assert await in_thread(stream.wait_end) == "OK"
            (notice,) = stream.of_kind("notice")
            assert {point.symbol for point in notice.resume} >= set(MARKETS)
            assert await in_thread(stage.daemon.wait) == 0
