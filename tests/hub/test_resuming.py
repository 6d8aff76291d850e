"""Resuming, resume points, and the end: no hole, no duplicate, and a gap where there is one."""

from __future__ import annotations

import pytest

from hyperstream.hub.delivery import Contract
from hyperstream.hub.log import HISTORY, SEGMENT_ENTRIES
from hyperstream.market.updates import ResumePoint

from .stage import EVERY, FEW, SOON, Stage, events_of, kinds
from .toys import Client, drain


@pytest.mark.parametrize("contract", EVERY)
def test_resuming_inside_the_history_has_no_hole_and_no_duplicate(stage: Stage, contract: Contract) -> None:
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    subscription, client = stage.subscribe(contract, topic)
    stage.block(topic, value=1)
    drain(subscription, client)
    position = client.held["A"].position
    assert position is not None
    subscription.finish()
    for value in range(2, 1 + HISTORY):
        stage.block(topic, value=value)
    again, _ = stage.subscribe(contract, topic, resume=ResumePoint("A", *position))
    stage.block(topic, value=1_000)
    drain(again, client)
    assert client.held["A"].state == {"a": 1_000}
    assert client.held["A"].position == (topic.topic.epoch, topic.topic.sequence)
    assert not client.held["A"].gaps


def test_resuming_where_nothing_was_missed_sends_nothing(stage: Stage) -> None:
    topic = stage.topic()
    stage.block(topic)
    point = ResumePoint("A", topic.topic.epoch, topic.topic.sequence)
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic, resume=point)
    assert drain(subscription, client) == []


@pytest.mark.parametrize("contract", EVERY)
@pytest.mark.parametrize("case", ["too old", "earlier epoch", "from the future"])
def test_resuming_from_elsewhere_gives_a_restart_gap_and_a_snapshot(
    stage: Stage, contract: Contract, case: str
) -> None:
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    for value in range(HISTORY + SEGMENT_ENTRIES + 4):
        stage.block(topic, value=value)
    epoch, sequence = topic.topic.epoch, topic.topic.sequence
    point = {
        "too old": ResumePoint("A", epoch, 4),
        "earlier epoch": ResumePoint("A", epoch - 1, sequence),
        "from the future": ResumePoint("A", epoch, sequence + 1),
    }[case]
    subscription, client = stage.subscribe(contract, topic, resume=point)
    gap, chunk = events_of(drain(subscription, client))
    assert (gap["kind"], gap["reason"], gap["epoch"]) == ("gap", "RESTART", epoch)
    expected = (5, sequence, sequence - 4) if case == "too old" else (0, 0, 0)
    assert (gap["start"], gap["stop"], gap["dropped"]) == expected
    assert ("too old" in gap["detail"]) == (case == "too old")
    assert chunk["sequence"] == sequence


def test_resuming_without_snapshots_loses_nothing_after_the_restart_gap(stage: Stage) -> None:
    topic = stage.topic(style="plain")
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic, resume=ResumePoint("A", 1, 1))
    stage.block(topic, value=1)
    events = events_of(drain(subscription, client))
    assert kinds(events) == ["gap", "delta"]


def test_a_gap_of_the_source_is_told_to_who_resumes_from_before_it(stage: Stage) -> None:
    topic = stage.topic(style="plain")
    stage.block(topic)
    point = ResumePoint("A", topic.topic.epoch, 1)
    topic.tell("blocks are missing")
    stage.block(topic)
    subscription, client = stage.subscribe(Contract.LOSSLESS, topic, resume=point)
    assert kinds(events_of(drain(subscription, client))) == ["gap", "delta"]
    later, client = stage.subscribe(
        Contract.LOSSLESS, topic, resume=ResumePoint("A", topic.topic.epoch, topic.topic.sequence)
    )
    assert drain(later, client) == []


# --- notices and the end ---


@pytest.mark.parametrize("contract", EVERY)
def test_the_resume_points_of_a_notice_are_exact_when_it_is_taken(stage: Stage, contract: Contract) -> None:
    """What is published after the notice, and what waits behind it, does not count."""
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    fresh = stage.topic("B", is_settled=False)
    subscription, client = stage.subscribe(contract, topic, fresh)
    stage.block(topic, value=1)
    drain(subscription, client)
    stage.block(topic, value=2)
    stage.hub.notify_all(SOON)
    stage.block(topic, value=3)
    drain(subscription, client)  # the client compares each point with what it holds
    assert len(client.notices) == 1
    assert set(client.notices[0]["resume"]) == {"A"}, "of B nothing was taken yet"
    expected = 3 if contract is Contract.CONFLATE else 2
    assert client.notices[0]["resume"]["A"] == [topic.topic.epoch, expected]


def test_the_resume_point_of_what_was_dropped_is_before_it(stage: Stage) -> None:
    topic = stage.topic(is_settled=True)
    subscription, client = stage.subscribe(Contract.RESYNC, topic, limits=FEW)
    stage.block(topic)
    drain(subscription, client)
    topic.is_settled = False
    for value in range(6):
        stage.block(topic, value=value)
    stage.hub.notify_all(SOON)
    drain(subscription, client)
    assert client.notices[0]["resume"] == {"A": [topic.topic.epoch, 1]}


@pytest.mark.parametrize("contract", EVERY)
def test_after_finish_what_waits_can_be_taken_and_then_nothing_comes(
    stage: Stage, contract: Contract
) -> None:
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    fresh = stage.topic("B", style=topic.style)
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    client.held |= Client({"B": topic.style}, may_lose=False, may_merge=False).held
    subscription.attach(fresh.topic)
    topic.publish("a", 1)
    stage.hub.notify_all(SOON)
    woken = stage.woken
    stage.hub.finish()
    assert stage.woken > woken
    assert subscription.is_finished
    assert not subscription.cut
    topic.publish("a", 2)
    subscription.attach(stage.topic("C").topic)
    stage.hub.notify_all(SOON)
    stage.hub.flush()
    drain(subscription, client)
    assert client.held["A"].state == {"a": 1}
    assert client.held["B"].is_current, "a snapshot that was promised can still be taken"
    assert client.notices[0]["resume"]["A"] == [topic.topic.epoch, 1]
    assert subscription.take() is None
    assert not stage.hub.subscriptions
    assert not topic.topic.cursors
