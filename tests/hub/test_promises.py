"""Each promise of the delivery contracts by its name; test_machine.py mixes them."""

from __future__ import annotations

import pytest

from hyperstream.hub import conflated
from hyperstream.hub import subscription as subscriptions
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub

from .stage import FEW, QUEUED, SOON, Stage, events_of, kinds
from .toys import drain

# --- LOSSLESS ---


def test_lossless_every_update_arrives_once_and_in_order(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic)
    for value in range(500):
        stage.block(topic, value=value)
        if value % 7 == 0:
            drain(subscription, client)
    drain(subscription, client)
    assert [values["a"] for _, _, values in client.held["A"].received] == list(range(1, 500))


def test_lossless_a_slow_reader_is_cut_behind_what_waits_and_told_where_to_resume(stage: Stage) -> None:
    topics = [stage.topic("A"), stage.topic("B")]
    subscription, client = stage.subscribe(Contract.LOSSLESS, *topics, limits=FEW)
    drain(subscription, client)
    for value in range(10):
        stage.block(topics[value % 2], value=value)
    assert subscription.is_finished
    assert "read too slowly" in subscription.cut
    assert stage.hub.counts["cut_slow_consumer"] == 1
    drain(subscription, client)
    assert [len(client.held[symbol].received) for symbol in "AB"] == [2, 2]
    notice = client.notices[-1]
    assert (notice["what"], notice["detail"]) == ("CUT", subscription.cut)
    assert notice["resume"] == {
        "A": [topics[0].topic.epoch, 2],
        "B": [topics[1].topic.epoch, 2],
    }
    assert not topics[0].topic.cursors


def test_lossless_after_a_cut_resuming_continues_without_hole_or_duplicate(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic, limits=FEW)
    drain(subscription, client)
    for value in range(8):
        stage.block(topic, value=value)
    drain(subscription, client)
    again, _ = stage.subscribe(Contract.LOSSLESS, topic, resume=client.resume("A"))
    stage.block(topic, value=8)
    drain(again, client)
    assert [values["a"] for _, _, values in client.held["A"].received] == list(range(9))


