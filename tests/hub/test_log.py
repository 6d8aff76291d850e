"""A topic's log beside a plain list, and what catching up from it costs those who come back."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.hub import log as logs
from hyperstream.hub import subscription as subscriptions
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.log import HISTORY, HISTORY_BYTES, Entry, Log, Place
from hyperstream.market.updates import ResumePoint

from .stage import EVERY, QUEUED, Stage, drain_events, events_of, kinds
from .toys import Client, drain

# What is appended: an update of so many bytes, or None for a gap.
PUBLISHED = st.lists(st.one_of(st.integers(1, 40), st.none()), max_size=60)


def fill(log: Log, published: Sequence[int | None]) -> list[Entry]:
    entries: list[Entry] = []
    sequence = 0
    for size in published:
        sequence += size is not None
        entries.append((bytes(size or 5), sequence if size is not None else 0, 1))
        log.append(entries[-1])
    return entries


def read_on(place: Place) -> list[Entry]:
    found = []
    while (entry := place.peek()) is not None:
        found.append(entry)
        place.pass_by(entry)
    return found


@given(published=PUBLISHED)
def test_from_any_update_that_is_kept_everything_after_it_is_read(published: list[int | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "HISTORY", 10)
        patch.setattr(logs, "SEGMENT_ENTRIES", 4)
        patch.setattr(logs, "SEGMENT_BYTES", 60)
        log = Log(epoch=1)
        entries = fill(log, published)
    last = sum(size is not None for size in published)
    for sequence in range(last + 2):
        place = log.find(sequence)
        behind = [-1, *(index for index, entry in enumerate(entries) if entry[1])]
        if sequence > last:
            assert place is None
            continue
        expected = entries[behind[sequence] + 1 :]
        if place is None:
            assert len(expected) > 10, "the last ten are always kept"
        else:
            assert read_on(place) == expected
            assert place.sequence == last


@given(before=PUBLISHED, after=PUBLISHED)
def test_who_is_behind_reads_on_whatever_the_topic_lets_go(
    before: list[int | None], after: list[int | None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "HISTORY", 3)
        patch.setattr(logs, "SEGMENT_ENTRIES", 2)
        log = Log(epoch=1)
        fill(log, before)
        place = log.end(7)
        assert place.peek() is None
        entries = fill(log, after)
        log.restart(2, 50)
        more = fill(log, after)
    assert read_on(place) == entries + more
    assert place.segment.epoch == 2


def test_the_log_is_bounded_in_frames_and_in_bytes() -> None:
    many, large = Log(epoch=1), Log(epoch=1)
    fill(many, [1] * 10 * HISTORY)
    fill(large, [HISTORY_BYTES // 10] * 10 * HISTORY)
    for log, most in ((many, HISTORY + logs.SEGMENT_ENTRIES), (large, 12)):
        oldest = next(sequence for sequence in range(20 * HISTORY) if log.find(sequence) is not None)
        assert 10 * HISTORY - oldest <= most


def test_where_nobody_resumes_only_what_somebody_behind_needs_is_kept() -> None:
    log = Log(epoch=1, is_resumable=False)
    place = log.end(0)
    entries = fill(log, [1] * HISTORY)
    assert log.find(HISTORY - 2 * logs.SHORT_SEGMENT_ENTRIES) is None
    assert log.find(HISTORY) is not None
    assert read_on(place) == entries


def test_nobody_resumes_from_before_a_new_epoch() -> None:
    log = Log(epoch=1)
    fill(log, [1, 1, 1])
    log.restart(2, 3)
    assert log.find(2) is None
    assert log.find(3) is not None


# --- coming back ---


@pytest.mark.parametrize("contract", QUEUED)
def test_who_resumes_many_topics_catches_up_in_pieces_and_is_not_cut_for_what_it_missed(
    stage: Stage, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1_000)
    topics = [stage.topic(f"M{number}") for number in range(20)]
    points = {topic.symbol: ResumePoint(topic.symbol, topic.topic.epoch, 0) for topic in topics}
    for value in range(100):
        stage.block(*topics, value=value)
    limits = OutboxLimits(max_messages=3, max_bytes=2_000)
    subscription = stage.hub.subscribe(contract, stage.wire_format, stage.wake, limits)
    for topic in topics:
        subscription.attach(topic.topic, points[topic.symbol])
    stage.hub.flush()
    assert stage.woken
    assert subscription.waiting == (0, 0), "what was missed is in the topics' memory, not in its own"
    client = Client({topic.symbol: "delta" for topic in topics}, may_lose=False, may_merge=False)
    for symbol, held in client.held.items():
        held.is_current, held.position = True, (points[symbol].epoch, 0)
    messages = []
    for value in range(100, 110):  # the market moves on meanwhile
        stage.block(topics[value % 20], value=value)
        messages.append(subscription.take() or b"")
        client.receive(messages[-1])
    messages += drain(subscription, client)
    assert max(map(len, messages)) < 1_000 + 200
    assert not subscription.cut
    for topic in topics:
        assert client.held[topic.symbol].state == topic.state
        assert not client.held[topic.symbol].gaps


def test_conflate_resumes_with_the_newest_value_and_says_how_many_it_replaced(stage: Stage) -> None:
    topic = stage.topic(style="whole")
    point = ResumePoint("A", topic.topic.epoch, 0)
    for value in range(50):
        stage.block(topic, value=value)
    subscription, client = stage.subscribe(Contract.CONFLATE, topic, resume=point)
    client.held["A"].position, client.held["A"].is_current = (topic.topic.epoch, 0), True
    (event,) = drain_events(subscription, client)
    assert (event["values"], event["merged"]) == ({"a": 49}, 49)


def test_a_resume_point_of_a_notice_is_exact_while_catching_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    topic = stage.topic()
    point = ResumePoint("A", topic.topic.epoch, 0)
    for value in range(5):
        stage.block(topic, value=value)
    subscription, _ = stage.subscribe(Contract.LOSSLESS, topic, resume=point)
    assert subscription.resume_points() == (point,)
    subscription.take()
    subscription.take()
    assert subscription.resume_points() == (ResumePoint("A", topic.topic.epoch, 2),)
    subscription.finish()
    stage.block(topic)
    assert [event["sequence"] for event in events_of(list(iter(subscription.take, None)))] == [3, 4, 5]
    assert subscription.resume_points() == (ResumePoint("A", topic.topic.epoch, 5),)


def test_who_catches_up_too_slowly_is_held_to_its_contract(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published while it catches up counts like what waits."""
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    limits = OutboxLimits(max_messages=1_000, max_bytes=1_000)
    topic = stage.topic()
    point = ResumePoint("A", topic.topic.epoch, 0)
    for value in range(50):
        stage.block(topic, value=value)
    lossless, first = stage.subscribe(Contract.LOSSLESS, topic, limits=limits, resume=point)
    resync, second = stage.subscribe(Contract.RESYNC, topic, limits=limits, resume=point)
    for client in (first, second):
        client.held["A"].position, client.held["A"].is_current = (topic.topic.epoch, 0), True
    first.receive(lossless.take() or b"")
    second.receive(resync.take() or b"")
    for value in range(50, 70):
        stage.block(topic, value=value)
    assert "read too slowly" in lossless.cut
    drain(lossless, first)
    assert first.notices[-1]["resume"] == {"A": [topic.topic.epoch, 1]}
    gap, chunk = drain_events(resync, second)
    assert (gap["start"], gap["stop"], chunk["sequence"]) == (2, 70, 70)


@pytest.mark.parametrize("contract", EVERY)
def test_a_new_epoch_while_catching_up_begins_with_a_snapshot(
    stage: Stage, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    point = ResumePoint("A", topic.topic.epoch, 0)
    for value in range(5):
        stage.block(topic, value=value)
    subscription, client = stage.subscribe(contract, topic, resume=point)
    client.held["A"].position, client.held["A"].is_current = (topic.topic.epoch, 0), True
    topic.tell("blocks are missing")
    topic.restart("repaired")
    stage.hub.flush()
    assert kinds(drain_events(subscription, client)) == ["gap", "gap", "chunk"]
    assert client.held["A"].told == ["blocks are missing", "repaired"]
    assert client.held["A"].state == topic.state
