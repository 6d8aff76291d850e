"""A route: messages of one kind, handled in order, apart from all other routes.

A **synchronous** handler is called in the reader's own step. It has no queue and no task, so nothing
waits and nothing can be dropped: the cheapest way, for handlers that take microseconds.

An **asynchronous** handler has a task and a bounded queue of its own. What happens when the queue is full
is the route's policy:

- ``BLOCK``: the reader waits, the socket is not read, and TCP pushes back on the peer. Other routes then
  get nothing new either: that is what pushing back means.
- ``DROP_OLDEST``, ``DROP_NEWEST``: a message is dropped and counted.
- ``CONFLATE``: of each key only the newest message waits, in the place of the first; ``max_queue`` bounds
  the keys, and past it the key that waited longest is dropped.

A handler that raises loses its message, not its route: it is counted, and logged once per cause.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from enum import Enum
from time import perf_counter
from typing import Any

import trio
from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.log_once import LogOnce
from hyperstream.sockets.causes import cause_of


class Policy(Enum):
    """What a route with an asynchronous handler does when its queue is full."""

    BLOCK = "block"
    DROP_OLDEST = "drop oldest"
    DROP_NEWEST = "drop newest"
    CONFLATE = "conflate"


@frozen
class RouteStatistics:
    """What one route did: messages, and seconds spent decoding and handling them.

    ``depth`` is what waits now, ``peak`` the most that ever did. Received = handled + failed + dropped +
    conflated + depth, but for the message in the handler's hands.
    """

    name: str
    depth: int
    peak: int
    received: int
    handled: int
    failed: int
    dropped: int
    conflated: int
    parse_seconds: float
    handling_seconds: float


@define(eq=False, repr=False)
class Route:
    """What handles messages of some keys in order, and counts."""

    name: str
    causes: LogOnce = field(kw_only=True)
    received: int = field(init=False, default=0)
    handled: int = field(init=False, default=0)
    failed: int = field(init=False, default=0)
    dropped: int = field(init=False, default=0)
    conflated: int = field(init=False, default=0)
    peak: int = field(init=False, default=0)
    parse_seconds: float = field(init=False, default=0.0)
    handling_seconds: float = field(init=False, default=0.0)

    def accept(self, message: Any, now: float) -> Awaitable[None] | None:
        """Take a message; return what must be awaited before the next is read, if anything must."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        """Messages that wait."""
        return 0

    def statistics(self) -> RouteStatistics:
        """What it did so far."""
        return RouteStatistics(
            name=self.name,
            depth=self.depth,
            peak=self.peak,
            received=self.received,
            handled=self.handled,
            failed=self.failed,
            dropped=self.dropped,
            conflated=self.conflated,
            parse_seconds=self.parse_seconds,
            handling_seconds=self.handling_seconds,
        )

    def fail(self, error: Exception) -> None:
        """Count a message whose handler raised."""
        self.failed += 1
        self.causes.warning(
            "a handler failed and lost its message",
            (self.name, cause_of(error)),
            route=self.name,
            exc_info=error,
        )


@define(eq=False, repr=False)
class DirectRoute(Route):
    """A route whose handler is an ordinary function, called where the message was read."""

    handler: Callable[[Any], object]

    def accept(self, message: Any, now: float) -> None:
        """Handle a message."""
        self.received += 1
        try:
            result = self.handler(message)
            if result is not None and inspect.iscoroutine(result):
                result.close()
                raise TypeError(
                    f"the handler of route {self.name!r} is an ordinary function that returned a coroutine: "
                    "declare it async def, so that it gets a task"
                )
        except Exception as error:
            self.fail(error)
        else:
            self.handled += 1
        self.handling_seconds += perf_counter() - now


@define(eq=False, repr=False)
class QueuedRoute(Route):
    """A route with a task: `run` must be running for its messages to be handled."""

    handler: Callable[[Any], Coroutine[Any, Any, object]]
    policy: Policy = Policy.BLOCK
    max_queue: int = 1000
    conflate_key: Callable[[Any], Hashable] | None = None
    _queue: deque[Any] = field(init=False, factory=deque)
    _newest: dict[Hashable, Any] = field(init=False, factory=dict)
    _filled: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)
    _freed: trio.lowlevel.ParkingLot = field(init=False, factory=trio.lowlevel.ParkingLot)
    _is_finishing: bool = field(init=False, default=False)
    _is_in_hand: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        if self.max_queue < 1:
            raise ConfigurationError(f"route {self.name!r}: max_queue is {self.max_queue}, not 1 or more")
        if (self.policy is Policy.CONFLATE) != (self.conflate_key is not None):
            raise ConfigurationError(
                f"route {self.name!r}: the policy CONFLATE and a conflate_key go together; there is "
                f"{'no key' if self.conflate_key is None else f'a key with {self.policy.name}'}"
            )

    @property
    def depth(self) -> int:
        """Messages that wait."""
        return len(self._queue) + len(self._newest)

    def accept(self, message: Any, now: float) -> Awaitable[None] | None:  # noqa: ARG002 - as in Route
        """Queue a message under the route's policy."""
        self.received += 1
        if self.conflate_key is not None:
            try:
                self._conflate(self.conflate_key(message), message)
            except Exception as error:
                self.fail(error)
            return None
        if len(self._queue) >= self.max_queue:
            if self.policy is Policy.BLOCK:
                return self._wait_for_room(message)
            self.dropped += 1
            if self.policy is Policy.DROP_NEWEST:
                return None
            self._queue.popleft()
        self._put(message)
        return None

    def finish(self) -> None:
        """Let `run` return once everything that waits is handled."""
        self._is_finishing = True
        self._filled.unpark()

    def abandon(self) -> int:
        """Drop what waits and what a cancelled handler had in hand; return how many messages that were."""
        lost = self.depth + self._is_in_hand
        self._is_in_hand = False
        self.dropped += lost
        self._queue.clear()
        self._newest.clear()
        return lost

    async def run(self) -> None:
        """Handle messages in order, until `finish`."""
        while True:
            while self._queue or self._newest:
                await self._handle(self._take())
            if self._is_finishing:
                self._is_finishing = False  # the router may serve another connection later
                return
            await self._filled.park()

    async def _handle(self, message: Any) -> None:
        began = perf_counter()
        self._is_in_hand = True  # and stays so if this is cancelled, until `abandon`
        try:
            await self.handler(message)
        except Exception as error:
            self.fail(error)
        else:
            self.handled += 1
        self._is_in_hand = False
        self.handling_seconds += perf_counter() - began

    def _take(self) -> Any:
        if self._newest:
            return self._newest.pop(next(iter(self._newest)))
        message = self._queue.popleft()
        self._freed.unpark()
        return message

    def _put(self, message: Any) -> None:
        self._queue.append(message)
        self.peak = max(self.peak, len(self._queue))
        self._filled.unpark()

    def _conflate(self, key: Hashable, message: Any) -> None:
        if key in self._newest:
            self.conflated += 1
        elif len(self._newest) >= self.max_queue:
            self.dropped += 1
            del self._newest[next(iter(self._newest))]
        self._newest[key] = message
        self.peak = max(self.peak, len(self._newest))
        self._filled.unpark()

    async def _wait_for_room(self, message: Any) -> None:
        try:
            while len(self._queue) >= self.max_queue:
                await self._freed.park()
        except trio.Cancelled:
            self.dropped += 1
            raise
        self._put(message)
