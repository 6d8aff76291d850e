"""Keep one subscription open: connect, receive, and come back after a loss.

Backoff: the n-th attempt in a row waits 0.25 s · 2^n, at most 5 s, shortened by a random
share of up to half so that many clients of a restarted server do not return together. The
first event that arrives resets it.
"""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio
from attrs import define, field

from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.numbers import SECOND
from hyperstream.errors import HyperstreamError, RpcError, ServerUnavailable
from hyperstream.servers.grpc.client import Client, connect
from hyperstream.servers.grpc.client_stream import EventStream
from hyperstream.v1 import common_pb2

HEARTBEAT_SECONDS = 2
SILENCE_SECONDS = 15.0
FIRST_WAIT_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 5.0

# Asking again gives the same answer, until somebody changes something.
FINAL_STATUSES = frozenset(
    {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "UNIMPLEMENTED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
    }
)

Subscribe = Callable[
    [Client, Sequence[common_pb2.ResumePoint]], AbstractAsyncContextManager[EventStream[Any]]
]
Receive = Callable[[Sequence[Any]], Awaitable[bool]]


class MissedEventsError(HyperstreamError):
    """The sequence has a hole the server did not announce; a new subscription mends it."""


def wait_seconds(attempt: int, share: float) -> float:
    """Return how long to wait before an attempt (from 0); ``share`` is a random number below 1."""
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * float(1 << min(attempt, 16)))
    return longest * (1 - share / 2)


@define(eq=False)
class Follower:
    """One subscription, kept open. ``receive`` gets the events and returns True to subscribe anew.

    ``reconnect`` None means: come back after a loss and wait for a server that is starting, but
    fail if there is none at the first attempt.
    With ``does_resume`` a new subscription continues after the last event received of each
    market, so that a topic without snapshots loses nothing silently.
    """

    target: str
    subscribe: Subscribe
    receive: Receive
    feed: Feed
    on_lost: Callable[[], None]
    reconnect: bool | None = None
    does_resume: bool = False
    clock_ns: Callable[[], int] = time.time_ns
    jitter: Callable[[], float] = random.random
    _resume: dict[str, common_pb2.ResumePoint] = field(factory=dict)
    _has_received: bool = False
    _attempt: int = 0

    async def run(self) -> None:
        """Follow until the server ends the stream and there is no coming back.

        Raises ServerUnavailable or RpcError when it failed and there is none, or when no
        attempt can help.
        """
        while True:
            try:
                await self._follow_once()
            except (ServerUnavailable, RpcError, MissedEventsError) as error:
                if not self._is_worth_another(error):
                    raise
                trouble = str(error)
            else:
                self.feed.on_ended(self.clock_ns())
                if self.reconnect is False:
                    return
                trouble = "the server ended the stream"
            self.on_lost()
            wait = wait_seconds(self._attempt, self.jitter())
            self._attempt += 1
            now_ns = self.clock_ns()
            self.feed.on_lost(trouble, now_ns, now_ns + int(wait * SECOND))
            await trio.sleep(wait)

    def _is_worth_another(self, error: HyperstreamError) -> bool:
        if isinstance(error, MissedEventsError):
            return True
        if self.reconnect is False:
            return False
        # A server that has just restarted may not know its markets yet.
        if isinstance(error, RpcError) and error.status_name in FINAL_STATUSES:
            return self._has_received and error.status_name == "NOT_FOUND"
        is_starting = isinstance(error, RpcError) and error.status_name == "UNAVAILABLE"
        return self._has_received or is_starting or self.reconnect is True

    async def _follow_once(self) -> None:
        resume = list(self._resume.values()) if self.does_resume else []
        async with connect(self.target) as client, self.subscribe(client, resume) as stream:
            is_first = True
            while events := await self._next_batch(stream):
                if is_first:
                    self.feed.on_connected(self.clock_ns())
                    self._has_received, self._attempt, is_first = True, 0, False
                if self.does_resume:
                    self._remember(events)
                if await self.receive(events):
                    raise MissedEventsError("events are missing in the sequence; asking for a new snapshot")

    async def _next_batch(self, stream: EventStream[Any]) -> list[Any]:
        try:
            with trio.fail_after(SILENCE_SECONDS):
                return await stream.receive_batch()
        except trio.EndOfChannel:
            return []
        except trio.TooSlowError as error:
            raise ServerUnavailable(
                f"{self.target} has been silent for {SILENCE_SECONDS:.0f} s, heartbeats included"
            ) from error

    def _remember(self, events: Sequence[Any]) -> None:
        for event in events:
            kind = event.WhichOneof("event")
            body = getattr(event, kind)
            if kind == "notice":
                self._resume.update({point.symbol: point for point in body.resume})
            elif kind == "gap":
                if body.to_sequence:
                    self._resume[body.symbol] = common_pb2.ResumePoint(
                        symbol=body.symbol, epoch=body.epoch, sequence=body.to_sequence
                    )
            elif kind != "heartbeat":
                self._resume[body.symbol] = common_pb2.ResumePoint(
                    symbol=body.symbol, epoch=body.epoch, sequence=body.sequence
                )
