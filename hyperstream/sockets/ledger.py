"""The ledger: which subscriptions are desired, and what the peer knows of them.

Pure: time is handed in, nothing waits. The session asks it for the next command to send, gives it every
reply, and asks it what is overdue; `Connection` changes what is desired. A subscription goes

    WANTED → QUEUED → ASKED → ACTIVE → UNWANTED → LEAVING → gone, or WANTED again if it is still desired

(as when it is renewed) and back to WANTED whenever the connection is lost: what is desired survives
everything but `unwant` and a refusal that somebody waited for.

**Guilt by bisection.** Some venues answer a wrong subscription by hanging up, which takes all others with
it, again and again. So subscriptions that were never accepted or heard and were sent within
``blame_seconds`` of a loss are suspects. They are asked for last and in groups of half the size, each only
when the one before is beyond suspicion: after a few losses the guilty one is alone, and when it was alone
twice it is refused.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable

from attrs import define, field

from hyperstream.errors import CommandTimedOut, ConfigurationError, SubscriptionRefused
from hyperstream.sockets.events import Event, Gap, Refusal, Restored
from hyperstream.sockets.protocol import (
    SUBSCRIBE,
    UNSUBSCRIBE,
    Accepted,
    Command,
    Kind,
    Protocol,
    Rejected,
    Subscription,
)
from hyperstream.sockets.record import Pending, Record, Status, answer


@define(eq=False)
class Ledger:
    """Every desired subscription of one connection, and the commands on their way."""

    protocol: Protocol
    new_id: Callable[[], int]
    tell: Callable[[Event], None]
    acknowledge_seconds: float
    batch: int
    refused_seconds: float
    blame_seconds: float
    records: dict[Hashable, Record] = field(factory=dict)
    gaps: int = 0
    renewals: int = 0
    refusals: int = 0
    unanswered: int = 0
    _pending: list[Pending] = field(factory=list)
    _by_id: dict[Hashable, Pending] = field(factory=dict)
    _to_ask: dict[Record, None] = field(factory=dict)
    _to_leave: dict[Record, None] = field(factory=dict)
    _commands: deque[tuple[Kind, Command, list[Record]]] = field(factory=deque)
    _on_trial: list[Record] = field(factory=list)

    # -- what is desired

    def want(self, subscription: Subscription, *, is_tentative: bool = False) -> Record:
        """Desire a subscription until `unwant`; return its record."""
        record = self.records.get(subscription.key)
        if record is None:
            record = self.records[subscription.key] = Record(subscription, is_tentative)
            self._to_ask[record] = None
            return record
        record.is_wanted = True
        record.is_tentative = record.is_tentative and is_tentative
        record.subscription = subscription
        if record.status is Status.UNWANTED:
            del self._to_leave[record]
            record.status = Status.ACTIVE
        return record

    def unwant(self, key: Hashable) -> Record | None:
        """Desire it no more; return its record if the peer has to be told first, else None."""
        record = self.records.get(key)
        if record is None:
            return None
        record.is_wanted = False
        answer(record.joining, SubscriptionRefused(key, "it was unsubscribed meanwhile"))
        if record.status is Status.WANTED:
            self._forget(record)
            return None
        if record.status is Status.ACTIVE:
            self._leave(record)
        return record

    def renew(self, key: Hashable, reason: str, now: float) -> bool:
        """End a subscription and ask for it again, telling the gap; return whether it was active."""
        record = self.records.get(key)
        if record is None or record.status is not Status.ACTIVE or not record.is_wanted:
            return False
        self.renewals += 1
        self._tell_gap([record], max(record.heard_at, record.asked_at), reason, now)
        self._leave(record)
        return True

    def heard(self, key: Hashable, at: float) -> None:
        """Note that something of a subscription came. Called once a message."""
        record = self.records.get(key)
        if record is not None:
            record.heard_at = at

    # -- what is to be sent

    def has_command(self, now: float) -> bool:
        """Whether `next_command` may return one."""
        return bool(self._commands or self._to_leave or self._askable(now))

    def wakes_at(self, now: float) -> float:
        """Return when there may be a command that is not there now; infinity if none is expected."""
        times = [record.not_before for record in self._to_ask if record.not_before > now]
        if self._on_trial and self._to_ask:
            times.append(max(record.asked_at for record in self._on_trial) + self.blame_seconds)
        return min(times, default=math.inf)

    def next_command(self, now: float) -> Command | None:
        """Return the next command. It is to be sent at once: its answer is expected from now on."""
        while True:
            if not self._commands:
                self._build(now)
                if not self._commands:
                    return None
            kind, command, records = self._commands.popleft()
            if kind == UNSUBSCRIBE or any(record.is_wanted for record in records):
                self._sent(kind, command, records, now)
                return command
            for record in records:  # the peer knows nothing of them, and nobody wants them any more
                self._forget(record)

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
            self._commands.append((kind, command, [by_key[one.key] for one in command.subscriptions]))

    def _askable(self, now: float) -> list[Record]:
        """The next batch: those without suspicion, then one group of suspects at a time."""
        ready = [record for record in self._to_ask if record.not_before <= now]
        trusted = [record for record in ready if record.group_size is None]
        if trusted or not ready:
            return trusted[: self.batch]
        self._on_trial = [record for record in self._on_trial if self._is_on_trial(record, now)]
        if self._on_trial:
            return []
        size = min(record.group_size or 1 for record in ready)
        return ready[: min(size, self.batch)]

    def _is_on_trial(self, record: Record, now: float) -> bool:
        if record.status is Status.QUEUED:
            return True
        if not record.has_stream or record.is_proven or record.is_heard:
            return False
        return now < record.asked_at + self.blame_seconds

    def _sent(self, kind: Kind, command: Command, records: list[Record], now: float) -> None:
        pending = Pending(kind, command, list(records), now)
        for record in records:
            record.pending = pending
            if kind == SUBSCRIBE:
                record.status, record.asked_at = Status.ASKED, now
        self._pending.append(pending)
        if command.id is not None:
            self._by_id[command.id] = pending
        if not self.protocol.acknowledges:
            self._settle(pending, records, now)

    # -- what the peer answers

    def take(self, reply: Accepted | Rejected, now: float) -> bool:
        """Note a reply; return whether it answers anything."""
        answered = self._answered(reply)
        for pending, records in answered:
            if isinstance(reply, Accepted):
                self._settle(pending, records, now)
            elif pending.kind == UNSUBSCRIBE:
                self._keep_leaving(pending, records, reply, now)
            else:
                self._refuse_some(pending, records, reply, now)
        return bool(answered)

    def _answered(self, reply: Accepted | Rejected) -> list[tuple[Pending, list[Record]]]:
        """The commands a reply answers, each with the records it names (all, if it names none)."""
        if reply.command is not None:
            pending = self._by_id.get(reply.command)
            if pending is None:
                return []
            named = [record for record in pending.records if record.subscription.key in reply.keys]
            return [(pending, named or list(pending.records))]
        found: dict[Pending, list[Record]] = {}
        for key in reply.keys:
            record = self.records.get(key)
            if record is not None and record.pending is not None and record.pending.kind == reply.kind:
                found.setdefault(record.pending, []).append(record)
        return list(found.items())

    def _settle(self, pending: Pending, records: list[Record], now: float) -> None:
        """The peer agreed."""
        self._close(pending, records)
        restored = []
        for record in list(records):
            if pending.kind == UNSUBSCRIBE:
                self._left(record)
                continue
            if record.is_gap_told:
                restored.append(record.subscription.key)
            self._accepted(record)
        if restored:
            self.tell(Restored(tuple(restored), now))

    def _accepted(self, record: Record) -> None:
        record.status = Status.ACTIVE
        record.is_proven = self.protocol.acknowledges or record.is_heard
        record.is_tentative = record.is_gap_told = False
        if record.is_proven:
            record.offences, record.group_size = 0, None
        answer(record.joining, None)
        if not record.is_wanted:
            self._leave(record)

    def _left(self, record: Record) -> None:
        record.status, record.group_size = Status.WANTED, None
        if record.is_wanted:
            answer(record.leaving, None)
            self._to_ask[record] = None
        else:
            self._forget(record)

    def _refuse_some(self, pending: Pending, records: list[Record], reply: Rejected, now: float) -> None:
        others = [record for record in pending.records if record not in records]
        self._close(pending, records)
        if not reply.keys and len(records) > 1:
            for record in records:  # one of them is wrong: it will be named when it is asked for alone
                record.group_size = 1
                self._ask_again(record)
            return
        for record in records:
            self._refuse(record, reply.reason, now)
        if reply.is_rest_accepted:
            self._settle(pending, others, now)
        elif reply.command is not None:  # the command was refused as a whole
            self._close(pending, others)
            for record in others:
                self._ask_again(record)

    def _keep_leaving(self, pending: Pending, records: list[Record], reply: Rejected, now: float) -> None:
        """An unsubscription was refused: what the peer does not have is gone; the rest is tried again."""
        others = [record for record in pending.records if record not in records]
        self._close(pending, records)
        if not reply.keys and len(records) > 1:
            for record in records:
                record.status, record.group_size = Status.UNWANTED, 1
                self._to_leave[record] = None
            return
        for record in records:
            self._left(record)
        if reply.is_rest_accepted:
            self._settle(pending, others, now)
        elif reply.command is not None:
            self._close(pending, others)
            for record in others:
                record.status = Status.UNWANTED
                self._to_leave[record] = None

    def _refuse(self, record: Record, reason: str, now: float) -> None:
        self.refusals += 1
        answer(record.joining, SubscriptionRefused(record.subscription.key, reason))
        if record.is_tentative or not record.is_wanted:
            self._forget(record)
            return
        record.not_before = now + self.refused_seconds
        self._ask_again(record)
        self.tell(Refusal(record.subscription.key, reason, self.refused_seconds, now))

    # -- what is overdue

    def check(self, now: float, floor: float) -> list[Hashable]:
        """Deal with what is overdue; return the subscriptions that only a new connection may wake.

        Nothing counts as silent before ``floor``: until then we did not read ourselves.
        """
        for pending in list(self._pending):
            if now >= max(pending.sent_at, floor) + self.acknowledge_seconds:
                self._time_out(pending, now)
        hopeless = []
        for record in list(self.records.values()):
            if record.status is Status.ACTIVE and now >= self._silent_at(record, floor):
                if record.is_heard:
                    record.renewals = 0
                record.renewals += 1
                if record.renewals == record.subscription.max_renewals + 1:
                    hopeless.append(record.subscription.key)
                seconds = record.subscription.max_silence_seconds
                self.renew(record.subscription.key, f"nothing was heard for {seconds} s", now)
        return hopeless

    def due_at(self, floor: float) -> float:
        """Return when `check` may find something; infinity if nothing is expected."""
        answers = [max(pending.sent_at, floor) + self.acknowledge_seconds for pending in self._pending]
        silences = [
            self._silent_at(record, floor)
            for record in self.records.values()
            if record.status is Status.ACTIVE
        ]
        return min(answers + silences, default=math.inf)

    def _silent_at(self, record: Record, floor: float) -> float:
        seconds = record.subscription.max_silence_seconds
        if seconds is None or not record.is_wanted:
            return math.inf
        return max(record.heard_at, record.asked_at, floor) + seconds

    def _time_out(self, pending: Pending, now: float) -> None:
        records = list(pending.records)
        self.unanswered += 1
        if pending.kind == UNSUBSCRIBE:
            self._settle(pending, records, now)
            return
        heard = [record for record in records if record.is_heard]
        if heard:
            self._settle(pending, heard, now)
        silent = [record for record in records if not record.is_heard]
        self._close(pending, silent)
        for record in silent:
            key = record.subscription.key
            answer(
                record.joining,
                CommandTimedOut(f"subscription {key!r}: no answer within {self.acknowledge_seconds} s"),
            )
            if record.is_tentative:
                record.is_wanted = False
            self._leave(record)

    # -- the connection is gone

    def lost(self, now: float, since: float, reason: str) -> tuple[Hashable, ...]:
        """Begin anew: nothing is sent yet. Tells one gap; returns the keys that may be to blame."""
        recent = [
            record
            for record in self.records.values()
            if record.has_stream and record.is_wanted and now - record.asked_at <= self.blame_seconds
        ]
        unproven = [record for record in recent if not record.is_proven and not record.is_heard]
        had_stream = [record for record in self.records.values() if record.has_stream and record.is_wanted]
        self._tell_gap(had_stream, since, reason, now)
        for pile in (
            self._pending,
            self._by_id,
            self._to_ask,
            self._to_leave,
            self._commands,
            self._on_trial,
        ):
            pile.clear()
        for record in list(self.records.values()):
            record.pending = None
            if record.has_stream and record not in unproven:  # heard, accepted, or outlived suspicion
                record.is_proven, record.offences, record.group_size = True, 0, None
            if record.is_wanted:
                self._ask_again(record)
            else:
                self._forget(record)
        for record in unproven:
            record.group_size = math.ceil(len(unproven) / 2)
            record.offences += len(unproven) == 1
            if record.offences > 1:
                self._refuse(record, f"the connection was lost {record.offences} times because of it", now)
        return tuple(record.subscription.key for record in unproven or recent)

    # -- steps

    def _leave(self, record: Record) -> None:
        record.status = Status.UNWANTED
        self._to_leave[record] = None

    def _ask_again(self, record: Record) -> None:
        record.status, record.pending = Status.WANTED, None
        self._to_ask[record] = None

    def _close(self, pending: Pending, records: list[Record]) -> None:
        """These are answered; a command whose records all are is done."""
        for record in records:
            record.pending = None
        pending.records = [record for record in pending.records if record not in records]
        if not pending.records and pending in self._pending:
            self._pending.remove(pending)
            self._by_id.pop(pending.command.id, None)

    def _forget(self, record: Record) -> None:
        self._to_ask.pop(record, None)
        self._to_leave.pop(record, None)
        if self.records.get(record.subscription.key) is record:
            del self.records[record.subscription.key]
        answer(record.joining, SubscriptionRefused(record.subscription.key, "it is not wanted any more"))
        answer(record.leaving, None)

    def _tell_gap(self, records: list[Record], since: float, reason: str, now: float) -> None:
        if records:
            self.gaps += len(records)
            for record in records:
                record.is_gap_told = True
            keys = tuple(record.subscription.key for record in records)
            self.tell(Gap(keys, since, reason, now))
