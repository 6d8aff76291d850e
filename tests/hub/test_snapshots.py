"""Snapshots: chunks, what waits behind them, and who shares them."""

from __future__ import annotations

import orjson
import pytest

from hyperstream.hub import subscription as subscriptions
from hyperstream.hub.delivery import Contract

from .stage import EVERY, QUEUED, Stage, events_of, kinds
from .toys import Client, drain


@pytest.mark.parametrize("contract", QUEUED)
def test_updates_are_held_behind_the_last_chunk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, contract: Contract
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    topic = stage.topic()
    topic.state = {"a": 1, "b": 2, "c": 3}
    subscription, client = stage.subscribe(contract, topic)
    first = events_of([subscription.take() or b""])
    stage.block(topic, value=9)
    topic.tell("in between")
    stage.block(topic, value=10)
    events = first + events_of(list(iter(subscription.take, None)))
    assert kinds(events) == ["chunk", "chunk", "chunk", "delta", "gap", "delta"]
    assert [event["values"] for event in events[:3]] == [{"a": 1}, {"b": 2}, {"c": 3}], "all of one moment"
    for event in events:
        client.receive(orjson.dumps(event) + b"\n")
    assert client.held["A"].state == topic.state


@pytest.mark.parametrize("contract", QUEUED)
def test_other_topics_flow_between_the_chunks_of_a_snapshot(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, contract: Contract
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 1)
    large, small = stage.topic("A"), stage.topic("B")
    large.state = {f"k{number}": number for number in range(20)}
    subscription, client = stage.subscribe(contract, small)
    drain(subscription, client)
    subscription.attach(large.topic)
    for value in range(5):
        stage.block(small, value=value)
    client.held["A"] = Client({"A": "delta"}, may_lose=False, may_merge=False).held["A"]
    order = [event["symbol"] for event in events_of(drain(subscription, client))]
    assert order[:10] in (["A", "B"] * 5, ["B", "A"] * 5)
    assert order[10:] == ["A"] * 15


def test_frames_are_encoded_once_for_all_who_need_them(stage: Stage) -> None:
    topic = stage.topic()
    topic.state = {"a": 1, "b": 2, "c": 3}
    subscribers = [stage.subscribe(contract, topic) for contract in QUEUED * 10]
    for subscription, client in subscribers:
        drain(subscription, client)
    assert stage.wire_format.encoded["chunk"] == 3
    stage.block(topic, value=2)
    for subscription, client in subscribers:
        drain(subscription, client)
        assert client.held["A"].state == topic.state
    assert stage.wire_format.encoded["delta"] == 1


def test_a_snapshot_is_made_anew_after_every_change(stage: Stage) -> None:
    topic = stage.topic()
    for value in range(3):
        stage.block(topic, value=value)
        subscription, client = stage.subscribe(Contract.RESYNC, topic)
        drain(subscription, client)
        assert client.held["A"].state == {"a": value}
    shared = topic.topic.snapshot()
    assert topic.topic.snapshot() is shared
    topic.topic.name.market_id = 0
    assert topic.topic.snapshot() is not shared, "the market's name is in it"


@pytest.mark.parametrize("contract", QUEUED)
def test_a_snapshot_that_cannot_be_made_now_is_tried_again_after_the_next_block(
    stage: Stage, contract: Contract
) -> None:
    topic, other = stage.topic("A", is_settled=False), stage.topic("B")
    subscription, client = stage.subscribe(contract, topic, other)
    drain(subscription, client)
    assert client.held["A"].position is None
    assert client.held["B"].is_current
    topic.is_settled = True
    woken = stage.woken
    stage.hub.flush()
    assert stage.woken > woken
    drain(subscription, client)
    assert client.held["A"].is_current


@pytest.mark.parametrize("contract", QUEUED)
def test_nothing_older_than_a_snapshot_arrives_after_it(stage: Stage, contract: Contract) -> None:
    topic = stage.topic()
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    stage.block(topic, value=1)
    topic.publish("b", 2)  # the block has not ended yet
    topic.restart("repaired")
    stage.hub.flush()
    events = events_of(drain(subscription, client))
    assert kinds(events) == ["delta", "delta", "gap", "chunk", "chunk"]
    assert client.held["A"].state == {"a": 1001, "b": 1002}


@pytest.mark.parametrize("contract", EVERY)
def test_a_topic_can_begin_again_without_a_hole(stage: Stage, contract: Contract) -> None:
    topic = stage.topic("A", "whole" if contract is Contract.CONFLATE else "delta")
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    stage.block(topic, value=7)
    subscription.begin_again(topic.topic)
    topic.publish("b", 8)
    stage.hub.flush()
    told = events_of(drain(subscription, client))
    assert kinds(told)[-1] == "chunk"
    assert "gap" not in kinds(told)
    stage.block(topic, value=9)
    drain(subscription, client)
    assert client.held["A"].state == topic.state


@pytest.mark.parametrize("contract", EVERY)
def test_what_has_not_begun_yet_begins_once(stage: Stage, contract: Contract) -> None:
    topic = stage.topic("A", "whole" if contract is Contract.CONFLATE else "delta")
    subscription, client = stage.subscribe(contract, topic)
    subscription.begin_again(topic.topic)
    assert kinds(events_of(drain(subscription, client))) == ["chunk"]


@pytest.mark.parametrize("contract", QUEUED)
def test_nothing_comes_between_the_parts_of_a_snapshot_that_is_one_message(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, contract: Contract
) -> None:
    monkeypatch.setattr(subscriptions, "PIECE_BYTES", 200)
    topics = [stage.topic(symbol) for symbol in "ABC"]
    for topic in topics:
        topic.state = {f"k{number}": number for number in range(5)}
    subscription, client = stage.subscribe(contract, *topics)
    subscription.in_parts = True
    messages = []
    while (message := subscription.take()) is not None:
        messages.append(message)
        client.receive(message)
        for topic in topics:
            stage.block(topic, value=len(messages) % 7) if len(messages) < 20 else None
    for message in messages:
        assert len({event["symbol"] for event in events_of([message]) if event["kind"] == "chunk"}) <= 1
    events = events_of(messages)
    for topic in topics:
        chunks = [
            place
            for place, event in enumerate(events)
            if (event["symbol"], event["kind"]) == (topic.symbol, "chunk")
        ]
        assert chunks == list(range(chunks[0], chunks[0] + len(chunks)))
        assert client.held[topic.symbol].state == topic.state
