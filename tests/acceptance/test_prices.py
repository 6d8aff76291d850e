"""Prices and indicators of a fake exchange, through the installed program and a foreign client."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import talib
import trio
from attrs import define

from hyperstream.testing.exchanges import BybitLimits, FakeBybit, How
from hyperstream.v1 import common_pb2, price_pb2
from tests.servers.grpc.price_serving import PriceClient

from .program import PATIENCE_SECONDS, Daemon, Program

in_thread = trio.to_thread.run_sync
ADD = price_pb2.OPERATION_ADD
MINUTE_NS = 60_000_000_000


@define(eq=False)
class Market:
    """A fake Bybit whose market moves while a test looks on, the daemon, and the daemon's port."""

    fake: FakeBybit
    daemon: Daemon
    port: int
    is_moving: bool = True

    async def move(self) -> None:
        """Let the venue's time pass five times as fast as ours, until told to stop."""
        while self.is_moving:
            self.fake.step(100)
            await trio.sleep(0.02)


@asynccontextmanager
async def market(**settings: Any) -> AsyncIterator[Market]:
    fake = FakeBybit(seed=3, symbols=("BTCUSDT", "ETHUSDT"), limits=BybitLimits(connections=0))
    with trio.fail_after(2 * PATIENCE_SECONDS):
        async with fake.serve() as urls, trio.open_nursery() as nursery:
            chosen = {
                "node.enabled": "false",
                "feeds.bybit.enabled": "true",
                "feeds.bybit.url": urls.stream,
                "feeds.bybit.rest_url": urls.rest,
                "feeds.bybit.retry_seconds": 0.05,
                **settings,
            }
            with Daemon(chosen) as daemon:
                found = Market(fake, daemon, await in_thread(daemon.port))
                nursery.start_soon(found.move)
                yield found
                found.is_moving = False
            nursery.cancel_scope.cancel(reason="the test has ended")


def selection(*symbols: str, bars: tuple[str, ...] = ()) -> Any:
    return price_pb2.PriceSelection(venue="bybit", symbols=symbols, bar_intervals=bars)


def indicator(name: str, interval: str = "", **parameters: float) -> Any:
    return price_pb2.IndicatorSelection(
        venue="bybit", symbol="BTCUSDT", name=name, interval=interval, parameters=parameters
    )


async def test_prices_bars_and_indicators_equal_the_exchanges_truth() -> None:
    async with market() as stage:
        client = PriceClient(stage.port)
        acknowledgement, errors = await in_thread(
            lambda: client.ask(
                operation=ADD,
                prices=[selection("BTCUSDT", bars=("1m",))],
                indicators=[indicator("rsi", interval="1m", timeperiod=2), indicator("spread")],
            )
        )
        assert (acknowledgement.active_count, list(errors)) == (4, [])
        await in_thread(client.until, lambda event: event.HasField("bar"))
        stage.is_moving = False

        def closed() -> list[Any]:
            return [event.bar for event in client.seen if event.bar.closed]

        for _ in range(5):  # a minute at a time, so that the client hears of each bar
            for _ in range(60):
                stage.fake.step(1_000)
                await stage.fake.flushed()
            ended_ns = stage.fake.now_ms * 1_000_000 // MINUTE_NS * MINUTE_NS
            await in_thread(
                client.until, lambda event, end=ended_ns: event.bar.closed and event.bar.end_time_ns == end
            )
        bars = closed()
        truth = {bar.start_ms * 1_000_000: bar for bar in stage.fake.truth("BTCUSDT").bars}
        for bar in bars:
            true = truth[bar.start_time_ns]
            assert (bar.from_venue, bar.interval) == (True, "1m")
            assert float(bar.close) == true.close_e8 / 1e8
            assert float(bar.high) == true.high_e8 / 1e8
            assert float(bar.low) == true.low_e8 / 1e8
        starts = range(bars[0].start_time_ns, bars[-1].end_time_ns, MINUTE_NS)
        closes = np.array([truth[start].close_e8 / 1e8 for start in starts])
        expected = dict(zip(starts, talib.RSI(closes, timeperiod=2), strict=True))
        values = {
            event.indicator.bar_start_time_ns: event.indicator.values[0].value
            for event in client.seen
            if event.indicator.values and event.indicator.bar_start_time_ns and not event.indicator.forming
        }
        assert len(values) >= 2
        assert values == {start: expected[start] for start in values}
        await in_thread(client.close)


