"""The topic dialect from end to end: a fake Bybit, the installed daemon, and clients on the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define
from websockets.sync.client import ClientConnection, connect

from hyperstream.testing.exchanges import BybitLimits, FakeBybit, How

from .program import PATIENCE_SECONDS, Daemon
from .test_gateway import needs_clients, python_client, told

in_thread = trio.to_thread.run_sync
BOOK = "orderbook.50.BTCUSDT"


@define(eq=False)
class Exchange:
    """A fake Bybit whose market moves, and a daemon whose gateway forwards it."""

    fake: FakeBybit
    daemon: Daemon
    port: int

    @property
    def wanted(self) -> set[str]:
        """What the daemon has subscribed to."""
        return {topic for session in self.fake.sessions if session.is_open for topic in session.topics}

    def top(self, depth: int = 50) -> list[list[tuple[str, str]]]:
        """The book that the exchange truly has."""
        truth = self.fake.truth("BTCUSDT")
        return [list(side[:depth]) for side in (truth.bids, truth.asks)]


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    fake = FakeBybit(seed=3, symbols=("BTCUSDT", "ETHUSDT"), limits=BybitLimits(connections=0))
    async with fake.serve() as urls, trio.open_nursery() as nursery:
        settings = {
            "node.enabled": "false",
            "feeds.bybit.enabled": "true",
            "feeds.bybit.url": urls.stream,
            "feeds.bybit.rest_url": urls.rest,
            "feeds.bybit.retry_seconds": 0.05,
        }
        nursery.start_soon(fake.run, 50.0)
        with Daemon(settings) as daemon:
            yield Exchange(fake, daemon, await in_thread(daemon.gateway_port))
            nursery.cancel_scope.cancel(reason="the test is over")


class Follower:
    """A book rebuilt by the venue's rules from what a client of the websockets library receives."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self.update_id = 0
        self.snapshots = 0

    def top(self) -> list[list[tuple[str, str]]]:
        """Both sides, best first."""
        bids, asks = (sorted(side.items(), key=lambda level: float(level[0])) for side in self.sides)
        return [bids[::-1], asks]

    def apply(self, message: Any) -> None:
        """Apply a frame of the book; a gap is told, and a snapshot follows."""
        if message.get("topic") != BOOK or message["type"] == "gap":
            return
        data = message["data"]
        if message["type"] == "snapshot":
            self.sides = ({}, {})
            self.snapshots += 1
        else:
            assert data["u"] == self.update_id + 1, "a hole or a repetition"
        self.update_id = data["u"]
        for side, changes in zip(self.sides, (data["b"], data["a"]), strict=True):
            for price, size in changes:
                side[price] = size
                if not float(size):
                    del side[price]

    async def until_true(self, place: Exchange) -> None:
        """Read until the book is what the exchange truly has."""
        with trio.fail_after(PATIENCE_SECONDS):
            while self.top() != place.top():
                self.apply(json.loads(await in_thread(self.connection.recv, 20)))


@asynccontextmanager
async def follower(place: Exchange, message: dict[str, Any]) -> AsyncIterator[Follower]:
    """Connect and subscribe."""
    address = f"ws://127.0.0.1:{place.port}/ws"
    connection = await in_thread(lambda: connect(address, max_queue=None).__enter__())
    try:
        await in_thread(connection.send, json.dumps(message))
        answer = json.loads(await in_thread(connection.recv, 20))
        assert answer["success"], answer
        yield Follower(connection)
    finally:
        with trio.move_on_after(20, shield=True):
            await in_thread(connection.close)


OURS = {"method": "subscribe", "topic": "orderbook", "symbol": "BTCUSDT", "levels": 50}
VENUES = {"op": "subscribe", "args": [BOOK]}


async def test_books_are_forwarded_on_demand_and_survive_what_happens_upstream() -> None:
    async with exchange() as place:
        async with follower(place, OURS) as first:
            await first.until_true(place)
            assert place.wanted == {BOOK}
            async with follower(place, VENUES) as second:
                await second.until_true(place)
                place.fake.trouble.disconnect(How.RESET)
                before = first.snapshots
                with trio.fail_after(PATIENCE_SECONDS):
                    while first.snapshots == before:
                        first.apply(json.loads(await in_thread(first.connection.recv, 20)))
                await first.until_true(place)
                await second.until_true(place)
        with trio.fail_after(PATIENCE_SECONDS):
            while place.wanted:  # noqa: ASYNC110 - another process brings it about
                await trio.sleep(0.02)


@needs_clients
async def test_ccxt_watches_bybit_through_the_gateway() -> None:
    async with exchange() as place:
        url = f"ws://127.0.0.1:{place.port}/v5/public/linear"
        with python_client("ccxt_bybit.py", url, "BTCUSDT") as ccxt:
            for kind in ("book", "trades", "ticker"):
                await told(ccxt, lambda line, kind=kind: kind in line, kind)  # type: ignore[misc]
            assert place.wanted == {
                BOOK,
                "publicTrade.BTCUSDT",
                "tickers.BTCUSDT",
            }
