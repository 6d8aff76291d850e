"""Commands that were sent and are not answered yet."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

from attrs import define, field

from hyperstream.sockets.agenda import Item
from hyperstream.sockets.protocol import SUBSCRIBE, Accepted, Rejected
from hyperstream.sockets.record import Pending, Record, Status


@define(eq=False, repr=False)
class Underway:
    """Finds the command that a reply answers, by its id or by the subscriptions it names."""

    acknowledge_seconds: float
    _pending: dict[Pending, None] = field(init=False, factory=dict)
    _by_id: dict[Hashable, Pending] = field(init=False, factory=dict)

    def add(self, item: Item, now: float) -> Pending:
        """Expect an answer to a command that is sent now."""
        pending = Pending(item.kind, item.command, list(item.records), now)
        for record in item.records:
            record.pending = pending
            if item.kind == SUBSCRIBE:
                record.status, record.asked_at = Status.ASKED, now
        self._pending[pending] = None
        if item.command.id is not None:
            self._by_id[item.command.id] = pending
        return pending

    def answered_by(
        self, reply: Accepted | Rejected, records: Mapping[Hashable, Record]
    ) -> list[tuple[Pending, list[Record]]]:
        """The commands a reply answers, each with the records it names (all, if it names none)."""
        if reply.command is not None:
            pending = self._by_id.get(reply.command)
            if pending is None:
                return []
            named = [record for record in pending.records if record.subscription.key in reply.keys]
            return [(pending, named or list(pending.records))]
        found: dict[Pending, list[Record]] = {}
        for key in reply.keys:
            record = records.get(key)
            if record is not None and record.pending is not None and record.pending.kind == reply.kind:
                found.setdefault(record.pending, []).append(record)
        return list(found.items())

    def close(self, pending: Pending, answered: list[Record]) -> None:
        """Note that these of a command's records are answered; when all are, it is done."""
        for record in answered:
            record.pending = None
        gone = set(answered)
        pending.records = [record for record in pending.records if record not in gone]
        if not pending.records:
            self._pending.pop(pending, None)
            self._by_id.pop(pending.command.id, None)

    def clear(self) -> None:
        """Expect no answer any more."""
        self._pending.clear()
        self._by_id.clear()

    def overdue(self, now: float, floor: float) -> list[Pending]:
        """The commands that should have been answered; nothing is overdue for what we did not read."""
        return [pending for pending in self._pending if now >= self._due_at(pending, floor)]

    def due_at(self, floor: float) -> float:
        """Return when the first will be overdue; infinity if none is expected."""
        return min((self._due_at(pending, floor) for pending in self._pending), default=math.inf)

    def _due_at(self, pending: Pending, floor: float) -> float:
        return max(pending.sent_at, floor) + self.acknowledge_seconds
