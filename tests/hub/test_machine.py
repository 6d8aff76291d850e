"""The delivery contracts under anything that may happen, in any order, against a client that checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hyperstream.hub import conflated, log
from hyperstream.hub import subscription as subscriptions
from hyperstream.hub.cursor import Stage
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.market.updates import NOTICE_CUT, NOTICE_DRAINING, NoticeNote, ResumePoint

from .toys import KEYS, Client, ReadableFormat, ToyTopic, drain

SYMBOLS = ("A", "B", "C")
LIMITS = OutboxLimits(max_messages=5, max_bytes=600)
BLOCK_BYTES = 2_000  # more than any one block here can hold
SMALL = 150  # bytes of a message with pieces of snapshots: a frame or two


class Machine(RuleBasedStateMachine):
    """One subscription of a contract to some topics, published to and taken from at random."""

    contract: Contract
    styles: dict[str, str]
    snapshot_lag: int

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(subscriptions, "PIECE_BYTES", SMALL)
        self.patch.setattr(conflated, "MESSAGE_BYTES", SMALL)
        self.patch.setattr(subscriptions, "LATE_BLOCKS", 2)
        self.patch.setattr(log, "HISTORY", 6)
        self.patch.setattr(log, "SEGMENT_ENTRIES", 2)
        self.hub = Hub(start_seconds=1)
        self.wire_format = ReadableFormat()
        self.topics = {
            symbol: ToyTopic(self.hub, self.wire_format, symbol, style, snapshot_lag=self.snapshot_lag)
            for symbol, style in self.styles.items()
        }
        self.value = 0
        self.published: dict[str, dict[tuple[int, int], dict[str, int]]] = {
            symbol: {} for symbol in self.styles
        }
        self.gaps: dict[str, list[tuple[int, int, str]]] = {symbol: [] for symbol in self.styles}
        self.woken = False
        self.connect({})

    def teardown(self) -> None:
        self.patch.undo()

    client: Client
    subscription: Subscription
    told: dict[str, list[str]]

    def connect(self, resume: dict[str, ResumePoint]) -> None:
        """Open a subscription; the client goes on with what it holds where it can resume."""
        if not resume:
            self.client = Client(
                self.styles,
                may_lose=self.contract is Contract.RESYNC,
                may_merge=self.contract is Contract.CONFLATE,
            )
        for symbol, held in self.client.held.items():
            held.told.clear()
            held.has_left = held.is_renewed = held.was_sent = False
            held.is_current = held.is_current and symbol in resume
            if held.style == "plain" and symbol not in resume:
                held.position = None  # it begins anew, wherever the topic stands by then
        self.told = {symbol: [] for symbol in self.styles}
        self.subscription = self.hub.subscribe(self.contract, self.wire_format, self.wake, LIMITS)
        self.subscription.write = self.write
        self.can_write = False
        self.attached: set[str] = set()
        self.unsure: set[str] = set()  # left while something may have waited: which gaps were told is unknown
        self.resume = resume
        self.answers: list[int] = []
        self.client.answers.clear()
        self.client.notices.clear()
        self.client.must_precede.clear()

    def wake(self) -> None:
        self.woken = True

    def write(self, body: bytes) -> bool:
        """What a server does when its peer's window is open, or is not."""
        if self.can_write:
            self.client.receive(body)
        return self.can_write

    # --- what happens ---

    @initialize(symbols=st.sets(st.sampled_from(SYMBOLS), min_size=1))
    def attach_some(self, symbols: set[str]) -> None:
        for symbol in sorted(symbols):
            self.attach(symbol)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def attach(self, symbol: str) -> None:
        if symbol in self.styles and not self.subscription.is_finished:
            point, topic = self.resume.get(symbol), self.topics[symbol].topic
            is_kept = (
                point is not None and point.epoch == topic.epoch and topic.find(point.sequence) is not None
            )
            if symbol not in self.attached and point is not None and is_kept:
                self.told[symbol] += [
                    detail
                    for epoch, sequence, detail in self.gaps[symbol]
                    if epoch == point.epoch and sequence >= point.sequence
                ]
            self.attached.add(symbol)
            self.client.held[symbol].has_left = False
            self.subscription.attach(topic, point)
            self.hub.flush()

    @rule(symbol=st.sampled_from(SYMBOLS), is_drained=st.booleans())
    def detach(self, symbol: str, is_drained: bool) -> None:
        """Leave a topic: under CONFLATE nothing comes of it any more, else only what is queued."""
        if is_drained:
            self.take_everything()
        if symbol not in self.attached or self.subscription.is_finished:
            return
        self.attached.remove(symbol)
        self.resume.pop(symbol, None)
        self.subscription.detach(self.topics[symbol].topic)
        held = self.client.held[symbol]
        held.has_left = self.contract is Contract.CONFLATE
        held.is_renewed = True
        if not is_drained:
            self.unsure.add(symbol)
        held.told.clear()
        self.told[symbol].clear()

    @rule()
    def answer(self) -> None:
        """Tell this subscriber something."""
        if self.subscription.is_finished:
            return
        number = len(self.answers) + 1
        self.answers.append(number)
        if self.contract is Contract.LOSSLESS:
            self.client.must_precede[number] = {
                symbol: (topic.topic.epoch, topic.topic.sequence)
                for symbol, topic in self.topics.items()
                if symbol in self.attached
                and topic.style != "plain"  # else where the client stands says little
                and self.subscription.cursors[topic.topic].stage is Stage.LIVE
            }
        self.subscription.tell(self.wire_format.answer(number))

    @rule(changes=st.lists(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(KEYS)), max_size=5))
    def block(self, changes: list[tuple[str, str]]) -> None:
        for symbol, key in changes:
            if symbol in self.styles:
                self.value += 1
                topic = self.topics[symbol]
                topic.publish(key, self.value)
                position = (topic.topic.epoch, topic.topic.sequence)
                self.published[symbol][position] = {key: self.value}
        self.hub.flush()

    @rule(symbol=st.sampled_from(SYMBOLS), is_flushed=st.booleans())
    def tell(self, symbol: str, is_flushed: bool) -> None:
        if symbol in self.styles:
            self._happen(symbol, self.topics[symbol].tell, is_flushed)
            topic = self.topics[symbol].topic
            self.gaps[symbol].append((topic.epoch, topic.sequence, f"told {self.value}"))

    @rule(symbol=st.sampled_from(SYMBOLS), is_flushed=st.booleans())
    def restart(self, symbol: str, is_flushed: bool) -> None:
        if symbol in self.styles:
            self._happen(symbol, self.topics[symbol].restart, is_flushed)

    def _happen(self, symbol: str, tell: Callable[[str], None], is_flushed: bool) -> None:
        self.value += 1
        detail = f"told {self.value}"
        if symbol in self.attached and not self.subscription.is_finished:
            self.told[symbol].append(detail)
        tell(detail)
        if is_flushed:
            self.hub.flush()

    @rule(symbol=st.sampled_from(SYMBOLS), is_settled=st.booleans())
    def settle(self, symbol: str, is_settled: bool) -> None:
        if symbol in self.styles:
            self.topics[symbol].is_settled = is_settled

    @rule(count=st.integers(1, 4))
    def take(self, count: int) -> None:
        self.hub.flush()
        for _ in range(count):
            message = self.subscription.take()
            if message is None:
                break
            self.client.receive(message)

    @rule(can_write=st.booleans(), is_idle=st.booleans())
    def open_or_shut_the_window(self, can_write: bool, is_idle: bool) -> None:
        self.can_write = can_write
        self.subscription.is_idle = is_idle

    @rule(symbol=st.sampled_from(SYMBOLS))
    def somebody_else_comes(self, symbol: str) -> None:
        """A newcomer with a fast line, who may share a snapshot with others."""
        if symbol in self.styles and self.topics[symbol].is_settled:
            topic = self.topics[symbol]
            other = self.hub.subscribe(Contract.LOSSLESS, self.wire_format, lambda: None)
            client = Client({symbol: topic.style}, may_lose=False, may_merge=False)
            other.attach(topic.topic)
            drain(other, client)
            if topic.style != "plain":
                assert client.held[symbol].state == topic.state
                assert client.held[symbol].position == (topic.topic.epoch, topic.topic.sequence)
            other.finish()

    @rule()
    def notify(self) -> None:
        self.hub.flush()
        self.hub.notify_all(NoticeNote(NOTICE_DRAINING, 5, (), "soon"))

    @rule()
    def take_everything(self) -> None:
        for topic in self.topics.values():
            topic.is_settled = True
        self.hub.flush()
        drain(self.subscription, self.client)
        self.check_complete()

    @precondition(lambda self: self.subscription.is_finished)
    @rule(is_resuming=st.booleans())
    def come_back(self, is_resuming: bool) -> None:
        """The stream ended; the client connects again, and goes on where it stands."""
        self.take_everything()
        points: dict[str, ResumePoint] = {}
        if is_resuming:
            for symbol, held in self.client.held.items():
                if held.position is not None and (held.is_current or held.style == "plain"):
                    points[symbol] = ResumePoint(symbol, *held.position)
        self.connect(points)

    @rule()
    def finish(self) -> None:
        if not self.subscription.is_finished:
            self.hub.notify_all(NoticeNote(NOTICE_DRAINING, 5, (), "now"))
        self.hub.finish()

    # --- what is promised ---

    def check_complete(self) -> None:
        """Everything was taken: the client holds what the topics hold, or was told why not."""
        told = len(self.client.answers) if self.subscription.cut else None
        assert self.client.answers == self.answers[:told], "every answer is told once, in order"
        if self.subscription.cut:
            self.check_cut()
            return
        for symbol in self.attached:
            topic, held = self.topics[symbol], self.client.held[symbol]
            if not self.subscription.is_finished:
                self.check_current(topic, symbol)
            for epoch, sequence, values in held.received:
                truth = self.published[symbol][epoch, sequence]
                assert truth.items() <= values.items(), "what arrived is what was published"
            if symbol not in self.unsure:
                assert held.told == self.told[symbol], "every gap of the source is told once, in order"

    def check_current(self, topic: ToyTopic, symbol: str) -> None:
        held = self.client.held[symbol]
        if held.style != "plain":
            assert held.is_current
            assert held.state == topic.state
            assert held.position == (topic.topic.epoch, topic.topic.sequence)
        elif held.position is not None and held.position[0] == topic.topic.epoch and not held.is_renewed:
            assert held.position[1] == topic.topic.sequence

    def check_cut(self) -> None:
        if self.contract is not Contract.LOSSLESS:
            alone = len(self.answers) + len(self.client.notices) + sum(map(len, self.told.values()))
            assert alone > LIMITS.max_messages, "updates are dropped or merged instead"
        assert self.client.notices[-1]["what"] == NOTICE_CUT
        points = self.client.notices[-1]["resume"]
        for symbol in self.attached:
            held = self.client.held[symbol]
            if held.is_renewed:
                continue
            if held.style != "plain" and held.is_current and (held.was_sent or symbol in points):
                assert tuple(points[symbol]) == held.position, "exactly what was taken"
            elif held.style != "plain":
                assert symbol not in points, "what was not taken whole cannot be continued"

    @invariant()
    def memory_is_bounded(self) -> None:
        size = self.subscription.waiting[1]
        held = self.subscription._held_bytes
        assert size + held <= LIMITS.max_bytes + BLOCK_BYTES

    @invariant()
    def what_can_be_taken_was_announced(self) -> None:
        if self.subscription.waiting[0] and not self.subscription.hub.marked:
            assert self.woken


