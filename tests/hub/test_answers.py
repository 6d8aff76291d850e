"""What is told to one subscriber alone, and topics that come and go on a living subscription."""

from __future__ import annotations

import pytest

from hyperstream.hub.delivery import Contract
from hyperstream.market.updates import ResumePoint

from .stage import EVERY, FEW, QUEUED, Stage, drain_events, events_of, kinds
from .toys import Client, drain


def style_for(contract: Contract) -> str:
    return "whole" if contract is Contract.CONFLATE else "delta"


@pytest.mark.parametrize("contract", EVERY)
def test_an_answer_is_written_at_once_when_nothing_waits(stage: Stage, contract: Contract) -> None:
    subscription, client = stage.subscribe(contract)
    written: list[bytes] = []

    def write(body: bytes) -> bool:
        written.append(body)
        return True

    subscription.write, subscription.is_idle = write, True
    subscription.tell(stage.wire_format.answer(1))
    assert kinds(events_of(written)) == ["answer"]
    assert drain(subscription, client) == []


@pytest.mark.parametrize("contract", EVERY)
def test_an_answer_comes_behind_what_waits_already(stage: Stage, contract: Contract) -> None:
    topic = stage.topic(style=style_for(contract))
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    topic.publish("a", 1)  # the block has not ended yet
    woken = stage.woken
    subscription.tell(stage.wire_format.answer(1))
    assert stage.woken > woken
    stage.block(topic, value=2)
    expected = ["delta", "answer"] if contract is Contract.CONFLATE else ["delta", "answer", "delta"]
    assert kinds(drain_events(subscription, client)) == expected


