"""A feed that keeps its subscriptions through a lost connection; needs no network.

    python examples/sockets_ticker.py

A small server in the same program ticks, and hangs up without a word after every fifth tick. The client
subscribes once and prints what it is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from hyperstream.sockets import (
    Accepted,
    Command,
    Connection,
    FixedDelay,
    Protocol,
    Reply,
    Router,
    SocketConfig,
    Subscription,
)

TICKS = 12


class TickerProtocol(Protocol):
    """What this venue adds to a WebSocket: one command for several topics, answered by its id."""

    control_keys = frozenset({"reply"})

    def subscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """Ask for topics."""
        return self._command("subscribe", subscriptions, new_id())

    def unsubscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """End topics."""
        return self._command("unsubscribe", subscriptions, new_id())

    def reply(self, message: Any) -> Reply | None:
        """Read an acknowledgement."""
        return Accepted(command=message["id"])

    @staticmethod
    def _command(method: str, subscriptions: Sequence[Subscription], number: int) -> list[Command]:
        topics = [subscription.key for subscription in subscriptions]
        data = orjson.dumps({"method": method, "topics": topics, "id": number}).decode()
        return [Command(data, tuple(subscriptions), number)]


async def tick(request: WebSocketRequest, prices: itertools.count[int]) -> None:
    """Serve one visitor: acknowledge, tick five times, hang up."""
    socket = await request.accept()
    try:
        command = orjson.loads(await socket.get_message())
        await socket.send_message(orjson.dumps({"topic": "reply", "id": command["id"]}).decode())
        for price in itertools.islice(prices, 5):
            await socket.send_message(orjson.dumps({"topic": "BTC", "price": price}).decode())
            await trio.sleep(0.02)
    except ConnectionClosed:
        return
    await socket.aclose(1012, "restarting")


async def main() -> None:
    """Follow the ticker for a while."""
    async with trio.open_nursery() as nursery:
        serve = partial(serve_websocket, partial(tick, prices=itertools.count(84_143)), "127.0.0.1", 0, None)
        server = await nursery.start(serve)

        enough = trio.Event()
        prices: list[int] = []

        def on_tick(message: Any) -> None:
            prices.append(message["price"])
            print(f"BTC {message['price']}")
            if len(prices) == TICKS:
                enough.set()

        router = Router(decode=orjson.loads, key=lambda message: message["topic"])
        router.add("BTC", handler=on_tick)
        config = SocketConfig(
            "ticker", f"ws://127.0.0.1:{server.port}/", reconnect=FixedDelay(0.05), message_rate=10.0
        )
        async with Connection(config, router, TickerProtocol()) as connection:
            events = connection.events()
            await connection.subscribe(Subscription("BTC"))
            await enough.wait()
        async for event in events:
            print(event)
        nursery.cancel_scope.cancel(reason="seen enough")


if __name__ == "__main__":
    trio.run(main)
