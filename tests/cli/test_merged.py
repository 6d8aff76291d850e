"""Two subscriptions as one stream: nothing is lost, and it ends with the first of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import trio

from hyperstream.cli.watch.merged import merged
from hyperstream.errors import RpcError
from hyperstream.servers.grpc.client import connect
from tests.processes import PATIENCE_SECONDS

from .scripts import script


def by_request(**scripts: Any) -> Any:
    """A script that answers by the kind of its request."""

    def answer(request: Any, context: Any) -> Iterator[Any]:
        yield from scripts[type(request).__name__](request, context)

    return answer


async def collect(target: str) -> list[str]:
    """The kinds of all events until the merged stream ends."""
    kinds: list[str] = []
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(target) as client:
            both = merged(client.subscribe_stop_orders(["BTC"]), client.subscribe_bbo(["BTC"]))
            async with both as stream:
                try:
                    while True:
                        kinds += [event.WhichOneof("event") for event in await stream.receive_batch()]
                except trio.EndOfChannel:
                    return kinds


async def test_events_of_both_come_and_the_end_of_one_is_the_end(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    enough = threading.Event()

    def prices(request: Any, context: Any) -> Iterator[Any]:
        for _ in range(50):
            yield events.bbo(("1.0", "1.0"), ("2.0", "1.0"))
        enough.wait(PATIENCE_SECONDS)

    scripted_server.scripts = [
        by_request(
            SubscribeStopOrdersRequest=script(events.stops(), *[events.stop_changes() for _ in range(50)]),
            SubscribeBboRequest=prices,
        )
    ]
    kinds = await collect(scripted_server.target)
    enough.set()
    assert [kind for kind in kinds if kind != "bbo"] == ["snapshot", *["delta"] * 50]


async def test_a_refusal_of_one_is_told_as_it_is(scripted_server: Any, make: Any) -> None:
    def refuse(request: Any, context: Any) -> Iterator[Any]:
        context.abort(grpc.StatusCode.NOT_FOUND, "no market named NOPE")
        yield

    def silent(request: Any, context: Any) -> Iterator[Any]:
        context.add_callback(done.set)
        done.wait(PATIENCE_SECONDS)
        yield from ()

    done = threading.Event()
    scripted_server.scripts = [by_request(SubscribeStopOrdersRequest=refuse, SubscribeBboRequest=silent)]
    with pytest.raises(RpcError, match="NOPE"):
        await collect(scripted_server.target)
