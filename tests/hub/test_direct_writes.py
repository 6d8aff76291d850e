"""Who keeps up is written to from the publisher's call, and the slow take their turn."""

from __future__ import annotations

import pytest

from hyperstream.hub.delivery import Contract
from hyperstream.hub.subscription import LATE_BLOCKS

from .stage import EVERY, Stage
from .toys import KEYS, drain


@pytest.mark.parametrize("contract", EVERY)
def test_a_subscriber_that_keeps_up_is_written_to_from_the_publishers_call(
    stage: Stage, contract: Contract
) -> None:
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    can_take = True

    def write(body: bytes) -> bool:
        if can_take:
            client.receive(body)
        return can_take

    subscription.write = write
    subscription.is_idle = True
    stage.block(topic, value=1)
    assert client.held["A"].state == {"a": 1}
    can_take = False
    stage.block(topic, value=2)
    stage.block(topic, value=3)
    assert client.held["A"].state == {"a": 1}
    can_take = True
    subscription.is_idle = False
    stage.block(topic, value=4)
    drain(subscription, client)
    subscription.is_idle = True
    stage.block(topic, value=5)
    assert client.held["A"].state == {"a": 5}
    assert client.held["A"].position == (topic.topic.epoch, 5)


@pytest.mark.parametrize("contract", EVERY)
def test_what_waits_for_its_servers_turn_is_written_by_the_next_block(
    stage: Stage, contract: Contract
) -> None:
    topic = stage.topic(style="whole" if contract is Contract.CONFLATE else "delta")
    subscription, client = stage.subscribe(contract, topic)
    drain(subscription, client)
    for value in (1, 2):  # nothing can be written directly yet
        stage.block(topic, value=value)
    assert subscription.waiting[0]

    def write(body: bytes) -> bool:
        client.receive(body)
        return True

    subscription.write = write
    subscription.is_idle = True
    stage.block(topic, value=3)
    assert subscription.waiting == (0, 0)
    assert client.held["A"].state == {"a": 3}
    assert subscription.take() is None
    assert client.held["A"].position == (topic.topic.epoch, 3)


def test_those_that_keep_up_are_written_to_before_the_slow(stage: Stage) -> None:
    topic = stage.topic()
    order: list[str] = []

    def write(_body: bytes) -> bool:
        order.append("fast")
        return True

    slow, slow_client = stage.subscribe(Contract.RESYNC, topic)
    fast, fast_client = stage.subscribe(Contract.RESYNC, topic)
    drain(slow, slow_client)
    drain(fast, fast_client)
    slow.wake = lambda: order.append("slow")
    fast.write, fast.is_idle = write, True
    for value in range(3):
        stage.block(topic, value=value)
        assert order == ["fast", "slow"]
        order.clear()


def test_late_ones_are_not_even_offered_an_update_before_the_prompt_have_it(stage: Stage) -> None:
    """Their updates come all the same, in order, and none twice when they have caught up."""
    topic = stage.topic()
    late, late_client = stage.subscribe(Contract.LOSSLESS, topic)
    prompt, client = stage.subscribe(Contract.LOSSLESS, topic)
    drain(late, late_client)
    drain(prompt, client)
    waiting = []

    def write(body: bytes) -> bool:
        waiting.append(len(stage.hub.deferred))
        client.receive(body)
        return True

    def is_prompt() -> list[bool]:
        return [prompt.is_prompt, late.is_prompt]

    prompt.write, prompt.is_idle = write, True
    stage.block(topic, value=1)
    assert is_prompt() == [True, False]
    stage.block(topic, value=2)
    assert waiting[-1] == 1

    def write_late(body: bytes) -> bool:
        late_client.receive(body)
        return True

    late.write, late.is_idle = write_late, True
    for value in (3, 4):
        stage.block(topic, value=value)
    assert is_prompt() == [True, True]
    late.is_idle = False
    for value in range(5, 5 + LATE_BLOCKS):
        stage.block(topic, value=value)
    assert is_prompt() == [True, False]
    drain(late, late_client)
    for held in (late_client.held["A"], client.held["A"]):
        assert [values["a"] for _, _, values in held.received] == list(range(1, 5 + LATE_BLOCKS))


def test_a_crowd_that_comes_at_once_shares_one_snapshot_and_gets_what_came_since(stage: Stage) -> None:
    topic = stage.topic(snapshot_lag=5)
    for number in range(4):
        topic.publish(KEYS[number % len(KEYS)], number)
    first, first_client = stage.subscribe(Contract.LOSSLESS, topic)
    drain(first, first_client)
    shared = topic.topic.snapshot(may_lag=True)
    for number in range(5):
        stage.block(topic, value=100 + number)
        later, client = stage.subscribe(Contract.LOSSLESS, topic)
        assert topic.topic.snapshot(may_lag=True) is shared
        drain(later, client)
        assert client.held["A"].state == topic.state
        assert client.held["A"].position == (topic.topic.epoch, topic.topic.sequence)
    stage.block(topic, value=200)
    assert topic.topic.snapshot(may_lag=True) is not shared, "too far behind: a new one is made"
