"""Each promise of the delivery contracts by its name; test_machine.py mixes them."""

from __future__ import annotations

import orjson
import pytest

from hyperstream.hub import conflated
from hyperstream.hub import subscription as subscriptions
from hyperstream.hub.hub import Hub
from hyperstream.hub.log import HISTORY, SEGMENT_ENTRIES
from hyperstream.hub.subscription import LATE_BLOCKS, Contract, OutboxLimits
from hyperstream.market.updates import NOTICE_DRAINING, NoticeNote, ResumePoint

from .stage import EVERY, QUEUED, Stage, events_of, kinds
from .toys import KEYS, Client, drain

FEW = OutboxLimits(max_messages=3, max_bytes=1_000_000)
SOON = NoticeNote(NOTICE_DRAINING, 5, (), "soon")


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


# --- snapshots ---


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


# --- resuming ---


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


# --- direct writes ---


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
