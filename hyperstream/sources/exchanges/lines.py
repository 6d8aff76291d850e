"""The connections of a venue: as few as its limits allow, opened when needed, replaced before a cut."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
import trio
from attrs import define, field

from hyperstream.sockets import Gap, Refusal, State, StateChange
from hyperstream.sources.exchanges.line import Line
from hyperstream.sources.exchanges.outbox import Outbox
from hyperstream.sources.exchanges.streams import Stream
from hyperstream.sources.exchanges.venue import Venue

if TYPE_CHECKING:
    from hyperstream.sockets.connecting import OpenStream

log = structlog.get_logger("hyperstream.sources.exchanges")


@define(eq=False)
class Lines:
    """All lines of one feed. What happens to them is told by plain calls.

    ``on_gap`` gets the line and the gap, ``on_refusal`` a stream and the venue's sentence, ``on_connected``
    a line that was connected (again); ``on_change`` says that some line's state may have changed.

    **Replacing a line without a hole.** A venue that cuts old connections, or says that its server goes
    away, gets a second one that carries the same streams. It only gathers what it hears; when the venue has
    accepted everything and both have been heard side by side for a while, the old one is closed and the new
    one hands on what it gathered, except for what the old one had handed on already: trades by their id,
    quotes and books by their update id. New streams meanwhile go to a line of their own.
    """

    venue: Venue
    outbox: Outbox
    now_ns: Callable[[], int]
    on_gap: Callable[[Line, Gap], None]
    on_refusal: Callable[[Stream, str], None]
    on_connected: Callable[[Line], None]
    on_change: Callable[[], None]
    opener: OpenStream | None = None
    replaced: int = field(default=0, init=False)
    strays: int = field(default=0, init=False)
    all: list[Line] = field(factory=list, init=False)
    _opened: int = field(default=0, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)
    _running: trio.Event = field(factory=trio.Event, init=False)

    async def wait_running(self) -> None:
        """Wait until streams may be carried."""
        await self._running.wait()

    async def run(self) -> None:
        """Keep lines up until cancelled; they close politely then."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._running.set()
            try:
                await self._keep_house()
            finally:
                self._nursery = None

    @property
    def in_use(self) -> list[Line]:
        """Those that hand on what they hear."""
        return [line for line in self.all if not line.is_retired and line.standby is None]

    def carriers(self, stream: Stream) -> list[Line]:
        """The lines that carry a stream: one, or two while one replaces the other."""
        return [line for line in self.all if line.streams.get(stream.key) is stream]

    def is_live(self, stream: Stream) -> bool:
        """Whether the venue has accepted a stream on a line in use."""
        return any(line.is_live(stream) for line in self.in_use)

    def carry(self, stream: Stream) -> None:
        """Put a stream on the first line that has room, or on a new one."""
        group = self.venue.group_of(stream.key)
        for line in self.in_use:
            if line.group == group and not line.is_leaving and self.venue.has_room(line.streams, stream.key):
                line.add(stream)
                return
        self._open(group).add(stream)

    def drop(self, stream: Stream) -> None:
        """Carry a stream no more."""
        for line in self.carriers(stream):
            line.remove(stream)
            if not line.streams:
                line.empty_since = trio.current_time()

    def _open(self, group: str, *, is_standby: bool = False) -> Line:
        assert self._nursery is not None, "streams are carried while the feed runs only"
        self._opened += 1
        name = " ".join(part for part in (self.venue.name, group, str(self._opened)) if part)
        line = Line(
            self.venue,
            group,
            name,
            self.now_ns,
            self.on_gap,
            self._on_shutdown,
            self.outbox.flush,
            self.opener,
            is_standby=is_standby,
        )
        self.all.append(line)
        self._nursery.start_soon(self._run_line, line, name=name)
        return line

    async def _run_line(self, line: Line) -> None:
        try:
            with line.connection.events() as events:
                async with line.connection:
                    if line.is_retired:
                        line.connection.stop()
                    async for event in events:
                        if isinstance(event, StateChange):
                            self._changed(line, event)
                        elif isinstance(event, Refusal) and str(event.key) in line.streams:
                            self.on_refusal(line.streams[str(event.key)], event.reason)
        finally:
            self.strays += line.strays
            self.all.remove(line)
            self.on_change()

    def _changed(self, line: Line, change: StateChange) -> None:
        line.state, line.reason = change.new, change.reason
        timing = self.venue.timing
        if change.suspects:
            log.warning(
                "a connection was lost just after these were asked for",
                venue=self.venue.name,
                suspects=[str(key) for key in change.suspects[:20]],
            )
        if change.new is State.CONNECTED:
            if self.venue.is_cut_by_age:
                jitter = random.uniform(0, timing.lifetime_jitter)
                line.replace_at = trio.current_time() + timing.lifetime - jitter
            self.on_connected(line)
        self.on_change()

    def _retire(self, line: Line, goodbye: str) -> None:
        line.is_retired = True
        line.connection.stop(goodbye=goodbye)
        self.on_change()

    async def _keep_house(self) -> None:
        """Close lines that carry nothing, replace those that grow old, renew those that went mute."""
        timing = self.venue.timing
        while True:
            await trio.sleep(timing.housekeeping)
            now = trio.current_time()
            for line in self.in_use:
                if line.is_leaving:
                    continue
                if line.empty_since is not None and now >= line.empty_since + timing.idle:
                    self._retire(line, "nothing is wanted any more")
                elif now >= line.replace_at and line.is_connected:
                    self._replace(line, "it is old")
                elif line.is_mute(now):
                    line.connection.reconnect("no stream of it has spoken for long")

    def _on_shutdown(self, line: Line) -> None:
        if not line.is_leaving and not line.is_retired and line.standby is None:
            self._replace(line, "its server goes away")

    def _replace(self, line: Line, reason: str) -> None:
        """Open another line that carries the same, and let it take over."""
        if self._nursery is None:
            return
        log.info("a connection is replaced", venue=self.venue.name, connection=line.name, reason=reason)
        line.is_leaving = True
        successor = self._open(line.group, is_standby=True)
        for stream in line.streams.values():
            successor.add(stream)
        self._nursery.start_soon(self._hand_over, line, successor, name=f"{successor.name}: take over")

    async def _hand_over(self, line: Line, successor: Line) -> None:
        timing = self.venue.timing
        with trio.move_on_after(timing.replacement):
            while not successor.is_complete:  # noqa: ASYNC110 - it changes with each acknowledgement
                await trio.sleep(timing.overlap / 10)
        if not successor.is_complete:
            log.warning("no other connection is to be had, keeping the old one", venue=self.venue.name)
            line.is_leaving, line.replace_at = False, trio.current_time() + timing.replacement * 10
            self._retire(successor, "not needed")
            return
        await trio.sleep(timing.overlap)
        self.replaced += 1
        self._retire(line, "another connection has taken over")
        successor.take_over()
        self.outbox.wake()
        self.on_change()
