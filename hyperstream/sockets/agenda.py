"""The agenda: which subscriptions are to be asked for or ended, and with which command next.

Commands are built when one can be sent, not before: what is wanted and unwanted meanwhile costs nothing, and
what was wanted one by one goes out in batches.

**Guilt by bisection.** Some venues answer a wrong subscription by hanging up, which takes all others with
it, again and again. So subscriptions that were never accepted or heard and were sent within
``blame_seconds`` of a loss are suspects. They are asked for last and in groups of half the size, each only
when the one before is beyond suspicion: after a few losses the guilty one is alone, and when it was alone
twice it is refused.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from itertools import islice

from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.sockets.protocol import SUBSCRIBE, UNSUBSCRIBE, Command, Kind, Protocol
from hyperstream.sockets.record import Record, Status


@frozen
class Item:
    """A command and the records it covers."""

    kind: Kind
    command: Command
    records: tuple[Record, ...]


@define(eq=False, repr=False)
class Agenda:
    """What is to be sent, in the order it is to go; what is to be ended goes first."""

    protocol: Protocol
    new_id: Callable[[], int]
    batch: int
    blame_seconds: float
    _to_ask: dict[Record, None] = field(init=False, factory=dict)
    _to_leave: dict[Record, None] = field(init=False, factory=dict)
    _items: deque[Item] = field(init=False, factory=deque)
    _on_trial: list[Record] = field(init=False, factory=list)

    def ask(self, record: Record) -> None:
        """Have a subscription asked for."""
        record.status, record.pending = Status.WANTED, None
        self._to_ask[record] = None

    def leave(self, record: Record) -> None:
        """Have a subscription ended."""
        record.status = Status.UNWANTED
        self._to_leave[record] = None

    def drop(self, record: Record) -> None:
        """Have nothing sent about a subscription, unless its command is built already."""
        self._to_ask.pop(record, None)
        self._to_leave.pop(record, None)

    def clear(self) -> None:
        """Have nothing sent at all."""
        self._to_ask.clear()
        self._to_leave.clear()
        self._items.clear()
        self._on_trial.clear()

    def has_command(self, now: float) -> bool:
        """Whether `next` returns something."""
        return bool(self._items or self._to_leave or self._askable(now))

    def wakes_at(self, now: float) -> float:
        """Return when there may be a command that is not there now; infinity if none is expected."""
        if not self._to_ask:
            return math.inf
        times = [record.not_before for record in self._to_ask]
        times += [record.asked_at + self.blame_seconds for record in self._on_trial]
        return min((time for time in times if time > now), default=math.inf)

    def next(self, now: float) -> Item | None:
        """Take the next command off the agenda."""
        if not self._items:
            self._build(now)
        return self._items.popleft() if self._items else None

    def _build(self, now: float) -> None:
        if self._to_leave:
            kind: Kind = UNSUBSCRIBE
            records = list(self._to_leave)[: self.batch]
            if records[0].group_size is not None:
                records = records[:1]
            build, queue, status = self.protocol.unsubscribe, self._to_leave, Status.LEAVING
        else:
            kind, records = SUBSCRIBE, self._askable(now)
            if not records:
                return
            if records[0].group_size is not None:
                self._on_trial = records
            build, queue, status = self.protocol.subscribe, self._to_ask, Status.QUEUED
        by_key = {record.subscription.key: record for record in records}
        commands = build([record.subscription for record in records], self.new_id)
        covered = [subscription.key for command in commands for subscription in command.subscriptions]
        if sorted(map(repr, covered)) != sorted(map(repr, by_key)):
            raise ConfigurationError(
                f"{type(self.protocol).__name__}.{kind} was asked for {sorted(map(repr, by_key))} and made "
                f"commands for {sorted(map(repr, covered))}: each must be in exactly one command"
            )
        for record in records:
            del queue[record]
            record.status = status
        for command in commands:
            covers = tuple(by_key[subscription.key] for subscription in command.subscriptions)
            self._items.append(Item(kind, command, covers))

    def _askable(self, now: float) -> list[Record]:
        """The next batch: those without suspicion, then one group of suspects at a time."""
        if not self._to_ask:
            return []
        ready = (record for record in self._to_ask if record.not_before <= now)
        trusted = list(islice((record for record in ready if record.group_size is None), self.batch))
        if trusted:
            return trusted
        self._on_trial = [record for record in self._on_trial if self._is_on_trial(record, now)]
        suspects = [record for record in self._to_ask if record.not_before <= now]
        if self._on_trial or not suspects:
            return []
        size = min(record.group_size or 1 for record in suspects)
        return suspects[: min(size, self.batch)]

    def _is_on_trial(self, record: Record, now: float) -> bool:
        if record.status is Status.QUEUED:
            return True
        if not record.has_stream or record.is_proven or record.is_heard:
            return False
        return now < record.asked_at + self.blame_seconds
