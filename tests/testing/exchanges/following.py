"""Clients that follow a fake's streams."""

from collections.abc import Callable
from typing import Any

from hyperstream.testing.exchanges import (
    BinanceLimits,
    FakeVenue,
)
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
DEPTH, TRADE = "btcusdt@depth@100ms", "btcusdt@trade"
FREE = BinanceLimits(messages_per_second=0, connections=0, ping_seconds=0, lifetime_seconds=0)


async def following(fake: FakeVenue, connect: Connect, url: str, *names: str) -> Client:
    client: Client = await connect(fake, f"{url}?streams={'/'.join(names or (DEPTH, TRADE))}")
    fake.step(200)
    assert await client.heard()
    return client