def test_an_answer_waits_for_the_values_before_it_and_not_for_those_behind(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many values are renewed, and however few fit into a message."""
    monkeypatch.setattr("hyperstream.hub.conflated.MESSAGE_BYTES", 1)
    topics = [stage.topic(symbol, style="whole") for symbol in "ABCD"]
    subscription, client = stage.subscribe(Contract.CONFLATE, *topics)
    drain(subscription, client)
    stage.block(*topics[:2])
    subscription.tell(stage.wire_format.answer(1))
    order = []
    for value in range(2, 5):
        stage.block(*topics, value=value)
        order += [event.get("symbol", "answer") for event in events_of([subscription.take() or b""])]
    assert order == ["A", "B", "answer"]


@pytest.mark.parametrize("contract", EVERY)
def test_an_answer_comes_before_the_snapshot_of_what_is_attached_after_it(
    stage: Stage, contract: Contract
) -> None:
    topic = stage.topic(style=style_for(contract))
    subscription, _ = stage.subscribe(contract)
    client = Client({"A": topic.style}, may_lose=False, may_merge=False)
    subscription.tell(stage.wire_format.answer(1))
    subscription.attach(topic.topic)
    stage.hub.flush()
    assert kinds(drain_events(subscription, client)) == ["answer", "chunk"]


def test_resync_keeps_answers_when_it_drops_updates(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    drain(subscription, client)
    stage.block(topic, value=1)
    subscription.tell(stage.wire_format.answer(1))
    for value in range(2, 9):
        stage.block(topic, value=value)
    subscription.tell(stage.wire_format.answer(2))
    drain(subscription, client)
    assert client.answers == [1, 2]
    assert client.held["A"].state == topic.state
    assert not subscription.cut


def test_conflate_merges_no_answers(stage: Stage) -> None:
    topic = stage.topic(style="whole")
    subscription, client = stage.subscribe(Contract.CONFLATE, topic)
    drain(subscription, client)
    for value in range(1, 4):
        stage.block(topic, value=value)
        subscription.tell(stage.wire_format.answer(value))
    drain(subscription, client)
    assert client.answers == [1, 2, 3]
    assert client.held["A"].merged == 2


@pytest.mark.parametrize("contract", EVERY)
def test_who_asks_and_never_reads_is_cut(stage: Stage, contract: Contract) -> None:
    topic = stage.topic(style=style_for(contract))
    subscription, client = stage.subscribe(contract, topic, limits=FEW)
    drain(subscription, client)
    for number in range(1, 9):
        subscription.tell(stage.wire_format.answer(number))
    assert subscription.is_finished
    assert stage.hub.counts["cut_slow_consumer"] == 1
    assert not topic.topic.cursors
    drain(subscription, client)
    assert client.answers == [1, 2, 3, 4], "what was answered before the end still comes"
    assert (client.notices[-1]["what"], client.notices[-1]["detail"]) == ("CUT", subscription.cut)


def test_nothing_is_told_once_the_subscription_is_finished(stage: Stage) -> None:
    for contract in EVERY:
        subscription, client = stage.subscribe(contract)
        subscription.finish()
        subscription.tell(stage.wire_format.answer(1))
        assert drain(subscription, client) == []


# --- topics that come and go ---


@pytest.mark.parametrize("contract", QUEUED)
def test_after_a_topic_was_left_only_what_is_queued_comes(stage: Stage, contract: Contract) -> None:
    topic, other = stage.topic("A"), stage.topic("B")
    subscription, client = stage.subscribe(contract, topic, other)
    drain(subscription, client)
    stage.block(topic, other, value=1)
    topic.publish("a", 2)  # the block has not ended yet
    subscription.detach(topic.topic)
    stage.block(topic, other, value=3)
    drain(subscription, client)
    assert client.held["A"].state == {"a": 2}
    assert client.held["B"].state == {"a": 3}
    assert not topic.topic.cursors


def test_conflate_after_a_topic_was_left_nothing_of_it_comes(stage: Stage) -> None:
    topic, other = stage.topic("A", style="whole"), stage.topic("B", style="whole")
    subscription, client = stage.subscribe(Contract.CONFLATE, topic, other)
    drain(subscription, client)
    stage.block(topic, other, value=1)
    topic.tell("doubtful")
    subscription.detach(topic.topic)
    stage.block(topic, other, value=2)
    assert {event["symbol"] for event in drain_events(subscription, client)} == {"B"}


@pytest.mark.parametrize("contract", EVERY)
def test_a_topic_left_while_its_snapshot_is_on_its_way_stops_there(
    stage: Stage, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperstream.hub.subscription.PIECE_BYTES", 1)
    topic = stage.topic(style=style_for(contract))
    topic.state = {"a": 1, "b": 2, "c": 3}
    subscription, client = stage.subscribe(contract, topic)
    client.receive(subscription.take() or b"")
    subscription.detach(topic.topic)
    stage.block(topic)
    assert drain(subscription, client) == []
    assert subscription.resume_points() == ()


@pytest.mark.parametrize("contract", EVERY)
def test_a_topic_that_was_left_can_be_followed_again(stage: Stage, contract: Contract) -> None:
    topic = stage.topic(style=style_for(contract))
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    stage.block(topic, value=1)
    subscription.detach(topic.topic)
    stage.block(topic, value=2)
    subscription.attach(topic.topic)
    stage.block(topic, value=3)
    kept = [] if contract is Contract.CONFLATE else ["delta"]
    assert kinds(drain_events(subscription, client)) == [*kept, "chunk"], "the snapshot is the newest"
    assert client.held["A"].state == {"a": 3}


@pytest.mark.parametrize("contract", EVERY)
def test_a_topic_can_be_resumed_on_a_living_subscription(stage: Stage, contract: Contract) -> None:
    topic = stage.topic(style=style_for(contract))
    subscription, client = stage.subscribe(contract, topic)
    stage.block(topic, value=1)
    drain(subscription, client)
    position = client.held["A"].position
    assert position is not None
    subscription.detach(topic.topic)
    for value in (2, 3):
        stage.block(topic, value=value)
    subscription.attach(topic.topic, ResumePoint("A", *position))
    stage.block(topic, value=4)
    drain(subscription, client)
    assert client.held["A"].state == {"a": 4}
    assert not client.held["A"].gaps


def test_what_resync_drops_of_a_topic_that_was_left_is_told(stage: Stage) -> None:
    """The gap ends where the topic was left, and no snapshot follows."""
    topic, other = stage.topic("A"), stage.topic("B")
    subscription, client = stage.subscribe(Contract.RESYNC, topic, other, limits=FEW)
    drain(subscription, client)
    for value in (1, 2):
        stage.block(topic, value=value)
    subscription.detach(topic.topic)
    stage.block(topic, value=3)
    for value in range(6):
        stage.block(other, value=value)
    events = drain_events(subscription, client)
    (gap,) = [event for event in events if event.get("symbol") == "A"]
    assert (gap["kind"], gap["start"], gap["stop"], gap["dropped"]) == ("gap", 1, 2, 2)


def test_a_snapshot_begins_behind_the_gap_of_when_the_topic_was_followed_before(stage: Stage) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    drain(subscription, client)
    for value in (1, 2, 3):
        stage.block(topic, value=value)
    subscription.detach(topic.topic)
    subscription.attach(topic.topic)
    for number in range(1, 3):
        subscription.tell(stage.wire_format.answer(number))
    events = drain_events(subscription, client)
    assert kinds(events) == ["answer", "gap", "chunk", "answer"]
    assert client.held["A"].is_current


@pytest.mark.parametrize("contract", EVERY)
def test_leaving_a_topic_that_is_not_followed_changes_nothing(stage: Stage, contract: Contract) -> None:
    subscription, _ = stage.subscribe(contract)
    subscription.detach(stage.topic().topic)
    subscription.finish()
    subscription.detach(stage.topic().topic)
    assert subscription.take() is None
