"""Clients that follow the fake's topics."""

from collections.abc import Callable
from typing import Any

import orjson
from trio.testing import wait_all_tasks_blocked

from hyperstream.testing.exchanges import Activity, FakeBybit
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]
LIVELY = Activity(changes_per_second=200, trades_per_second=20, jumps_per_minute=60, levels=260)


async def follow(fake: FakeBybit, connect: Connect, url: str, *names: str) -> Client:
    """Return a client whose acknowledgement is taken; the first data is not."""
    client: Client = await connect(fake, url)
    await client.say({"op": "subscribe", "args": list(names)})
    await wait_all_tasks_blocked()
    client.texts = [text for text in client.texts if "topic" in orjson.loads(text)]
    return client
