"""The router: bytes → message, decoded once → route.

    router = Router(decode=orjson.loads, key=lambda message: message.get("channel"))
    router.add("trades", handler=on_trades)    # an ordinary function: called at once
    router.add("l2Book", handler=store_book)   # async def: a task and a bounded queue of its own

Whatever ``decode``, ``key`` or a handler raises costs one message, which is counted and logged once
per cause.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from time import monotonic, perf_counter
from typing import Any, Final, cast

import trio
from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.log_once import LogOnce
from hyperstream.sockets.causes import cause_of, logger
from hyperstream.sockets.route import DirectRoute, Policy, QueuedRoute, Route, RouteStatistics

Handler = Callable[[Any], object]
DEFAULT_MAX_QUEUE: Final = 1000


@frozen
class RouterStatistics:
    """Messages that reached no route, and what each route did.

    ``undecodable``: ``decode`` or ``key`` raised. ``unrouted``: no route has its key. ``control``: replies
    of the peer that the connection used itself.
    """

    undecodable: int
    unrouted: int
    control: int
    failed_batch_ends: int
    routes: dict[str, RouteStatistics]


@define(eq=False, repr=False)
class Router:
    """Decodes each message once and hands it to the route of its key.

    ``key`` must return something hashable. ``on_batch_end`` is called, synchronously, after the last
    message of each read that brought any: the moment to publish what several messages changed. If it
    returns an awaitable, that is awaited before anything more is read: TCP then pushes back on the peer.
    A router serves one connection at a time.
    """

    decode: Callable[[bytes], Any]
    key: Callable[[Any], Hashable]
    on_batch_end: Callable[[], object] | None = None
    undecodable: int = field(init=False, default=0)
    unrouted: int = field(init=False, default=0)
    control_count: int = field(init=False, default=0)
    failed_batch_ends: int = field(init=False, default=0)
    _routes: dict[Hashable, Route] = field(init=False, factory=dict)
    _others: Route | None = field(init=False, default=None)
    _named: dict[str, Route] = field(init=False, factory=dict)
    _control: Callable[[Any], bool] | None = field(init=False, default=None)
    _control_keys: frozenset[Hashable] | None = field(init=False, default=frozenset())
    _heard: Callable[[Any], None] | None = field(init=False, default=None)
    _causes: LogOnce = field(init=False)
    _nursery: trio.Nursery | None = field(init=False, default=None)
    _finishing: trio.Event = field(init=False, factory=trio.Event)
    _is_bound: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._causes = LogOnce(logger("unbound"), monotonic)

    def add(
        self,
        *keys: Hashable,
        handler: Handler,
        name: str | None = None,
        policy: Policy | None = None,
        max_queue: int | None = None,
        conflate_key: Callable[[Any], Hashable] | None = None,
    ) -> Route:
        """Add a route for messages of these keys; without keys, for all that have no route.

        An ``async def`` handler gets a task and a queue (BLOCK, 1000); any other is called at once and takes
        no policy. Raises `ConfigurationError` for a key that has a route, or settings that mean nothing.
        """
        name = name if name is not None else (str(keys[0]) if keys else "others")
        if name in self._named:
            raise ConfigurationError(f"there is a route {name!r} already; give this one another name")
        taken = [key for key in keys if key in self._routes]
        if taken or (not keys and self._others is not None):
            what = f"the key {taken[0]!r} has" if taken else "messages without a route have"
            raise ConfigurationError(f"route {name!r}: {what} a route already")
        route = self._make(name, handler, policy, max_queue, conflate_key)
        if keys:
            self._routes |= dict.fromkeys(keys, route)
        else:
            self._others = route
        self._named[name] = route
        if self._nursery is not None and isinstance(route, QueuedRoute):
            self._nursery.start_soon(route.run, name=f"route {name}")
        return route

    def remove(self, *keys: Hashable) -> None:
        """Take keys away from their routes; a route without keys handles what it has and ends."""
        for key in keys:
            route = self._routes.pop(key, None)
            if route is None:
                raise ConfigurationError(f"no route has the key {key!r}")
            if route not in self._routes.values():
                del self._named[route.name]
                if isinstance(route, QueuedRoute):
                    route.finish()

    def receive(self, data: bytes) -> Awaitable[None] | None:
        """Decode and route one message; return what must be awaited before the next is read."""
        began = perf_counter()
        try:
            message = self.decode(data)
            key = self.key(message)
            route = self._routes.get(key, self._others)
            is_control = self._control_keys is None or key in self._control_keys
        except Exception as error:
            self.undecodable += 1
            self._causes.warning(
                "a message cannot be decoded and is lost",
                type(error).__name__,
                detail=str(error)[:200],
                begins_with=repr(data[:80]),
            )
            return None
        if is_control and self._control is not None and self._control(message):
            self.control_count += 1
            return None
        if self._heard is not None:
            self._heard(message)
        now = perf_counter()
        if route is None:
            self.unrouted += 1
            self._causes.warning("a message has no route and is lost", key, key=repr(key)[:200])
            return None
        route.parse_seconds += now - began
        return route.accept(message, now)

    def end_batch(self) -> Awaitable[object] | None:
        """Tell ``on_batch_end`` that the messages of one read were handed over.

        Returns what must be awaited before more is read.
        """
        if self.on_batch_end is not None:
            try:
                waiting = self.on_batch_end()
                if waiting is not None and inspect.isawaitable(waiting):
                    return waiting
            except Exception as error:
                self.failed_batch_ends += 1
                self._causes.warning("on_batch_end failed", cause_of(error), exc_info=error)
        return None

    def bind(
        self, name: str, control: Callable[[Any], bool], control_keys: frozenset[Hashable] | None
    ) -> None:
        """Serve a connection: messages with these keys are offered to ``control`` first."""
        if self._is_bound:
            raise ConfigurationError(f"the router of {name!r} serves another connection; give each its own")
        self._is_bound = True
        self._finishing = trio.Event()
        self._control, self._control_keys = control, control_keys
        self._causes.log = logger(name)

    def listen(self, heard: Callable[[Any], None] | None) -> None:
        """Have every message that is no reply shown to ``heard`` before it is routed."""
        self._heard = heard

    def release(self) -> int:
        """Serve no connection any more; return how many messages still waited and are dropped."""
        self._is_bound = False
        self._control, self._control_keys, self._heard = None, frozenset(), None
        return sum(route.abandon() for route in self._queued())

    async def run(self) -> None:
        """Handle the messages of all routes, until `finish` and everything that waits is handled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for route in self._queued():
                    nursery.start_soon(route.run, name=f"route {route.name}")
                await self._finishing.wait()
                for route in self._queued():
                    route.finish()
        finally:
            self._nursery = None

    def finish(self) -> None:
        """Let `run` return once everything that waits is handled."""
        self._finishing.set()

    def _queued(self) -> list[QueuedRoute]:
        return [route for route in self._named.values() if isinstance(route, QueuedRoute)]

    def _make(
        self,
        name: str,
        handler: Handler,
        policy: Policy | None,
        max_queue: int | None,
        conflate_key: Callable[[Any], Hashable] | None,
    ) -> Route:
        call = getattr(handler, "__call__", None)  # noqa: B004 - an object may have an async __call__
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call):
            return QueuedRoute(
                name,
                cast(Callable[[Any], Coroutine[Any, Any, object]], handler),
                policy if policy is not None else Policy.BLOCK,
                max_queue if max_queue is not None else DEFAULT_MAX_QUEUE,
                conflate_key,
                causes=self._causes,
            )
        if policy is not None or max_queue is not None or conflate_key is not None:
            raise ConfigurationError(
                f"route {name!r}: an ordinary function is called at once and has no queue, so a policy, a "
                "max_queue or a conflate_key means nothing; declare the handler async def, or leave them out"
            )
        return DirectRoute(name, handler, causes=self._causes)

    def statistics(self) -> RouterStatistics:
        """What was routed so far."""
        return RouterStatistics(
            undecodable=self.undecodable,
            unrouted=self.unrouted,
            control=self.control_count,
            failed_batch_ends=self.failed_batch_ends,
            routes={name: route.statistics() for name, route in self._named.items()},
        )
