"""When a stream that has nothing to say says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio
import trio_asyncio
from trio.testing import MockClock

from hyperstream.hub.delivery import Contract
from hyperstream.hub.hub import Hub
from hyperstream.servers.grpc import subscriber as subscribers
from hyperstream.servers.grpc.subscriber import Subscriber
from tests.hub.toys import ReadableFormat, ToyTopic

HEARTBEAT = b"heartbeat"


class Line:
    """A peer that takes everything at once; ``sent`` are the times and messages."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.bytes_sent = 0

    async def send_initial_metadata(self) -> None:
        await asyncio.sleep(0)

    def write(self, body: bytes) -> bool:
        self.bytes_sent += len(body)
        self.sent.append((trio.current_time(), body))
        return True

    def heartbeats(self) -> list[float]:
        return [time for time, body in self.sent if body == HEARTBEAT]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    """The stream, and the writer to its connection."""
    monkeypatch.setattr(subscribers, "FrameWriter", lambda stream: stream)
    return Line()


async def test_a_silent_stream_has_a_heartbeat_every_so_many_seconds(
    line: Any, autojump_clock: MockClock
) -> None:
    """Also the second and third come in time: a heartbeat breaks no silence."""
    hub = Hub(start_seconds=1)
    topic = ToyTopic(hub, ReadableFormat(), "A", "plain")
    async with trio_asyncio.open_loop():
        subscriber = Subscriber(line, heartbeat=lambda: HEARTBEAT, heartbeat_seconds=10)
        subscription = hub.subscribe(Contract.LOSSLESS, topic.wire_format, subscriber.wake)
        subscriber.follow(subscription)
        subscription.attach(topic.topic)
        began = trio.current_time()
        task = asyncio.ensure_future(subscriber.run())
        await trio.sleep(35)
        assert [time - began for time in line.heartbeats()] == [10, 20, 30]
        topic.publish("a", 1)
        hub.flush()
        await trio.sleep(30)
        assert [time - began for time in line.heartbeats()] == [10, 20, 30, 50, 60], "35 was no silence"
        hub.finish()
        await trio_asyncio.aio_as_trio(task)
