"""Topics of a few letters, frames that can be read, and a client that checks what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from attrs import define, field

from hyperstream.hub.delivery import OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic
from hyperstream.market.updates import (
    GAP_RESTART,
    GAP_RESYNC,
    GAP_SLOW_CONSUMER,
    GAP_SOURCE,
    BlockStamp,
    GapNote,
    MarketName,
    NoticeNote,
    ResumePoint,
    Update,
)

STAMP = BlockStamp(1, 1, 1, 1, 1)
KEYS = "abc"
State = dict[str, int]


@define(eq=False)
class Change(Update):
    """Some keys of a topic got new values; ``is_whole`` says that these are all there are."""

    values: State
    is_whole: bool = False


@define(eq=False)
class Chunk(Update):
    """A part of a snapshot."""

    values: State
    chunk: int
    is_last: bool


class ReadableFormat:
    """Spells one JSON object per line. ``encoded`` counts what it spelled, by kind."""

    def __init__(self) -> None:
        self.encoded: dict[str, int] = {"delta": 0, "chunk": 0, "gap": 0, "notice": 0, "answer": 0}

    def encode(self, update: Update) -> bytes:
        head = {"symbol": update.name.symbol, "epoch": update.epoch, "sequence": update.sequence}
        if isinstance(update, Chunk):
            return self._frame("chunk", head, values=update.values, chunk=update.chunk, last=update.is_last)
        assert isinstance(update, Change)
        return self._frame("delta", head, values=update.values, whole=update.is_whole)

    def gap(self, note: GapNote) -> bytes:
        return self._frame(
            "gap",
            {"symbol": note.name.symbol, "epoch": note.epoch},
            start=note.from_sequence,
            stop=note.to_sequence,
            dropped=note.dropped,
            reason=note.reason,
            detail=note.detail,
        )

    def notice(self, note: NoticeNote) -> bytes:
        points = {point.symbol: [point.epoch, point.sequence] for point in note.resume}
        return self._frame("notice", {}, what=note.kind, resume=points, detail=note.detail)

    def answer(self, number: int) -> bytes:
        return self._frame("answer", {}, number=number)

    def merged(self, frame: bytes, count: int) -> bytes:
        return orjson.dumps(orjson.loads(frame) | {"merged": count}) + b"\n"

    def _frame(self, kind: str, head: dict[str, Any], **rest: Any) -> bytes:
        self.encoded[kind] += 1
        return orjson.dumps({"kind": kind} | head | rest) + b"\n"


@define(eq=False)
class ToyTopic:
    """A topic and its state. ``style``: ``delta``, ``whole`` (each update is everything) or ``plain``."""

    hub: Hub
    wire_format: ReadableFormat
    symbol: str
    style: str
    chunk_keys: int = 1
    snapshot_lag: int = 0
    is_settled: bool = True
    state: State = field(factory=dict)
    topic: Topic = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.topic = Topic(MarketName(self.symbol), self.wire_format, self.hub.next_epoch())
        if self.style != "plain":
            self.topic.snapshots = self

    def publish(self, key: str, value: int) -> None:
        self.state[key] = value
        topic, is_whole = self.topic, self.style == "whole"
        values = dict(self.state) if is_whole else {key: value}
        topic.publish(Change(topic.name, topic.epoch, topic.sequence + 1, STAMP, False, values, is_whole))

    def tell(self, detail: str) -> None:
        self.topic.tell_gap(self._note(GAP_SOURCE, detail))

    def restart(self, detail: str) -> None:
        """What ``restart`` means to a topic without snapshots is only that continuity ended."""
        if self.style != "plain":
            self.state = {key: value + 1000 for key, value in self.state.items()}
        self.topic.restart(self.hub.next_epoch(), self._note(GAP_RESYNC, detail))

    def _note(self, reason: str, detail: str) -> GapNote:
        return GapNote(self.topic.name, self.topic.epoch, 0, 0, 0, reason, detail)

    def snapshot_key(self) -> object | None:
        return tuple(self.state.items()) if self.is_settled else None

    def snapshot_updates(self) -> Iterator[Update]:
        topic, state = self.topic, dict(self.state)
        head = (topic.name, topic.epoch, topic.sequence, STAMP, False)
        if self.style == "whole":
            yield Chunk(*head, state, 0, True)
            return
        parts = [
            dict(list(state.items())[i : i + self.chunk_keys]) for i in range(0, len(state), self.chunk_keys)
        ]
        for chunk, part in enumerate(parts or [{}]):
            yield Chunk(*head, part, chunk, chunk == len(parts or [{}]) - 1)


@define(eq=False)
class Held:
    """What a client holds of one topic. ``position`` is the epoch and sequence of its last event."""

    style: str
    position: tuple[int, int] | None = None
    state: State = field(factory=dict)
    is_current: bool = False
    chunks: int = 0
    received: list[tuple[int, int, State]] = field(factory=list)  # epoch, sequence, values
    has_left: bool = False  # and nothing of it may come
    was_sent: bool = False  # anything on this stream
    is_renewed: bool = False  # left, and followed again: may go on further ahead, without a word
    told: list[str] = field(factory=list)
    merged: int = 0
    gaps: list[dict[str, Any]] = field(factory=list)


class Client:
    """Applies messages and raises AssertionError at the first broken promise."""

    def __init__(self, styles: dict[str, str], *, may_lose: bool, may_merge: bool) -> None:
        self.held = {symbol: Held(style) for symbol, style in styles.items()}
        self.may_lose = may_lose
        self.may_merge = may_merge
        self.notices: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.must_precede: dict[int, dict[str, tuple[int, int]]] = {}

    def receive(self, message: bytes) -> list[dict[str, Any]]:
        events = [orjson.loads(line) for line in message.splitlines()]
        for event in events:
            getattr(self, f"_{event['kind']}")(event)
        return events

    def _answer(self, event: dict[str, Any]) -> None:
        """Answers come in order, each behind what waited when it was given."""
        number = event["number"]
        self.answers.append(number)
        for symbol, position in self.must_precede.pop(number, {}).items():
            reached = self.held[symbol].position
            assert reached is not None
            assert reached >= position, "an answer came before what waited"

    def _chunk(self, event: dict[str, Any]) -> None:
        held = self.held[event["symbol"]]
        assert not held.has_left
        held.is_renewed = False
        held.was_sent = True
        position = (event["epoch"], event["sequence"])
        if event["chunk"] == 0:
            held.state, held.is_current = {}, False
        else:
            assert position == held.position, "all chunks of a snapshot are of one moment"
            assert event["chunk"] == held.chunks + 1, "chunks come in order"
        held.chunks = event["chunk"]
        held.position = position
        held.state |= event["values"]
        held.is_current = event["last"]

    def _delta(self, event: dict[str, Any]) -> None:
        held = self.held[event["symbol"]]
        epoch, sequence, merged = event["epoch"], event["sequence"], event.get("merged", 0)
        assert self.may_merge or not merged
        held.was_sent = True
        assert not held.has_left
        if held.style == "plain":
            if held.position is not None and held.position[0] == epoch:
                follows = sequence == held.position[1] + 1
                assert follows or (held.is_renewed and sequence > held.position[1]), "no hole, no duplicate"
                held.is_renewed = held.is_renewed and follows
        else:
            assert held.is_current, "an update before, or instead of, a snapshot"
            assert held.position == (epoch, sequence - merged - 1), "no hole, no duplicate"
        held.merged += merged
        held.position = (epoch, sequence)
        held.state = event["values"] if event["whole"] else held.state | event["values"]
        held.received.append((epoch, sequence, event["values"]))

    def _gap(self, event: dict[str, Any]) -> None:
        held = self.held[event["symbol"]]
        assert not held.has_left
        held.gaps.append(event)
        match event["reason"]:
            case str(reason) if reason == GAP_SLOW_CONSUMER:
                assert self.may_lose, "this contract loses nothing"
                assert event["dropped"] == event["stop"] - event["start"] + 1
                if held.position is not None and held.position[0] == event["epoch"]:
                    assert event["start"] == held.position[1] + 1, "the gap begins behind what was taken"
                held.is_current = False
                held.position = (event["epoch"], event["stop"])
            case str(reason) if reason == GAP_SOURCE:
                held.told.append(event["detail"])
            case str(reason) if reason == GAP_RESYNC:
                held.told.append(event["detail"])
                held.is_current = False
            case str(reason) if reason == GAP_RESTART:
                held.is_current = False
                held.position = None
            case _:
                raise AssertionError(event)

    def _notice(self, event: dict[str, Any]) -> None:
        self.notices.append(event)
        for symbol, (epoch, sequence) in event["resume"].items():
            held = self.held[symbol]
            if held.style != "plain":
                assert held.position == (epoch, sequence), "a resume point is what was taken last"

    def resume(self, symbol: str) -> ResumePoint | None:
        """Where the last notice said to continue."""
        point = self.notices[-1]["resume"].get(symbol)
        return ResumePoint(symbol, *point) if point is not None else None


def drain(subscription: Subscription, client: Client) -> list[bytes]:
    """Take all there is."""
    messages = []
    while (message := subscription.take()) is not None:
        client.receive(message)
        messages.append(message)
        assert len(messages) < 10_000
    return messages


def plenty() -> OutboxLimits:
    return OutboxLimits(10_000, 1_000_000)