async def test_a_connection_that_breaks_is_told_as_a_gap_and_prices_go_on() -> None:
    async with market() as stage:
        client = PriceClient(stage.port)
        await in_thread(lambda: client.ask(operation=ADD, prices=[selection("BTCUSDT")]))
        await in_thread(client.until, lambda event: event.price.bid_price)
        stage.fake.trouble.disconnect(How.RESET)
        events = await in_thread(client.until, lambda event: event.HasField("gap"))
        assert events[-1].gap.symbol == "bybit/BTCUSDT"
        assert events[-1].gap.reason == common_pb2.GAP_REASON_SOURCE_GAP
        await in_thread(client.until, lambda event: event.price.bid_price)
        await in_thread(client.close)


async def test_an_unknown_symbol_is_refused_with_the_nearest_and_the_stream_lives() -> None:
    async with market() as stage:
        client = PriceClient(stage.port)

        def until_listed() -> Any:
            while True:
                _, errors = client.ask(operation=ADD, prices=[price_pb2.PriceSelection(symbols=["BTCUSDTT"])])
                if errors[0].code != price_pb2.STREAM_ERROR_CODE_UNAVAILABLE:
                    return errors[0]

        error = await in_thread(until_listed)
        assert error.code == price_pb2.STREAM_ERROR_CODE_NOT_FOUND
        assert "did you mean 'BTCUSDT'?" in error.reason
        await in_thread(lambda: client.ask(operation=ADD, prices=[selection("BTCUSDT")]))
        await in_thread(client.until, lambda event: event.HasField("price"))
        await in_thread(client.close)


async def test_a_drain_sends_the_last_batch_then_the_goodbye_and_ends_with_ok() -> None:
    async with market(
        **{"prices.flush_seconds": 10.0}
    ) as stage:  # by itself the batch would be long in coming
        client, tickwise = PriceClient(stage.port), PriceClient(stage.port)
        await in_thread(lambda: client.ask(operation=ADD, prices=[selection("BTCUSDT")]))
        every_tick = price_pb2.PriceSelection(venue="bybit", symbols=["BTCUSDT"], every_tick=True)
        await in_thread(lambda: tickwise.ask(operation=ADD, prices=[every_tick]))
        await in_thread(tickwise.until, lambda event: event.price.bid_price)
        stage.daemon.process.send_signal(signal.SIGTERM)

        def rest() -> list[Any]:
            return list(client.events)

        kinds = [event.WhichOneof("event") for event in await in_thread(rest)]
        assert "price" in kinds[: kinds.index("notice")]
        assert kinds.count("notice") == 1
        assert client.call.code() is grpc.StatusCode.OK
        assert await in_thread(stage.daemon.wait) == 0
        for each in (client, tickwise):
            await in_thread(each.close)


async def test_watch_prices_tells_an_exchanges_prices_and_indicators_as_json() -> None:
    async with market() as stage:
        arguments = ("BTCUSDT", "--venue", "bybit", "--indicator", "ema:2", "--indicator", "spread")
        target = f"127.0.0.1:{stage.port}"
        with Program("watch", "prices", *arguments, "--json", "--target", target) as watch:

            def is_warm(line: str) -> bool:
                told = json.loads(line) if line.startswith("{") else {}
                return told.get("event") == "indicator" and "ema" in told["key"] and bool(told["values"])

            line = await in_thread(lambda: watch.wait_for(is_warm, "a value of the moving average"))
            assert json.loads(line)["values"][0]["value"] > 0
            kinds = {json.loads(line)["event"] for line in watch.output}
            assert {"acknowledgement", "price", "indicator"} <= kinds
            watch.process.send_signal(signal.SIGINT)
            assert await in_thread(watch.wait) == 0