Variant = tuple[Contract, dict[str, str], int]
DELTAS = {"A": "delta", "B": "delta", "C": "delta"}
VARIANTS: dict[str, Variant] = {
    "lossless": (Contract.LOSSLESS, DELTAS, 0),
    "lossless, shared snapshots": (Contract.LOSSLESS, {"A": "delta", "B": "delta"}, 4),
    "lossless, no snapshots": (Contract.LOSSLESS, {"A": "plain", "B": "plain", "C": "plain"}, 0),
    "resync": (Contract.RESYNC, DELTAS, 0),
    "resync, shared snapshots": (Contract.RESYNC, {"A": "delta", "B": "delta"}, 4),
    "resync, no snapshots": (Contract.RESYNC, {"A": "plain", "B": "delta"}, 0),
    "conflate": (Contract.CONFLATE, {"A": "whole", "B": "whole", "C": "whole"}, 0),
    "conflate, shared snapshots": (Contract.CONFLATE, {"A": "whole", "B": "whole"}, 2),
}


def machine_of(contract: Contract, styles: dict[str, str], snapshot_lag: int) -> type[Machine]:
    return type("Machine", (Machine,), {"contract": contract, "styles": styles, "snapshot_lag": snapshot_lag})


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_contract_holds_whatever_happens(variant: Variant) -> None:
    run_state_machine_as_test(machine_of(*variant))
