"""Many connections under one roof: started, stopped, halted and resumed by name.

    async with ConnectionManager() as manager:
        manager.add(config, router, protocol)
        connection = await manager.start("bybit-linear")

Leaving the block closes all of them at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import trio
from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.sockets.config import SocketConfig
from hyperstream.sockets.connecting import OpenStream, open_stream
from hyperstream.sockets.connection import Connection
from hyperstream.sockets.events import State
from hyperstream.sockets.protocol import Protocol, Subscription
from hyperstream.sockets.router import Router
from hyperstream.sockets.statistics import ConnectionStatistics


@frozen
class Totals:
    """Sums over all connections that are running now."""

    connections: int
    connected: int
    desired: int
    active: int
    received_messages: int
    received_bytes: int
    sent_messages: int
    losses: int
    connect_failures: int
    gaps: int


@define(eq=False, repr=False)
class _Member:
    config: SocketConfig
    router: Router
    protocol: Protocol
    opener: OpenStream
    connection: Connection | None = None
    desired: tuple[Subscription, ...] = ()
    is_starting: bool = False
    release: trio.Event = field(factory=trio.Event)
    done: trio.Event = field(factory=trio.Event)

    async def run(self, *, task_status: trio.TaskStatus[Connection]) -> None:
        """Keep a connection until it is released."""
        self.release, self.done = trio.Event(), trio.Event()
        connection = Connection(self.config, self.router, self.protocol, self.opener)
        try:
            async with connection:
                connection.subscribe_nowait(*self.desired)
                self.connection = connection
                task_status.started(connection)
                await self.release.wait()
                self.desired = connection.desired
        finally:
            self.connection = None
            self.done.set()


@define(eq=False, repr=False)
class ConnectionManager:
    """Connections by name. An async context manager."""

    _members: dict[str, _Member] = field(init=False, factory=dict)
    _opened: AbstractAsyncContextManager[trio.Nursery] = field(init=False, factory=trio.open_nursery)
    _nursery: trio.Nursery | None = field(init=False, default=None)

    def add(
        self,
        config: SocketConfig,
        router: Router,
        protocol: Protocol | None = None,
        *,
        opener: OpenStream = open_stream,
    ) -> None:
        """Know a connection under its config's name, without starting it."""
        if config.name in self._members:
            raise ConfigurationError(f"there is a connection {config.name!r} already; stop it first")
        self._members[config.name] = _Member(config, router, protocol or Protocol(), opener)

    async def start(self, name: str) -> Connection:
        """Start a connection, with what it desired when it was halted; return it. It connects by itself.

        Raises `ConfigurationError` if there is none of that name, or it is running.
        """
        member = self._member(name)
        if self._nursery is None:
            raise ConfigurationError("the manager is not entered: use it in an async with block")
        if member.connection is not None or member.is_starting:
            raise ConfigurationError(f"connection {name!r} is running already")
        member.is_starting = True
        try:
            connection: Connection = await self._nursery.start(member.run, name=f"connection {name}")
        finally:
            member.is_starting = False
        return connection

    async def halt(self, name: str) -> None:
        """Close a connection and wait until it is closed; its config and what it desires are kept."""
        member = self._member(name)
        if member.connection is None:
            raise ConfigurationError(f"connection {name!r} is not running")
        member.release.set()
        await member.done.wait()

    async def resume(self, name: str) -> Connection:
        """Start a halted connection again: the same config, router and desired subscriptions."""
        return await self.start(name)

    async def stop(self, name: str) -> None:
        """Close a connection, if it is running, and forget it."""
        if self._member(name).connection is not None:
            await self.halt(name)
        self._members.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every connection that is known, running or not."""
        return tuple(self._members)

    def __getitem__(self, name: str) -> Connection:
        """The running connection of this name."""
        connection = self._member(name).connection
        if connection is None:
            raise ConfigurationError(f"connection {name!r} is not running; start or resume it")
        return connection

    def statistics(self) -> dict[str, ConnectionStatistics]:
        """What each running connection did so far."""
        return {
            name: member.connection.statistics()
            for name, member in self._members.items()
            if member.connection is not None
        }

    def totals(self) -> Totals:
        """Sums over the running connections."""
        each = list(self.statistics().values())
        return Totals(
            connections=len(each),
            connected=sum(one.state is State.CONNECTED for one in each),
            desired=sum(one.desired for one in each),
            active=sum(one.active for one in each),
            received_messages=sum(one.received_messages for one in each),
            received_bytes=sum(one.received_bytes for one in each),
            sent_messages=sum(one.sent_messages for one in each),
            losses=sum(one.losses for one in each),
            connect_failures=sum(one.connect_failures for one in each),
            gaps=sum(one.gaps for one in each),
        )

    async def __aenter__(self) -> Self:
        self._nursery = await self._opened.__aenter__()
        return self

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Awaitable[bool | None]:
        for member in self._members.values():
            member.release.set()  # each has its own deadline to close
        return self._close(kind, error, traceback)

    async def _close(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._nursery is not None
        has_crashed = self._nursery.cancel_scope.cancel_called  # nobody but a crash cancels it
        self._nursery = None
        if has_crashed:
            return await self._opened.__aexit__(kind, error, traceback)
        await self._opened.__aexit__(None, None, None)  # or else it would wrap the body's error in a group
        return None

    def _member(self, name: str) -> _Member:
        if name not in self._members:
            known = ", ".join(self._members) or "none"
            raise ConfigurationError(f"there is no connection {name!r}; known: {known}")
        return self._members[name]
