"""The ledger: which subscriptions are desired, and what the peer knows of them.

Pure: time is handed in, nothing waits. The session asks it for the next command to send, gives it every
reply, and asks it what is overdue; `Connection` changes what is desired. A subscription goes

    WANTED → QUEUED → ASKED → ACTIVE → UNWANTED → LEAVING → gone, or WANTED again if it is still desired

(as when it is renewed) and back to WANTED whenever the connection is lost: what is desired survives
everything but `unwant` and a refusal that somebody waited for.

Who is to blame for a lost connection is found by bisection; see `agenda`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

from attrs import define, field

from hyperstream.errors import CommandTimedOut, SubscriptionRefused
from hyperstream.sockets.agenda import Agenda
from hyperstream.sockets.events import Event, Gap, Refusal, Restored
from hyperstream.sockets.protocol import (
    UNSUBSCRIBE,
    Accepted,
    Command,
    Protocol,
    Rejected,
    Subscription,
)
from hyperstream.sockets.record import Pending, Record, Status, answer
from hyperstream.sockets.underway import Underway


@define(eq=False, repr=False)
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
    min_silence_seconds: float = math.inf  # of any subscription that was ever wanted
    _agenda: Agenda = field(init=False)
    _underway: Underway = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._agenda = Agenda(self.protocol, self.new_id, self.batch, self.blame_seconds)
        self._underway = Underway(self.acknowledge_seconds)

    # -- what is desired

    def want(self, subscription: Subscription, *, is_tentative: bool = False) -> Record:
        """Desire a subscription until `unwant`; return its record."""
        record = self.records.get(subscription.key)
        if record is None:
            record = self.records[subscription.key] = Record(subscription, is_tentative)
            self._note_silence(subscription)
            self._agenda.ask(record)
            return record
        is_renewed, record.is_wanted = record.is_wanted, True
        record.is_tentative = record.is_tentative and is_tentative
        record.subscription = subscription
        self._note_silence(subscription)
        if record.status is Status.UNWANTED and not is_renewed:
            self._agenda.drop(record)
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
            self._agenda.leave(record)
        return record

    def renew(self, key: Hashable, reason: str, now: float) -> bool:
        """End a subscription and ask for it again, telling the gap; return whether it was active."""
        record = self.records.get(key)
        if record is None or record.status is not Status.ACTIVE or not record.is_wanted:
            return False
        self.renewals += 1
        self._tell_gap([record], max(record.heard_at, record.asked_at), reason, now)
        self._agenda.leave(record)
        return True

    def heard(self, key: Hashable, at: float) -> None:
        """Note that something of a subscription came. Called once a message."""
        record = self.records.get(key)
        if record is not None:
            record.heard_at = at

    # -- what is to be sent

    def has_command(self, now: float) -> bool:
        """Whether `next_command` may return one."""
        return self._agenda.has_command(now)

    def wakes_at(self, now: float) -> float:
        """Return when there may be a command that is not there now; infinity if none is expected."""
        return self._agenda.wakes_at(now)

    def next_command(self, now: float) -> Command | None:
        """Return the next command. It is to be sent at once: its answer is expected from now on."""
        while (item := self._agenda.next(now)) is not None:
            if item.kind == UNSUBSCRIBE or any(record.is_wanted for record in item.records):
                pending = self._underway.add(item, now)
                if not self.protocol.acknowledges:
                    self._settle(pending, pending.records, now)
                return item.command
            for record in item.records:  # the peer knows nothing of them, and nobody wants them any more
                self._forget(record)
        return None

    # -- what the peer answers

    def take(self, reply: Accepted | Rejected, now: float) -> bool:
        """Note a reply; return whether it answers anything."""
        answered = self._underway.answered_by(reply, self.records)
        for pending, records in answered:
            if isinstance(reply, Accepted):
                self._settle(pending, records, now)
            elif pending.kind == UNSUBSCRIBE:
                self._keep_leaving(pending, records, reply, now)
            else:
                self._refuse_some(pending, records, reply, now)
        return bool(answered)

    def _settle(self, pending: Pending, records: list[Record], now: float) -> None:
        """The peer agreed."""
        self._underway.close(pending, records)
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
            self._agenda.leave(record)

    def _left(self, record: Record) -> None:
        record.group_size = None
        if record.is_wanted:
            answer(record.leaving, None)
            self._agenda.ask(record)
        else:
            self._forget(record)

    def _refuse_some(self, pending: Pending, records: list[Record], reply: Rejected, now: float) -> None:
        others = [record for record in pending.records if record not in records]
        self._underway.close(pending, records)
        if not reply.keys and len(records) > 1:
            for record in records:  # one of them is wrong: it will be named when it is asked for alone
                record.group_size = 1
                self._agenda.ask(record)
            return
        for record in records:
            self._refuse(record, reply.reason, now)
        if reply.is_rest_accepted:
            self._settle(pending, others, now)
        elif reply.command is not None:  # the command was refused as a whole
            self._underway.close(pending, others)
            for record in others:
                self._agenda.ask(record)

    def _keep_leaving(self, pending: Pending, records: list[Record], reply: Rejected, now: float) -> None:
        """An unsubscription was refused: what the peer does not have is gone; the rest is tried again."""
        others = [record for record in pending.records if record not in records]
        self._underway.close(pending, records)
        if not reply.keys and len(records) > 1:
            for record in records:
                record.group_size = 1
                self._agenda.leave(record)
            return
        for record in records:
            self._left(record)
        if reply.is_rest_accepted:
            self._settle(pending, others, now)
        elif reply.command is not None:
            self._underway.close(pending, others)
            for record in others:
                self._agenda.leave(record)

    def _refuse(self, record: Record, reason: str, now: float) -> None:
        self.refusals += 1
        answer(record.joining, SubscriptionRefused(record.subscription.key, reason))
        if record.is_tentative or not record.is_wanted:
            self._forget(record)
            return
        record.not_before = now + self.refused_seconds
        self._agenda.ask(record)
        self.tell(Refusal(record.subscription.key, reason, self.refused_seconds, now))

    # -- what is overdue

    def check(self, now: float, floor: float) -> list[Hashable]:
        """Deal with what is overdue; return the subscriptions that only a new connection may wake.

        Nothing counts as silent before ``floor``: until then we did not read ourselves.
        """
        hopeless: list[Hashable] = []
        for pending in self._underway.overdue(now, floor):
            hopeless += self._time_out(pending, now)
        for record in list(self.records.values()):
            if record.status is Status.ACTIVE and now >= self._silent_at(record, floor):
                if self._is_hopeless(record):
                    hopeless.append(record.subscription.key)
                seconds = record.subscription.max_silence_seconds
                self.renew(record.subscription.key, f"nothing was heard for {seconds} s", now)
        return hopeless

    @staticmethod
    def _is_hopeless(record: Record) -> bool:
        """Count a renewal; return whether it is the first that goes beyond what may help."""
        record.renewals = 1 if record.is_heard else record.renewals + 1
        return record.renewals == record.subscription.max_renewals + 1

    def due_at(self, floor: float) -> float:
        """Return when `check` may find something; infinity if nothing is expected."""
        active = (record for record in self.records.values() if record.status is Status.ACTIVE)
        silent_at = min((self._silent_at(record, floor) for record in active), default=math.inf)
        return min(silent_at, self._underway.due_at(floor))

    def _silent_at(self, record: Record, floor: float) -> float:
        seconds = record.subscription.max_silence_seconds
        if seconds is None or not record.is_wanted:
            return math.inf
        return max(record.heard_at, record.asked_at, floor) + seconds

    def _time_out(self, pending: Pending, now: float) -> list[Hashable]:
        records = list(pending.records)
        self.unanswered += 1
        if pending.kind == UNSUBSCRIBE:
            self._settle(pending, records, now)
            return []
        heard = [record for record in records if record.is_heard]
        if heard:
            self._settle(pending, heard, now)
        silent = [record for record in records if not record.is_heard]
        self._underway.close(pending, silent)
        for record in silent:
            key = record.subscription.key
            answer(
                record.joining,
                CommandTimedOut(f"subscription {key!r}: no answer within {self.acknowledge_seconds} s"),
            )
            if record.is_tentative:
                record.is_wanted = False
            self._agenda.leave(record)
        return [record.subscription.key for record in silent if self._is_hopeless(record)]

    # -- the connection is gone

    def lost(self, now: float, since: float, reason: str, blame_seconds: float) -> tuple[Hashable, ...]:
        """Begin anew: nothing is sent yet. Tells one gap; returns the keys that may be to blame.

        Those are what was asked for in the last ``blame_seconds``; 0 where we closed ourselves.
        """
        had_stream = [record for record in self.records.values() if record.has_stream and record.is_wanted]
        recent = [record for record in had_stream if now - record.asked_at <= blame_seconds > 0]
        unproven = [record for record in recent if not record.is_proven and not record.is_heard]
        self._tell_gap(had_stream, since, reason, now)
        self._agenda.clear()
        self._underway.clear()
        for record in list(self.records.values()):
            record.pending = None
            if record.has_stream and record not in unproven:  # heard, accepted, or outlived suspicion
                record.is_proven, record.offences, record.group_size = True, 0, None
            if record.is_wanted:
                self._agenda.ask(record)
            else:
                self._forget(record)
        for record in unproven:
            record.group_size = math.ceil(len(unproven) / 2)
            record.offences += len(unproven) == 1
            if record.offences > 1:
                self._refuse(record, f"the connection was lost {record.offences} times because of it", now)
        return tuple(record.subscription.key for record in unproven or recent)

    # -- steps

    def _note_silence(self, subscription: Subscription) -> None:
        if subscription.max_silence_seconds is not None:
            self.min_silence_seconds = min(self.min_silence_seconds, subscription.max_silence_seconds)

    def _forget(self, record: Record) -> None:
        self._agenda.drop(record)
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
