"""Exchange feeds of the installed program: all venues at once, and those that cannot be had."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeHyperliquid, How
from hyperstream.v1 import price_pb2
from tests.servers.grpc.price_serving import PriceClient

from .program import PATIENCE_SECONDS, Daemon
from .stage import in_thread, staged

ADD = price_pb2.OPERATION_ADD
BTC = {"binance": "BTCUSDT", "binance_futures": "BTCUSDT", "hyperliquid": "BTC", "bybit": "BTCUSDT"}


def enabled(*venues: str) -> dict[str, Any]:
    return {f"feeds.{venue}.enabled": "true" for venue in venues}


@asynccontextmanager
async def exchanges() -> AsyncIterator[tuple[list[Any], dict[str, Any]]]:
    """Three fake exchanges whose markets move, and the settings that point the daemon at them."""
    fakes = [
        FakeBinance(symbols=("BTCUSDT", "ETHUSDT")),
        FakeHyperliquid(symbols=("BTC", "ETH")),
        FakeBybit(symbols=("BTCUSDT",)),
    ]
    async with (
        fakes[0].serve() as binance,
        fakes[1].serve() as hyperliquid,
        fakes[2].serve() as bybit,
        trio.open_nursery() as nursery,
    ):
        for fake in fakes:
            nursery.start_soon(fake.run)
        yield fakes, {**enabled(*BTC), **binance.settings, **hyperliquid.settings, **bybit.settings}
        nursery.cancel_scope.cancel(reason="the test has ended")


async def test_prices_of_four_venues_come_through_one_daemon_and_survive_their_trouble() -> None:
    with trio.fail_after(3 * PATIENCE_SECONDS):
        async with exchanges() as (fakes, urls):
            settings = {"node.enabled": "false", **urls}
            settings |= {f"feeds.{venue}.retry_seconds": 0.05 for venue in BTC}
            with Daemon(settings) as daemon:
                client = PriceClient(await in_thread(daemon.port))
                wanted = [
                    price_pb2.PriceSelection(venue=venue, symbols=[symbol]) for venue, symbol in BTC.items()
                ]
                _, errors = await in_thread(lambda: client.ask(operation=ADD, prices=wanted))
                assert not errors

                def until_all_are_told(told: dict[str, int]) -> None:
                    while told.keys() < BTC.keys():
                        (event,) = client.until(lambda event: event.HasField("price"))[-1:]
                        if event.price.bid_price and event.price.last_price:
                            told[event.price.venue] = 1

                await in_thread(until_all_are_told, {})
                for fake in fakes:
                    assert fake.trouble.disconnect(How.RESET)

                def until_gaps_are_told() -> None:
                    venues: set[str] = set()
                    while venues < BTC.keys():
                        (event,) = client.until(lambda event: event.HasField("gap"))[-1:]
                        venues.add(event.gap.symbol.partition("/")[0])

                await in_thread(until_gaps_are_told)
                await in_thread(until_all_are_told, {})
                await in_thread(client.close)
                daemon.process.send_signal(signal.SIGTERM)
                assert await in_thread(daemon.wait) == 0
                assert not daemon.entries("error")


async def test_feeds_that_cannot_be_had_leave_the_node_alone_and_are_told_once(tmp_path: Path) -> None:
    """Nobody listens, a certificate nobody trusts, 429, a page instead of a handshake: books go on."""
    page, limited = FakeHyperliquid(symbols=("BTC", "ETH")), FakeBybit(symbols=("BTCUSDT",))
    untrusted = FakeBinance(symbols=("BTCUSDT",))
    page.trouble.answer_handshakes_with_html(10_000)
    limited.trouble.answer_handshakes(429, count=10_000, retry_after_seconds=0)
    with trio.fail_after(3 * PATIENCE_SECONDS):
        async with (
            page.serve() as hyperliquid,
            limited.serve() as bybit,
            untrusted.serve(tls="bad") as binance,
        ):
            settings = {
                **enabled(*BTC),
                **binance.settings,
                "feeds.binance_futures.url": "ws://127.0.0.1:9",
                "feeds.binance_futures.rest_url": "http://127.0.0.1:9",
                **hyperliquid.settings,
                **bybit.settings,
                **{f"feeds.{venue}.retry_seconds": 0.05 for venue in BTC},
            }
            async with staged(tmp_path, settings=settings) as stage:
                client = PriceClient(await in_thread(stage.daemon.port))
                selection = price_pb2.PriceSelection(venue="bybit", symbols=["BTCUSDT"])
                await in_thread(lambda: client.ask(operation=ADD, prices=[selection]))
                while limited.statistics.refused_handshakes < 3 or page.statistics.refused_handshakes < 3:
                    await stage.steps(1)
                await stage.steps(10)
                await stage.caught_up()
                await in_thread(client.close)
                stage.daemon.process.send_signal(signal.SIGTERM)
                assert await in_thread(stage.daemon.wait) == 0
                warnings = Counter(
                    (entry["event"], entry.get("connection") or entry.get("venue"))
                    for entry in stage.daemon.entries("warning")
                )
    expected = {
        ("the list of symbols is not to be had, asking again", "binance"),
        ("the list of symbols is not to be had, asking again", "binance_futures"),
        ("cannot connect", "hyperliquid 1"),
        ("cannot connect", "bybit 1"),
    }
    assert expected <= warnings.keys()
    assert all(warnings[cause] == 1 for cause in expected), warnings
