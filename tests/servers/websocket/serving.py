"""A gateway over a real engine fed by a fake node, and a foreign client (websockets) to talk to it."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import trio
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from hyperstream.config import ListenAddress, WebSocketSettings
from hyperstream.engine.candles import CandleKeeper
from hyperstream.engine.engine import Engine
from hyperstream.engine.topics import MarketFormats
from hyperstream.engine.venue_topics import FrameBoards
from hyperstream.errors import SelectionError
from hyperstream.hub.hub import Hub
from hyperstream.market.venues import BYBIT, HYPERLIQUID, FeedTopic
from hyperstream.servers.websocket.content import Content
from hyperstream.servers.websocket.server import WebSocketServer
from hyperstream.testing import QUIET, FakeNode, Load
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES
from tests.node_feed import NodeFeed, snapshot_items

MARKETS = ["BTC", "ETH", "@107", "PURR/USDC", "xyz:XYZ100"]
NODE_ANSWERS = {b'{"type":"meta"}': b'{"universe":[{"name":"BTC","szDecimals":5}]}'}
in_thread = trio.to_thread.run_sync


class Served:
    """The parts, and ``step`` to let the node make a block and the engine apply it."""

    def __init__(self, node: FakeNode, directory: Path, settings: WebSocketSettings) -> None:
        self.node = node
        self.hub = Hub(int(time.time()))
        self.engine = Engine(
            hub=self.hub,
            formats=MarketFormats(ORDERBOOK, BBO, TRADES, ORDERS),
            now_ns=time.time_ns,
            request_repair=None,
            snapshot_chunk_orders=20,
        )
        self.upstream = Upstream()
        boards = FrameBoards.of(self.hub, self.upstream).boards
        self.board, self.contexts = boards[BYBIT], boards[HYPERLIQUID]
        self.content = Content(settings, self.engine, self.hub, kept_answer, boards)
        self.server = WebSocketServer(settings, self.hub, self.content)
        self.feed = NodeFeed(directory)
        self.port = 0
        self.settings = settings
        self._snapshot = directory.parent / "snapshot.json"

    def load(self) -> None:
        """Give the engine the node's books."""
        self.node.write_snapshot(self._snapshot)
        self.feed.items()
        for item in snapshot_items(self._snapshot):
            self.engine.apply(item)
        if self.settings.candle_minutes:
            CandleKeeper(self.settings.candle_minutes).follow(self.engine)

    def step(self, blocks: int = 1) -> None:
        """Let the node make blocks and the engine apply them."""
        for _ in range(blocks):
            self.node.step()
            for item in self.feed.items():
                self.engine.apply(item)

    @property
    def counts(self) -> dict[str, int]:
        """What happened, by cause."""
        return self.server.statistics().counts


class Upstream:
    """Feeds that do as they are told; ``wanted`` is what they would have subscribed to."""

    def __init__(self) -> None:
        self.wanted: list[FeedTopic] = []
        self.symbols = {BYBIT: {"BTCUSDT", "ETHUSDT"}, HYPERLIQUID: {"BTC", "@107", "xyz:XYZ100"}}

    def locate(self, venue: str, symbol: str) -> str:
        """Refuse what is not listed."""
        if symbol not in self.symbols[venue]:
            listed = sorted(self.symbols[venue])
            nearest = (difflib.get_close_matches(symbol, listed, 1) or listed)[0]
            sentence = f"{venue} has no market {symbol!r}; did you mean {nearest!r}?"
            raise SelectionError("NOT_FOUND", "symbol", sentence)
        return venue

    def want_frames(self, topic: FeedTopic) -> None:
        """Somebody wants it."""
        assert topic not in self.wanted
        self.wanted.append(topic)

    def release_frames(self, topic: FeedTopic) -> None:
        """Nobody wants it any more."""
        self.wanted.remove(topic)


def kept_answer(request: Mapping[str, Any]) -> bytes | None:
    """What a node's info server said last."""
    return NODE_ANSWERS.get(orjson.dumps(request))


@asynccontextmanager
async def serving(
    directory: Path, *, load: bool = True, busy: Load = QUIET, seed: int = 1, **settings: Any
) -> AsyncIterator[Served]:
    """Serve on a free port for the length of a test; drains at the end."""
    node = FakeNode(directory / "data", seed=seed, markets=MARKETS, load=busy)
    settings.setdefault("listen", ListenAddress("127.0.0.1", 0))
    served = Served(node, directory / "data", WebSocketSettings(**settings))
    if load:
        served.load()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            _, served.port = await nursery.start(served.server.run)
            nursery.start_soon(served.content.run)
            yield served
            served.server.close_intake()
            served.hub.finish()
            await served.server.drain()
            nursery.cancel_scope.cancel(reason="the test is over")


class Client:
    """A client of the websockets library; its calls block, so each is made in a thread."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: object) -> None:
        """Send a JSON message, or a string or bytes as they are."""
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        await in_thread(self.connection.send, text)

    async def receive(self) -> Any:
        """The next message."""
        return json.loads(await self.receive_text())

    async def receive_text(self) -> str:
        """The next message as it came."""
        text = await in_thread(self.connection.recv, 20)
        assert isinstance(text, str)
        return text

    async def ask(self, message: object) -> Any:
        """Send, and return what comes next."""
        await self.send(message)
        return await self.receive()

    async def subscribe(self, **subscription: Any) -> Any:
        """Subscribe, and return the answer."""
        return await self.ask({"method": "subscribe", "subscription": subscription})

    async def unsubscribe(self, **subscription: Any) -> Any:
        """Unsubscribe, and return the answer."""
        return await self.ask({"method": "unsubscribe", "subscription": subscription})

    async def until(self, is_last: Callable[[Any], bool]) -> list[Any]:
        """The messages up to the first one that ``is_last``."""
        messages = []
        while True:
            messages.append(await self.receive())
            if is_last(messages[-1]):
                return messages

    async def so_far(self, served: Served | None = None) -> list[Any]:
        """What comes before the answer to a ping: with ``served``, all that was published until now."""
        if served is not None:
            await wait_until(lambda: not any(session.is_sending for session in served.server.sessions))
        await self.send({"method": "ping"})
        return (await self.until(lambda message: message == {"channel": "pong"}))[:-1]

    async def closed(self) -> Close:
        """Wait until the gateway has closed the connection; returns with which code and reason."""

        def drain() -> Close | None:
            try:
                while True:
                    self.connection.recv(20)
            except ConnectionClosed as closed:
                return closed.rcvd

        frame = await in_thread(drain)
        assert frame is not None, "there was no close frame"
        return frame


@asynccontextmanager
async def client(port: int, **options: Any) -> AsyncIterator[Client]:
    """Connect; the connection is closed at the end."""
    options = {"compression": None, "max_size": None, "max_queue": None, "open_timeout": 20, **options}
    scheme = "wss" if "ssl" in options else "ws"
    address = f"{scheme}://127.0.0.1:{port}/ws"
    connection = await in_thread(lambda: connect(address, **options).__enter__())
    try:
        yield Client(connection)
    finally:
        with trio.move_on_after(20, shield=True):
            await in_thread(connection.close)


async def wait_until(is_true: Callable[[], object], *, seconds: float = 20) -> None:
    """Wait for what another thread brings about."""
    with trio.fail_after(seconds):
        while not is_true():  # noqa: ASYNC110 - the client is a thread of a foreign library
            await trio.sleep(0.01)