def test_lossless_a_snapshot_broken_off_by_a_cut_is_no_resume_point(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    topic = stage.topic()
    topic.state = {"a": 1, "b": 2, "c": 3}
    subscription, client = stage.subscribe(
        Contract.LOSSLESS, topic, limits=OutboxLimits(max_messages=100, max_bytes=300)
    )
    client.receive(subscription.take() or b"")
    for value in range(6):
        stage.block(topic, value=value)
    drain(subscription, client)
    assert client.notices[-1]["what"] == "CUT"
    assert client.notices[-1]["resume"] == {}


# --- RESYNC ---


def test_resync_a_slow_reader_is_told_the_gap_and_goes_on_from_a_snapshot(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    stage.block(topic)
    drain(subscription, client)
    for value in range(2, 9):
        stage.block(topic, value=value)
    events = events_of(drain(subscription, client))
    assert kinds(events) == ["gap", "chunk"]
    assert (events[0]["start"], events[0]["stop"], events[0]["dropped"]) == (2, 8, 7)
    assert client.held["A"].state == topic.state
    statistics = subscription.statistics()
    assert (statistics.dropped, statistics.gaps) == (7, 1)
    assert stage.hub.counts["resync_slow_consumer"] == 1


def test_resync_only_topics_that_lost_something_begin_anew(stage: Stage) -> None:
    busy, calm = stage.topic("A"), stage.topic("B")
    subscription, client = stage.subscribe(Contract.RESYNC, busy, calm, limits=FEW)
    drain(subscription, client)
    for value in range(6):
        stage.block(busy, value=value)
    stage.block(calm)
    events = events_of(drain(subscription, client))
    assert {(event["kind"], event["symbol"]) for event in events} == {
        ("gap", "A"),
        ("chunk", "A"),
        ("delta", "B"),
    }


def test_resync_without_snapshots_goes_on_behind_the_gap(stage: Stage) -> None:
    topic = stage.topic(style="plain")
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    for value in range(6):
        stage.block(topic, value=value)
    (gap,) = events_of(drain(subscription, client))
    assert (gap["start"], gap["stop"], gap["dropped"]) == (1, 6, 6)
    stage.block(topic)
    assert [event["sequence"] for event in events_of(drain(subscription, client))] == [7]


@pytest.mark.parametrize("style", ["plain", "delta"])
def test_resync_a_gap_of_the_source_is_not_dropped_with_the_updates(stage: Stage, style: str) -> None:
    topic = stage.topic(style=style)
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    drain(subscription, client)
    stage.block(topic)
    topic.tell("blocks are missing")
    for value in range(6):
        stage.block(topic, value=value)
    events = events_of(drain(subscription, client))
    assert [event["reason"] for event in events if event["kind"] == "gap"] == ["SLOW_CONSUMER", "SOURCE_GAP"]
    assert client.held["A"].told == ["blocks are missing"]


def test_resync_a_notice_is_not_dropped_with_the_updates(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    drain(subscription, client)
    stage.block(topic)
    stage.hub.notify_all(SOON)
    for value in range(6):
        stage.block(topic, value=value)
    drain(subscription, client)
    assert [notice["what"] for notice in client.notices] == ["DRAINING"]


# --- CONFLATE ---


def test_conflate_the_newest_value_arrives_and_says_how_many_it_replaced(stage: Stage) -> None:
    topic = stage.topic(style="whole")
    subscription, client = stage.subscribe(Contract.CONFLATE, topic)
    drain(subscription, client)
    for value in range(10):
        stage.block(topic, value=value)
    (event,) = events_of(drain(subscription, client))
    assert (event["values"], event["merged"], event["sequence"]) == ({"a": 9}, 9, 10)
    stage.block(topic, value=10)
    (event,) = events_of(drain(subscription, client))
    assert "merged" not in event
    assert subscription.statistics().merged == client.held["A"].merged == 9


def test_conflate_one_value_of_each_topic_waits_however_slow_the_reader(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a topic whose snapshot filled a message, so that its end was left for the next one."""
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    topics = [stage.topic(symbol, style="whole") for symbol in "ABC"]
    subscription, client = stage.subscribe(Contract.CONFLATE, *topics)
    client.receive(subscription.take() or b"")
    for value in range(100):
        stage.block(*topics, value=value)
    assert subscription.waiting[0] == 1
    assert all(cursor.backlog is None for cursor in subscription.cursors.values())
    drain(subscription, client)
    for topic in topics:
        assert client.held[topic.symbol].state == topic.state


def test_conflate_messages_are_bounded_and_no_topic_is_passed_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflated, "MESSAGE_BYTES", 100)
    topics = [stage.topic(symbol, style="whole") for symbol in "ABCDEF"]
    subscription, client = stage.subscribe(Contract.CONFLATE, *topics)
    drain(subscription, client)
    told = set()
    for value in range(len(topics)):
        stage.block(*topics, value=value)
        events = client.receive(subscription.take() or b"")
        told |= {event["symbol"] for event in events}
        assert len(events) < len(topics)
    assert told == {topic.symbol for topic in topics}


def test_conflate_after_a_restart_the_old_value_is_replaced_by_the_snapshot(stage: Stage) -> None:
    topic = stage.topic(style="whole")
    subscription, client = stage.subscribe(Contract.CONFLATE, topic)
    drain(subscription, client)
    topic.tell("doubtful")
    stage.block(topic, value=7)
    topic.restart("repaired")
    stage.hub.flush()
    events = events_of(drain(subscription, client))
    assert kinds(events) == ["gap", "gap", "chunk"]
    assert client.held["A"].told == ["doubtful", "repaired"]
    assert client.held["A"].state == topic.state == {"a": 1007}


def test_conflate_a_value_that_a_restart_replaced_does_not_count_as_taken(stage: Stage) -> None:
    topic = stage.topic(style="whole")
    subscription, client = stage.subscribe(Contract.CONFLATE, topic)
    stage.block(topic, value=1)
    drain(subscription, client)
    stage.block(topic, value=2)
    stage.block(topic, value=3)
    topic.is_settled = False
    topic.restart("repaired")
    stage.hub.notify_all(SOON)
    drain(subscription, client)  # the client compares the resume point with what it holds
    assert client.notices[0]["resume"]["A"][1] == 1


# --- memory and counting ---


@pytest.mark.parametrize("contract", QUEUED)
def test_waiting_bytes_exceed_the_limit_by_one_block_at_most(stage: Stage, contract: Contract) -> None:
    topics = [stage.topic(symbol) for symbol in "ABCD"]
    limits = OutboxLimits(max_messages=1_000, max_bytes=3_000)
    subscription, client = stage.subscribe(contract, *topics, limits=limits)
    drain(subscription, client)
    largest = 0
    for value in range(200):
        stage.block(*topics, value=value)
        largest = max(largest, subscription.waiting[1])
    block_bytes = 4 * 100
    assert 1_000 < largest <= limits.max_bytes + block_bytes


def test_statistics_tell_what_was_taken_and_what_waits(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic)
    taken = drain(subscription, client)
    stage.block(topic)
    statistics = subscription.statistics()
    assert (statistics.topics, statistics.taken_messages) == (1, len(taken))
    assert statistics.taken_bytes == sum(map(len, taken))
    (waiting,) = drain(subscription, client)
    assert (statistics.waiting_messages, statistics.waiting_bytes) == (1, len(waiting))
    assert stage.hub.statistics().subscriptions == 1


def test_a_block_is_one_message_with_the_updates_of_all_topics(stage: Stage) -> None:
    topics = [stage.topic(symbol) for symbol in "ABC"]
    subscription, client = stage.subscribe(Contract.LOSSLESS, *topics)
    drain(subscription, client)
    stage.block(*topics)
    (message,) = drain(subscription, client)
    assert [event["symbol"] for event in events_of([message])] == ["A", "B", "C"]


def test_a_topic_attached_twice_is_followed_once(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic, topic)
    stage.block(topic)
    drain(subscription, client)
    assert len(topic.topic.cursors) == 1


def test_epochs_never_repeat_and_rise_from_run_to_run() -> None:
    hub, later = Hub(start_seconds=1), Hub(start_seconds=2)
    epochs = [hub.next_epoch() for _ in range(1_000)]
    assert sorted(set(epochs)) == epochs
    assert epochs[-1] < later.next_epoch()
