"""OrderbookService through grpcio: what a foreign client sees is the fake node's truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
import trio
from google.rpc import error_details_pb2, status_pb2

from hyperstream.v1 import common_pb2, orderbook_pb2

from .serving import MARKETS, Client, ClientBook, Served, events_until, flat, serving, wait_until

in_thread = trio.to_thread.run_sync


def truth(served: Served, symbol: str, depth: int) -> Any:
    book = served.node.truth(symbol, depth)
    return book.bids, book.asks


async def test_get_markets_lists_every_market_with_its_state(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        reply = await in_thread(client.call, "GetMarkets", orderbook_pb2.GetMarketsRequest())
        assert sorted(market.symbol for market in reply.markets) == sorted(MARKETS)
        assert reply.height == served.node.height
        kinds = {market.symbol: market.kind for market in reply.markets}
        assert kinds["BTC"] == common_pb2.MARKET_KIND_PERP
        assert kinds["@107"] == kinds["PURR/USDC"] == common_pb2.MARKET_KIND_SPOT
        assert kinds["xyz:XYZ100"] == common_pb2.MARKET_KIND_BUILDER_PERP
        for market in reply.markets:
            bids, asks = served.node.orders(market.symbol)
            assert market.order_count == len(bids) + len(asks)
            assert market.state == common_pb2.MARKET_STATE_LIVE
        client.close()


@pytest.mark.parametrize("depth", [1, 5, 50])
async def test_get_orderbook_is_the_nodes_book(tmp_path: Path, depth: int) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        for _ in range(3):
            served.step(2)
            request = orderbook_pb2.GetOrderbookRequest(symbols=["BTC"], depth=depth)
            reply = await in_thread(client.call, "GetOrderbook", request)
            bids, asks = truth(served, "BTC", depth)
            assert tuple((level.price, level.size, level.order_count) for level in reply.bids) == bids
            assert tuple((level.price, level.size, level.order_count) for level in reply.asks) == asks
            assert (reply.symbol, reply.height) == ("BTC", served.node.height)
        client.close()


async def test_a_book_asked_for_once_leaves_nothing_to_be_published(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        for depth in range(1, 60):
            request = orderbook_pb2.GetOrderbookRequest(
                symbols=["BTC"], depth=depth, significant_figures=depth % 4 + 2
            )
            reply = await in_thread(client.call, "GetOrderbook", request)
            assert (reply.epoch, reply.sequence) == (0, 0)
        market = served.engine.find_symbol("BTC")
        assert market is not None
        assert not list(market.topics())
        client.close()


async def test_a_book_asked_for_once_has_its_place_in_the_stream_that_is_followed(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        follow = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"], depth=1000)
        call = client.stream("SubscribeOrderbook", follow)
        last = (await in_thread(lambda: next(flat(call)))).snapshot
        request = orderbook_pb2.GetOrderbookRequest(symbols=["BTC"], depth=1000)
        for _ in range(5):
            reply = await in_thread(client.call, "GetOrderbook", request)
            assert (reply.epoch, reply.sequence) == (last.epoch, last.sequence)
            served.step()
            last = (await in_thread(lambda: next(flat(call)))).delta
        client.close()


@pytest.mark.parametrize("depth", [3, 50, 1000])
async def test_snapshot_and_deltas_rebuild_every_book_at_every_height(tmp_path: Path, depth: int) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        call = client.stream(
            "SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=depth)
        )
        books = {symbol: ClientBook() for symbol in MARKETS}
        truths: dict[tuple[str, int], Any] = {}

        def until_all_snapshots() -> None:
            for event in flat(call):
                books[event.snapshot.symbol].apply(event)
                if all(book.epoch for book in books.values()):
                    return

        await in_thread(until_all_snapshots)
        for symbol in MARKETS:
            assert books[symbol].top(depth) == truth(served, symbol, depth)
        for _ in range(40):
            served.step()
            for symbol in MARKETS:
                truths[symbol, served.node.height] = truth(served, symbol, depth)
        last = served.node.height

        def until_last_height() -> None:
            for event in flat(call):
                update = event.delta
                books[update.symbol].apply(event)
                assert books[update.symbol].top(depth) == truths[update.symbol, update.height]
                if update.height == last:
                    return

        await in_thread(until_last_height)
        call.cancel()
        client.close()


async def test_snapshots_only_sends_the_whole_book_each_time(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"], depth=5, snapshots_only=True)
        call = client.stream("SubscribeOrderbook", request)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        for _ in range(10):
            before = truth(served, "BTC", 5)
            served.step()
            if truth(served, "BTC", 5) == before:
                continue
            height = served.node.height
            events = await in_thread(events_until, call, lambda event, h=height: event.snapshot.height == h)
            book = ClientBook()
            book.apply(events[-1])
            assert book.top(5) == truth(served, "BTC", 5)
        call.cancel()
        client.close()


async def test_bbo_is_the_nodes_best_bid_and_ask(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        call = client.stream("SubscribeBbo", orderbook_pb2.SubscribeBboRequest(symbols=["BTC", "ETH"]))
        await in_thread(events_until, call, lambda event: event.bbo.symbol == "ETH")
        seen = {symbol: truth(served, symbol, 1) for symbol in ("BTC", "ETH")}
        told: dict[str, Any] = {}
        for _ in range(20):
            served.step()
            changed = {symbol for symbol in seen if truth(served, symbol, 1) != seen[symbol]}
            height = served.node.height

            def has_all(event: Any, changed: set[str] = changed, height: int = height) -> bool:
                told[event.bbo.symbol] = event.bbo
                return all(symbol in told and told[symbol].height == height for symbol in changed)

            if changed:
                await in_thread(events_until, call, has_all)
            for symbol in changed:
                bids, asks = seen[symbol] = truth(served, symbol, 1)
                bbo = told[symbol]
                assert (bbo.bid.price, bbo.bid.size, bbo.bid.order_count) == bids[0]
                assert (bbo.ask.price, bbo.ask.size, bbo.ask.order_count) == asks[0]
        call.cancel()
        client.close()


async def test_trades_arrive_once_paired_and_numbered_without_a_hole(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        call = client.stream("SubscribeTrades", orderbook_pb2.SubscribeTradesRequest(symbols=["*"]))
        await wait_until(lambda: any(market.tapes for market in served.engine.markets.values()))
        served.step(60)
        expected = served.engine.trades
        assert expected > 20

        def collect() -> list[Any]:
            batches: list[Any] = []
            for event in flat(call):
                batches.append(event.trades)
                if sum(len(batch.trades) for batch in batches) >= expected:
                    return batches
            raise AssertionError("the stream ended")

        batches = await in_thread(collect)
        sequences: dict[str, int] = {}
        keys = set()
        for batch in batches:
            assert batch.sequence == sequences.get(batch.symbol, 0) + 1
            sequences[batch.symbol] = batch.sequence
            for trade in batch.trades:
                keys.add((batch.height, batch.symbol, trade.trade_id))
                assert trade.buyer.startswith("0x")
                assert trade.seller.startswith("0x")
        assert len(keys) == expected
        call.cancel()
        client.close()


async def test_orders_are_the_nodes_queue_with_attributes_after_every_block(tmp_path: Path) -> None:
    async with serving(tmp_path, snapshot_chunk_orders=7) as served:
        client = Client(served.port)
        call = client.stream("SubscribeOrders", orderbook_pb2.SubscribeOrdersRequest(symbols=["BTC"]))
        events = await in_thread(events_until, call, lambda event: event.snapshot.last_chunk)
        assert [event.snapshot.chunk for event in events] == list(range(len(events)))
        assert len(events) > 2
        orders = [order for event in events for order in event.snapshot.orders]
        bids, asks = served.node.orders("BTC")
        assert [(order.oid, order.user, order.price, order.size) for order in orders] == [
            (order.oid, order.user, order.price, order.size) for order in [*bids, *asks]
        ]
        by_oid = {order.oid: order for order in [*bids, *asks]}
        for order in orders:
            if order.has_attributes:
                true = by_oid[order.oid]
                assert (order.cloid, order.tif, order.order_type) == (
                    true.cloid or "",
                    true.tif or "",
                    true.order_type,
                )
        assert sum(order.has_attributes for order in orders) > len(orders) / 2
        call.cancel()
        client.close()


BTC = {"symbols": ["BTC"]}
WRONG_REQUESTS = [
    ("GetOrderbook", {"symbols": ["NOPE"]}, "NOT_FOUND", "NOPE"),
    ("GetOrderbook", {"symbols": ["btc"]}, "NOT_FOUND", "did you mean 'BTC'"),
    ("GetOrderbook", {}, "INVALID_ARGUMENT", "name at least one market"),
    ("GetOrderbook", {"symbols": ["BTC", "ETH"]}, "INVALID_ARGUMENT", "exactly one"),
    ("GetOrderbook", {"market_ids": [4_000_000]}, "NOT_FOUND", "4000000"),
    ("GetOrderbook", BTC | {"depth": 1001}, "INVALID_ARGUMENT", "depth"),
    ("GetOrderbook", BTC | {"significant_figures": 6}, "INVALID_ARGUMENT", "significant_figures"),
    ("GetOrderbook", BTC | {"mantissa": 2}, "INVALID_ARGUMENT", "mantissa"),
    ("GetOrderbook", BTC | {"significant_figures": 5, "mantissa": 3}, "INVALID_ARGUMENT", "mantissa"),
    ("SubscribeOrderbook", {}, "INVALID_ARGUMENT", "name at least one market"),
    ("SubscribeOrderbook", BTC | {"delivery": 3}, "INVALID_ARGUMENT", "CONFLATE"),
    ("SubscribeOrderbook", BTC | {"heartbeat_seconds": 3601}, "INVALID_ARGUMENT", "heartbeat_seconds"),
    ("SubscribeTrades", BTC | {"delivery": 3}, "INVALID_ARGUMENT", "CONFLATE"),
    ("SubscribeOrders", BTC | {"delivery": 9}, "INVALID_ARGUMENT", "delivery"),
]


@pytest.mark.parametrize(("method", "request_", "code", "sentence"), WRONG_REQUESTS)
async def test_a_wrong_request_is_told_what_is_wrong(
    tmp_path: Path, method: str, request_: dict[str, Any], code: str, sentence: str
) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        descriptor = orderbook_pb2.DESCRIPTOR.services_by_name["OrderbookService"].methods_by_name[method]
        message = getattr(orderbook_pb2, descriptor.input_type.name)(**request_)

        def attempt() -> grpc.RpcError:
            with pytest.raises(grpc.RpcError) as caught:
                list(client.stream(method, message)) if descriptor.server_streaming else client.call(
                    method, message
                )
            return caught.value

        error: Any = await in_thread(attempt)
        assert error.code().name == code
        assert sentence in error.details()
        if code == "INVALID_ARGUMENT":
            raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
            details = error_details_pb2.BadRequest()
            assert status_pb2.Status.FromString(raw).details[0].Unpack(details)
            assert details.field_violations[0].field in error.details()
        client.close()


async def test_nothing_is_served_before_the_books_are_loaded(tmp_path: Path) -> None:
    async with serving(tmp_path, load=False) as served:
        client = Client(served.port)
        with pytest.raises(grpc.RpcError) as caught:
            await in_thread(client.call, "GetOrderbook", orderbook_pb2.GetOrderbookRequest(symbols=["BTC"]))
        error: Any = caught.value
        assert (error.code().name, "being loaded" in error.details()) == ("UNAVAILABLE", True)
        client.close()


async def test_a_silent_stream_sends_heartbeats(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeTradesRequest(symbols=["BTC"], heartbeat_seconds=1)
        call = client.stream("SubscribeTrades", request)
        (beat,) = await in_thread(events_until, call, lambda event: event.HasField("heartbeat"))
        assert beat.heartbeat.height == served.node.height
        assert beat.heartbeat.publish_time_ns > 0
        call.cancel()
        client.close()


async def test_a_market_that_appears_later_reaches_those_who_asked_for_every_market(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        call = client.stream("SubscribeOrderbook", orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"]))
        await in_thread(events_until, call, lambda event: event.snapshot.symbol == MARKETS[-1])
        served.engine.market("NEW")
        served.hub.flush()
        await in_thread(events_until, call, lambda event: event.snapshot.symbol == "NEW")
        call.cancel()
        client.close()


async def test_a_resumed_stream_continues_without_hole_or_duplicate(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"], depth=1000)
        call = client.stream("SubscribeOrderbook", request)
        book = ClientBook()
        for event in await in_thread(events_until, call, lambda event: event.HasField("snapshot")):
            book.apply(event)
        call.cancel()
        served.step(10)
        request.resume.add(symbol="BTC", epoch=book.epoch, sequence=book.sequence)
        call = client.stream("SubscribeOrderbook", request)
        last = served.engine.markets["BTC"]
        final = next(iter(last.books.values())).topic.sequence
        for event in await in_thread(events_until, call, lambda event: event.delta.sequence == final):
            assert event.HasField("delta")
            book.apply(event)
        assert book.top(1000) == truth(served, "BTC", 1000)
        call.cancel()
        client.close()


async def test_a_resume_point_of_an_earlier_run_gets_a_gap_and_a_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"])
        request.resume.add(symbol="BTC", epoch=7, sequence=40)
        call = client.stream("SubscribeOrderbook", request)
        gap, snapshot = await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        assert gap.gap.reason == common_pb2.GAP_REASON_RESTART
        assert snapshot.snapshot.symbol == "BTC"
        call.cancel()
        client.close()
