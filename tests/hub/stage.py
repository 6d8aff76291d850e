"""A hub with topics and subscribers, for tests that name one promise each."""

from __future__ import annotations

from typing import Any

import orjson

from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.market.updates import NOTICE_DRAINING, NoticeNote, ResumePoint

from .toys import Client, ReadableFormat, ToyTopic, drain, plenty

EVERY = list(Contract)
QUEUED = [Contract.LOSSLESS, Contract.RESYNC]
FEW = OutboxLimits(max_messages=3, max_bytes=1_000_000)
SOON = NoticeNote(NOTICE_DRAINING, 5, (), "soon")


class Stage:
    """A hub with topics, and what its subscribers are sent."""

    def __init__(self) -> None:
        self.hub = Hub(start_seconds=1)
        self.wire_format = ReadableFormat()
        self.woken = 0

    def topic(self, symbol: str = "A", style: str = "delta", **options: Any) -> ToyTopic:
        return ToyTopic(self.hub, self.wire_format, symbol, style, **options)

    def subscribe(
        self,
        contract: Contract,
        *topics: ToyTopic,
        limits: OutboxLimits | None = None,
        resume: ResumePoint | None = None,
    ) -> tuple[Subscription, Client]:
        subscription = self.hub.subscribe(contract, self.wire_format, self.wake, limits or plenty())
        for topic in topics:
            subscription.attach(topic.topic, resume)
        self.hub.flush()
        client = Client(
            {topic.symbol: topic.style for topic in topics},
            may_lose=contract is Contract.RESYNC,
            may_merge=contract is Contract.CONFLATE,
        )
        return subscription, client

    def wake(self) -> None:
        self.woken += 1

    def block(self, *topics: ToyTopic, value: int = 1) -> None:
        for topic in topics:
            topic.publish("a", value)
        self.hub.flush()


def events_of(messages: list[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for message in messages for line in message.splitlines()]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def drain_events(subscription: Subscription, client: Client) -> list[dict[str, Any]]:
    """Take all there is; returns its events."""
    return events_of(drain(subscription, client))
