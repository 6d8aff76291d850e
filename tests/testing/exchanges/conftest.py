"""Fixtures of the fakes' tests: clients that are gone when the test is."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hyperstream.testing.exchanges import FakeVenue
from tests.testing.exchanges.client import Client

Connect = Callable[..., Any]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a function that connects a client to a fake that is being served, over a memory stream."""
    async with trio.open_nursery() as nursery:

        async def open_client(fake: FakeVenue, url: str, **options: Any) -> Client:
            client = Client(url, **options)
            client.stream = fake.open_stream()
            nursery.start_soon(client.run)
            await wait_all_tasks_blocked()
            return client

        yield open_client
        nursery.cancel_scope.cancel()
