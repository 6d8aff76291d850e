"""StreamPrices through grpcio: what a client asks for while it listens, and what it is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
import trio

from hyperstream.config import PriceSettings
from hyperstream.market.venues import TopicRefused
from hyperstream.servers.grpc.client import connect
from hyperstream.v1 import price_pb2

from .price_serving import PriceClient, PriceServed, indicator, price_serving, prices
from .serving import wait_until

in_thread = trio.to_thread.run_sync
ADD, CHANGE = price_pb2.OPERATION_ADD, price_pb2.OPERATION_CHANGE
REMOVE, LIST = price_pb2.OPERATION_REMOVE, price_pb2.OPERATION_LIST


def keys(acknowledgement: Any) -> dict[str, str]:
    """The keys acknowledged, by place in the request."""
    return {selection.field: selection.key for selection in acknowledgement.selections}


async def test_prices_bars_and_indicators_come_on_one_stream() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        acknowledgement, errors = await in_thread(
            lambda: client.ask(
                request_id="first",
                operation=ADD,
                prices=[prices("BTCUSDT", bars=("1s",))],
                indicators=[indicator("ema", timeperiod=3), indicator("ema", interval="1s", timeperiod=3)],
            )
        )
        assert not errors
        assert (acknowledgement.request_id, acknowledgement.error_count) == ("first", 0)
        assert keys(acknowledgement) == {
            "prices[0].symbols[0]": "binance/BTCUSDT",
            "prices[0].bar_intervals[0]": "binance/BTCUSDT/1s",
            "indicators[0]": "binance/BTCUSDT/ticks/ema(timeperiod=3)",
            "indicators[1]": "binance/BTCUSDT/1s/ema(timeperiod=3)",
        }
        served.trade(50)
        closed = "binance/BTCUSDT/1s/ema(timeperiod=3)"

        def is_warm(event: Any) -> bool:
            value = event.indicator
            return value.key == closed and not value.forming and not value.warming

        await in_thread(client.until, is_warm)
        kinds = {event.WhichOneof("event") for event in client.seen}
        assert kinds == {"price", "bar", "indicator", "acknowledgement"}
        assert {event.bar.closed for event in client.seen if event.HasField("bar")} == {True, False}
        await in_thread(client.close)


async def test_a_newcomer_gets_a_warm_value_at_once() -> None:
    async with price_serving() as served:
        served.trade(100)  # nobody follows: only the history grows
        client = PriceClient(served.port)
        client.send(
            operation=ADD,
            indicators=[indicator("rsi", timeperiod=14), indicator("rsi", interval="1s", timeperiod=3)],
        )

        def has_both(event: Any) -> bool:
            warm = {seen.indicator.key for seen in client.seen if seen.indicator.values}
            return len(warm) == 2

        await in_thread(client.until, has_both)
        assert not any(event.indicator.warming for event in client.seen if event.HasField("indicator"))
        await in_thread(client.close)


async def test_warming_is_marked_and_no_value_is_ever_not_a_number() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        await in_thread(lambda: client.ask(operation=ADD, indicators=[indicator("rsi", timeperiod=5)]))
        served.trade(8)
        events = await in_thread(client.until, lambda event: event.indicator.values)
        told = [event.indicator for event in client.seen if event.HasField("indicator")]
        assert [(value.have, value.need) for value in told if value.warming] == [(n, 6) for n in range(6)]
        assert not events[-1].indicator.warming
        await in_thread(client.close)


async def test_a_wrong_selection_spoils_no_other_and_is_told_with_code_field_and_reason() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        acknowledgement, errors = await in_thread(
            lambda: client.ask(
                request_id="r",
                operation=ADD,
                prices=[prices("BTCUSDT", "BTCUSDTT", bars=("1m", "soon")), prices()],
                indicators=[
                    indicator("rsi", timeperiod=0),
                    indicator("rsy"),
                    indicator("rsi", timeperiods=14),
                    indicator("atr"),
                    indicator("ema", interval="1 minute"),
                    indicator("ema", symbol="XRPUSDT"),
                    price_pb2.IndicatorSelection(venue="binanse", symbol="BTCUSDT", name="ema"),
                    price_pb2.IndicatorSelection(venue="bybit", symbol="BTCUSDT", name="ema"),
                    indicator("ema"),
                ],
            )
        )
        assert sorted(keys(acknowledgement).values()) == [
            "binance/BTCUSDT",
            "binance/BTCUSDT/1m",
            "binance/BTCUSDT/ticks/ema(timeperiod=30)",
        ]
        assert acknowledgement.error_count == len(errors)
        told = {
            error.field: (price_pb2.StreamErrorCode.Name(error.code)[18:], error.reason) for error in errors
        }
        assert {field: code for field, (code, _) in told.items()} == {
            "prices[0].bar_intervals[1]": "INVALID_ARGUMENT",
            "prices[0].symbols[1]": "NOT_FOUND",
            "prices[1].symbols": "INVALID_ARGUMENT",
            "indicators[0].parameters.timeperiod": "INVALID_ARGUMENT",
            "indicators[1].name": "INVALID_ARGUMENT",
            "indicators[2].parameters.timeperiods": "INVALID_ARGUMENT",
            "indicators[3].interval": "INVALID_ARGUMENT",
            "indicators[4].interval": "INVALID_ARGUMENT",
            "indicators[5].symbol": "NOT_FOUND",
            "indicators[6].venue": "NOT_FOUND",
            "indicators[7].venue": "UNAVAILABLE",
        }
        assert "did you mean 'BTCUSDT'?" in told["prices[0].symbols[1]"][1]
        assert "did you mean rsi" in told["indicators[1].name"][1]
        assert "did you mean 'binance'?" in told["indicators[6].venue"][1]
        assert "feeds.bybit.enabled" in told["indicators[7].venue"][1]
        assert all(error.request_id == "r" for error in errors)
        served.trade(2)
        await in_thread(client.until, lambda event: event.HasField("price"))  # the stream lives on
        await in_thread(client.close)


async def test_change_takes_the_place_of_what_is_sent_and_keeps_it_if_the_new_is_wrong() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        await in_thread(
            lambda: client.ask(
                operation=ADD,
                prices=[prices("BTCUSDT", bars=("1m", "5m"))],
                indicators=[indicator("rsi", timeperiod=14), indicator("sma", timeperiod=5)],
            )
        )
        acknowledgement, errors = await in_thread(
            lambda: client.ask(
                operation=CHANGE,
                prices=[prices("BTCUSDT", bars=("5m", "1h"), every_tick=True)],
                indicators=[indicator("rsi", timeperiod=21), indicator("sma", timeperiod=1_000_000)],
            )
        )
        assert [error.field for error in errors] == ["indicators[1].parameters.timeperiod"]
        assert acknowledgement.active_count == 5
        client.send(operation=LIST, request_id="list")
        events = await in_thread(client.until, lambda event: event.HasField("active"))
        active = events[-1].active
        assert active.request_id == "list"
        assert {price.key for price in active.prices} == {
            "binance/BTCUSDT/every_tick",
            "binance/BTCUSDT/5m",
            "binance/BTCUSDT/1h",
        }
        assert {(each.name, dict(each.parameters)["timeperiod"]) for each in active.indicators} == {
            ("rsi", 21),
            ("sma", 5),
        }
        await in_thread(client.close)


async def test_change_asks_which_one_if_there_are_several() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        both = [indicator("ema", timeperiod=5), indicator("ema", timeperiod=9)]
        acknowledgement, _ = await in_thread(lambda: client.ask(operation=ADD, indicators=both))
        change = indicator("ema", timeperiod=13)
        _, errors = await in_thread(lambda: client.ask(operation=CHANGE, indicators=[change]))
        assert [(error.field, error.code) for error in errors] == [("indicators[0].replaces", 3)]
        change.replaces = keys(acknowledgement)["indicators[1]"]
        acknowledgement, errors = await in_thread(lambda: client.ask(operation=CHANGE, indicators=[change]))
        assert not errors
        assert acknowledgement.active_count == 2
        _, errors = await in_thread(lambda: client.ask(operation=CHANGE, indicators=[indicator("rsi")]))
        assert [error.code for error in errors] == [price_pb2.STREAM_ERROR_CODE_NOT_FOUND]
        await in_thread(client.close)


async def test_remove_by_selection_and_by_key_and_what_is_not_sent_is_not_found() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        acknowledgement, _ = await in_thread(
            lambda: client.ask(
                operation=ADD,
                prices=[prices("BTCUSDT", "ETHUSDT", bars=("1m", "5m"))],
                indicators=[indicator("ema"), indicator("rsi")],
            )
        )
        assert acknowledgement.active_count == 8
        acknowledgement, errors = await in_thread(
            lambda: client.ask(
                operation=REMOVE,
                prices=[prices("BTCUSDT", bars=("5m", "1h")), prices("ETHUSDT"), prices("SOLUSDT")],
                indicators=[indicator("ema"), indicator("ema", timeperiod=3)],
                keys=["binance/BTCUSDT/ticks/rsi(timeperiod=14)", "binance/BTCUSDT/2m"],
            )
        )
        assert [(error.field, error.code) for error in errors] == [
            ("prices[0].bar_intervals[1]", price_pb2.STREAM_ERROR_CODE_NOT_FOUND),
            ("prices[2].symbols[0]", price_pb2.STREAM_ERROR_CODE_NOT_FOUND),
            ("indicators[1]", price_pb2.STREAM_ERROR_CODE_NOT_FOUND),
            ("keys[1]", price_pb2.STREAM_ERROR_CODE_NOT_FOUND),
        ]
        assert acknowledgement.active_count == 2
        assert len(acknowledgement.selections) == 6
        served.trade(3, "ETHUSDT")
        served.trade(3, "BTCUSDT")
        events = await in_thread(client.until, lambda event: event.HasField("price"))
        assert all(event.price.symbol != "ETHUSDT" for event in events)
        await in_thread(client.close)


async def test_an_indicator_is_removed_without_its_venue_whatever_else_of_the_symbol_is_sent() -> None:
    async with price_serving(venues=frozenset({"binance", "bybit"})) as served:
        client = PriceClient(served.port)
        of_bybit = price_pb2.IndicatorSelection(venue="bybit", symbol="BTCUSDT", name="ema")
        acknowledgement, _ = await in_thread(
            lambda: client.ask(
                operation=ADD, prices=[prices("BTCUSDT")], indicators=[indicator("rsi"), of_bybit]
            )
        )
        assert acknowledgement.active_count == 3
        of_any = price_pb2.IndicatorSelection(symbol="BTCUSDT", name="ema")
        acknowledgement, errors = await in_thread(lambda: client.ask(operation=REMOVE, indicators=[of_any]))
        assert not errors
        assert keys(acknowledgement) == {"indicators[0]": "bybit/BTCUSDT/ticks/ema(timeperiod=30)"}
        await in_thread(client.close)


async def test_adding_again_is_acknowledged_and_changes_nothing() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        for _ in range(3):
            acknowledgement, errors = await in_thread(
                lambda: client.ask(
                    operation=ADD, indicators=[indicator("ema"), indicator("ema", timeperiod=30)]
                )
            )
            assert not errors
            assert acknowledgement.active_count == 1
        assert served.prices.statistics().series == 1
        await in_thread(client.close)


async def test_without_a_venue_the_first_that_has_the_symbol_is_meant() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        acknowledgement, errors = await in_thread(
            lambda: client.ask(
                operation=ADD, prices=[price_pb2.PriceSelection(symbols=["ETHUSDT", "ethusdt", "DOGE"])]
            )
        )
        assert keys(acknowledgement) == {"prices[0].symbols[0]": "binance/ETHUSDT"}
        assert [error.field for error in errors] == ["prices[0].symbols[1]", "prices[0].symbols[2]"]
        assert "did you mean 'ETHUSDT'?" in errors[0].reason
        await in_thread(client.close)


async def test_nonsense_is_answered_and_the_stream_lives_on() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        client.send(b"\xff\xff\xff this is no message")
        events = await in_thread(client.until, lambda event: event.HasField("error"))
        assert events[-1].error.code == price_pb2.STREAM_ERROR_CODE_INVALID_ARGUMENT
        nonsense: list[tuple[dict[str, Any], str]] = [
            ({}, "operation"),
            ({"operation": 17}, "operation"),
            ({"operation": ADD}, "prices"),
            ({"operation": ADD, "keys": ["x"]}, "keys"),
            ({"operation": ADD, "request_id": "x" * 101, "prices": [prices("BTCUSDT")]}, "request_id"),
        ]
        for fields, wrong in nonsense:
            acknowledgement, errors = await in_thread(partial(client.ask, **fields))
            assert [(error.field, error.code) for error in errors] == [
                (wrong, price_pb2.STREAM_ERROR_CODE_INVALID_ARGUMENT)
            ]
            assert (acknowledgement.error_count, acknowledgement.active_count) == (1, 0)
        acknowledgement, errors = await in_thread(
            lambda: client.ask(operation=ADD, prices=[prices("BTCUSDT", bars=("1m",) * 1_000)])
        )
        assert [error.code for error in errors] == [price_pb2.STREAM_ERROR_CODE_RESOURCE_EXHAUSTED]
        acknowledgement, errors = await in_thread(
            lambda: client.ask(operation=ADD, prices=[prices("BTCUSDT")])
        )
        assert (acknowledgement.active_count, errors) == (1, [])
        await in_thread(client.close)


async def test_a_half_closed_stream_goes_on() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        await in_thread(lambda: client.ask(operation=ADD, prices=[prices("BTCUSDT")]))
        client.half_close()
        for _ in range(3):
            served.trade()
            await in_thread(client.until, lambda event: event.HasField("price"))
        await in_thread(client.close)


async def test_a_hundred_indicators_come_and_go_while_listening_and_nothing_leaks() -> None:
    async with price_serving() as served:
        clients = [PriceClient(served.port) for _ in range(3)]
        for round_number in range(3):
            hundred = [indicator("ema", timeperiod=2 + n + round_number) for n in range(50)]
            hundred += [indicator("rsi", interval="1s", timeperiod=2 + n) for n in range(50)]
            for client in clients:
                acknowledgement, errors = await in_thread(
                    partial(client.ask, operation=ADD, indicators=hundred)
                )
                assert (acknowledgement.active_count, errors) == (100, [])
            served.trade(15)
            for client in clients:
                await in_thread(client.until, lambda event: event.indicator.values)
                acknowledgement, errors = await in_thread(
                    partial(client.ask, operation=REMOVE, indicators=hundred)
                )
                assert (acknowledgement.active_count, errors) == (0, [])
        await in_thread(clients[0].close)  # one disappears, one ends, one has half closed and disappears
        clients[1].half_close()
        clients[2].half_close()
        for client in clients[1:]:
            await in_thread(client.close)
        await wait_until(lambda: not served.hub.subscriptions)
        served.forget_unused()
        assert served.wanted == set()
        statistics = served.prices.statistics()
        assert (statistics.series, statistics.demands, statistics.markets) == (0, 0, 0)
        await wait_until(lambda: not served.server.statistics().streams)


async def test_a_client_that_disappears_in_the_middle_of_its_requests_leaves_nothing() -> None:
    async with price_serving() as served:
        for _ in range(5):
            client = PriceClient(served.port)
            for n in range(30):
                client.send(operation=ADD, indicators=[indicator("ema", timeperiod=2 + n)])
            await in_thread(client.until, lambda event: event.HasField("acknowledgement"))
            await in_thread(client.close)
        await wait_until(lambda: not served.hub.subscriptions)
        served.forget_unused()
        assert (served.wanted, served.prices.statistics().series) == (set(), 0)


async def test_two_hundred_clients_on_the_same_indicators_cost_one_computation_each() -> None:
    async with price_serving() as served:
        five = [
            indicator("ema"),
            indicator("rsi"),
            indicator("macd"),
            indicator("bbands", interval="1s"),
            indicator("atr", interval="1s"),
        ]
        request = price_pb2.StreamPricesRequest(operation=ADD, indicators=five)
        clients = [PriceClient(served.port) for _ in range(4)]
        calls = [client.open(request) for client in clients for _ in range(50)]
        await wait_until(lambda: sum(len(each.cursors) for each in served.hub.subscriptions) == 200 * 7)
        served.trade(40)  # in four seconds, of which the first is not whole; the last belongs to the fifth
        assert sorted(served.prices.computations().values()) == [3, 3, 40, 40, 40]

        def last_macd(call: Any) -> Any:
            for response in call:
                for event in response.events:
                    told = event.indicator
                    if (
                        told.key.startswith("binance/BTCUSDT/ticks/macd")
                        and told.event_time_ns == served.now_ns
                    ):
                        return [(value.name, value.value) for value in told.values]
            raise AssertionError("the stream ended")

        values = [await in_thread(last_macd, call) for call in calls]
        assert [name for name, _ in values[0]] == ["macd", "macdsignal", "macdhist"]
        assert all(each == values[0] for each in values)
        for call in calls:
            call.cancel()
        for client in clients:
            await in_thread(client.close)


async def test_a_venue_that_refuses_a_market_ends_its_series_and_says_why() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        await in_thread(
            lambda: client.ask(operation=ADD, prices=[prices("BTCUSDT")], indicators=[indicator("ema")])
        )
        topic = next(each.topic for each in served.demands if each.topic.channel.value == "trades")
        served.prices.apply([TopicRefused(topic, "binance has no BTCUSDT any more")])
        events = await in_thread(client.until, lambda event: event.error.key.endswith("ema(timeperiod=30)"))
        told = {event.error.key: event.error for event in events if event.HasField("error")}
        assert set(told) == {"binance/BTCUSDT", "binance/BTCUSDT/ticks/ema(timeperiod=30)"}
        assert all(error.reason == "binance has no BTCUSDT any more" for error in told.values())
        client.send(operation=LIST)
        events = await in_thread(client.until, lambda event: event.HasField("active"))
        assert not events[-1].active.prices
        assert not events[-1].active.indicators
        assert served.wanted == set()
        await in_thread(client.close)


async def test_too_many_series_are_refused_one_by_one() -> None:
    async with price_serving(max_per_stream=3, prices=PriceSettings(max_series=5, max_markets=2)) as served:
        first, second = PriceClient(served.port), PriceClient(served.port)
        four = [indicator("ema", timeperiod=n) for n in (2, 3, 4, 5)]
        acknowledgement, errors = await in_thread(lambda: first.ask(operation=ADD, indicators=four))
        assert acknowledgement.active_count == 3
        assert [error.field for error in errors] == ["indicators[3]"]
        assert "a stream may follow 3 series" in errors[0].reason
        three = [prices("BTCUSDT", "ETHUSDT", "SOLUSDT")]
        acknowledgement, errors = await in_thread(lambda: second.ask(operation=ADD, prices=three))
        assert acknowledgement.active_count == 2
        assert [error.code for error in errors] == [price_pb2.STREAM_ERROR_CODE_RESOURCE_EXHAUSTED]
        assert "prices.max_markets" in errors[0].reason
        for client in (first, second):
            await in_thread(client.close)


async def test_a_heartbeat_breaks_the_silence() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        client.send(operation=ADD, heartbeat_seconds=1)
        await in_thread(client.until, lambda event: event.HasField("heartbeat"))
        await in_thread(client.close)


async def test_draining_sends_the_goodbye_behind_the_last_values_and_ends_with_ok() -> None:
    async with price_serving() as served:
        client = PriceClient(served.port)
        await in_thread(lambda: client.ask(operation=ADD, prices=[prices("BTCUSDT")]))
        served.trade()
        served.hub.finish()

        def rest() -> list[Any]:
            return list(client.events)

        events = await in_thread(rest)
        assert any(event.HasField("price") for event in events)
        assert client.call.code() is grpc.StatusCode.OK
        await in_thread(client.close)


async def test_new_streams_are_refused_while_draining() -> None:
    async with price_serving() as served:
        ready = PriceClient(served.port)
        await in_thread(lambda: ready.ask(operation=ADD, prices=[prices("BTCUSDT")]))
        for service in served.server._services:
            service.is_draining = True
        client = PriceClient(served.port)

        def code() -> Any:
            return client.call.code()

        assert await in_thread(code) is grpc.StatusCode.UNAVAILABLE
        for each in (ready, client):
            await in_thread(each.close)


async def get_instruments(served: PriceServed, **fields: Any) -> Any:
    def call() -> Any:
        with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
            stub = channel.unary_unary(
                "/hyperstream.v1.PriceService/GetInstruments",
                price_pb2.GetInstrumentsRequest.SerializeToString,
                price_pb2.GetInstrumentsResponse.FromString,
            )
            return stub(price_pb2.GetInstrumentsRequest(**fields), timeout=20)

    return await in_thread(call)


async def test_get_instruments_describes_venues_markets_and_indicators() -> None:
    async with price_serving() as served:
        reply = await get_instruments(served)
        venues = {venue.name: venue for venue in reply.venues}
        assert set(venues) == {"node", "hyperliquid", "binance", "binance_futures", "bybit"}
        assert venues["binance"].state == price_pb2.FEED_STATE_CONNECTING
        assert venues["bybit"].state == price_pb2.FEED_STATE_OFF
        assert [each.symbol for each in venues["binance"].instruments] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        indicators = {each.name: each for each in reply.indicators}
        assert len(indicators) > 100
        macd = indicators["macd"]
        assert list(macd.outputs) == ["macd", "macdsignal", "macdhist"]
        assert [(each.name, each.default) for each in macd.parameters] == [
            ("fastperiod", 12),
            ("slowperiod", 26),
            ("signalperiod", 9),
        ]
        assert macd.warm_up == 34
        assert indicators["atr"].source == price_pb2.INDICATOR_SOURCE_BARS
        assert indicators["book_imbalance"].source == price_pb2.INDICATOR_SOURCE_BOOK
        one = await get_instruments(
            served, venues=["binance"] * 3, omit_indicators=True, omit_instruments=True
        )
        assert [(venue.name, len(venue.instruments)) for venue in one.venues] == [("binance", 0)]
        assert not one.indicators


async def test_every_indicator_of_get_instruments_can_be_followed_with_its_defaults() -> None:
    async with price_serving(prices=PriceSettings(history_ticks=50)) as served:
        reply = await get_instruments(served, omit_instruments=True)
        client = PriceClient(served.port)
        chosen = [
            indicator(
                each.name,
                interval="" if each.source == price_pb2.INDICATOR_SOURCE_BOOK else "1m",
                **{parameter.name: parameter.default for parameter in each.parameters},
            )
            for each in reply.indicators
        ]
        acknowledgement, errors = await in_thread(lambda: client.ask(operation=ADD, indicators=chosen))
        assert not errors
        assert acknowledgement.active_count == len(chosen)
        client.send(operation=LIST)
        events = await in_thread(client.until, lambda event: event.HasField("active"))
        told = {each.name: dict(each.parameters) for each in events[-1].active.indicators}
        assert told == {
            each.name: {parameter.name: parameter.default for parameter in each.parameters}
            for each in reply.indicators
        }
        await in_thread(client.close)


async def test_our_own_client_asks_while_it_listens() -> None:
    async with price_serving() as served, connect(f"127.0.0.1:{served.port}") as client:
        reply = await client.get_instruments(["binance"], omit_indicators=True)
        assert [each.symbol for each in reply.venues[0].instruments] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        async with client.stream_prices() as stream:
            stream.request(price_pb2.StreamPricesRequest(operation=ADD, prices=[prices("BTCUSDT")]))
            assert (await anext(stream)).acknowledgement.active_count == 1
            served.trade()
            assert (await anext(stream)).price.symbol == "BTCUSDT"
            stream.request(price_pb2.StreamPricesRequest(operation=ADD, prices=[prices("ETHUSDT")]))
            assert (await anext(stream)).acknowledgement.active_count == 2
            stream.end_requests()
            served.trade(symbol="ETHUSDT")
            assert (await anext(stream)).price.symbol == "ETHUSDT"
        await wait_until(lambda: not served.hub.subscriptions)


async def test_our_own_client_hears_the_end_although_it_could_ask_more() -> None:
    async with (
        price_serving() as served,
        connect(f"127.0.0.1:{served.port}") as client,
        client.stream_prices() as stream,
    ):
        stream.request(price_pb2.StreamPricesRequest(operation=ADD, prices=[prices("BTCUSDT")]))
        assert (await anext(stream)).acknowledgement.active_count == 1
        served.trade()
        served.hub.finish()
        assert [event.price.symbol async for event in stream] == ["BTCUSDT"]
