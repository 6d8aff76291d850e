"""What one StreamPrices call may use: series charged to its key, answers that nobody reads, many requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from hyperstream.servers.door.keys import key_entry
from hyperstream.servers.grpc.price_service import MAX_UNREAD_BYTES
from hyperstream.v1 import price_pb2

from .price_serving import PriceClient, indicator, price_serving, prices
from .serving import wait_until
from .test_access import KEY, write

in_thread = trio.to_thread.run_sync
# Else grpcio reads megabytes ahead.
SMALL_WINDOWS: dict[str, Any] = {"grpc.http2.bdp_probe": 0, "grpc.http2.lookahead_bytes": 65_535}
ADD, REMOVE, LIST = price_pb2.OPERATION_ADD, price_pb2.OPERATION_REMOVE, price_pb2.OPERATION_LIST


async def test_series_are_charged_to_the_key_and_given_back_when_left(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    write(keys, key_entry("desk-1", KEY) + "markets = 3\n")
    async with price_serving(api_keys=str(keys)) as served:
        first, second = (PriceClient(served.port, (("x-api-key", KEY),)) for _ in range(2))
        four = [indicator("ema", timeperiod=2 + n) for n in range(4)]
        acknowledgement, errors = await in_thread(lambda: first.ask(operation=ADD, indicators=four))
        assert acknowledgement.active_count == 3
        assert [error.code for error in errors] == [price_pb2.STREAM_ERROR_CODE_RESOURCE_EXHAUSTED]
        assert "'desk-1' may follow 3 markets at a time" in errors[0].reason
        _, errors = await in_thread(lambda: second.ask(operation=ADD, prices=[prices("BTCUSDT")]))
        assert [error.field for error in errors] == ["prices[0]"]
        await in_thread(lambda: first.ask(operation=REMOVE, indicators=four[:1]))
        acknowledgement, errors = await in_thread(
            lambda: second.ask(operation=ADD, prices=[prices("BTCUSDT", "ETHUSDT")])
        )
        assert (acknowledgement.active_count, len(errors)) == (1, 1)
        await in_thread(first.close)  # its two series are given back
        await wait_until(lambda: served.server.statistics().streams == 1)
        acknowledgement, errors = await in_thread(
            lambda: second.ask(operation=ADD, prices=[prices("ETHUSDT", "SOLUSDT")])
        )
        assert (acknowledgement.active_count, list(errors)) == (3, [])
        await in_thread(second.close)


async def test_answers_that_are_not_read_stop_the_reading_of_requests_and_none_is_lost() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port, **SMALL_WINDOWS)
        many = [indicator("ema", timeperiod=2 + n) for n in range(400)]
        acknowledgement, _ = await in_thread(lambda: client.ask(operation=ADD, indicators=many))
        assert acknowledgement.active_count == 400
        count = 100
        for number in range(count):
            client.send(operation=LIST, request_id=f"{number}")
        (subscription,) = served.hub.subscriptions
        await wait_until(lambda: subscription.unread_answers[1] >= MAX_UNREAD_BYTES)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert subscription.unread_answers[0] < 5  # of a hundred
        told: list[str] = []

        def is_last(event: Any) -> bool:
            if event.HasField("active"):
                assert len(event.active.indicators) == 400
                told.append(event.active.request_id)
            return len(told) == count

        await in_thread(client.until, is_last)
        assert told == [f"{number}" for number in range(count)]
        await in_thread(client.close)


async def test_a_client_that_reads_nothing_is_left_when_it_goes(tmp_path: Path) -> None:
    async with price_serving() as served:
        client = PriceClient(served.port, **SMALL_WINDOWS)
        many = [indicator("ema", timeperiod=2 + n) for n in range(400)]
        client.send(operation=ADD, indicators=many)
        for number in range(100):
            client.send(operation=LIST, request_id=f"{number}")

        def waiting() -> int:
            return sum(each.unread_answers[1] for each in served.hub.subscriptions)

        await wait_until(lambda: waiting() >= MAX_UNREAD_BYTES)
        served.trade(50)  # what is conflated meanwhile is bounded by the series
        await in_thread(client.close)
        await wait_until(lambda: not served.hub.subscriptions)
        served.forget_unused()
        assert (served.prices.statistics().series, served.wanted) == (0, set())


async def test_requests_beyond_the_rate_wait_and_are_done_all_the_same() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        thousand = [indicator("ema", timeperiod=2 + n) for n in range(1_000)]
        for _ in range(6):  # six thousand series, where five thousand may come at once
            client.send(operation=ADD, indicators=thousand)
        acknowledged: list[int] = []

        def has_all(event: Any) -> bool:
            if event.HasField("acknowledgement"):
                acknowledged.append(event.acknowledgement.active_count)
            return len(acknowledged) == 6

        await in_thread(client.until, has_all)
        assert acknowledged == [1_000] * 6
        await in_thread(client.close)
