"""Random trouble, in any order: no subscription is ever lost, each gap is told, nothing stays behind."""

from __future__ import annotations

import gc
import random
import weakref
from itertools import pairwise
from typing import Any

import trio
import trio.testing
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from hyperstream.sockets import (
    Connection,
    ExponentialBackoff,
    Gap,
    Heartbeat,
    Missed,
    Restored,
    State,
    StateChange,
    Subscription,
)

from .frames import CONTINUATION, TEXT, frame
from .venue import Venue, Visit, toy_router

KEYS = [f"k{number}" for number in range(12)]
GARBAGE = [
    frame(0x7, b"unknown opcode"),
    frame(CONTINUATION, b"of nothing"),
    frame(TEXT, b"masked", masked=True),
    frame(TEXT, b"x" * 5000),
    b"\xff" * 50,
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from(KEYS)),
        st.tuples(st.just("unwant"), st.sampled_from(KEYS)),
        st.tuples(st.just("renew"), st.sampled_from(KEYS)),
        st.tuples(st.just("publish"), st.sampled_from(KEYS)),
        st.tuples(st.just("mute"), st.sampled_from(KEYS)),
        st.tuples(st.just("hang up"), st.none()),
        st.tuples(st.just("say goodbye"), st.sampled_from([1000, 1001, 1011, 1012, 1013, 4000])),
        st.tuples(st.just("stall"), st.none()),
        st.tuples(st.just("ignore commands"), st.booleans()),
        st.tuples(st.just("refuse"), st.lists(st.sampled_from(KEYS), max_size=3)),
        st.tuples(st.just("refuse connections"), st.integers(1, 4)),
        st.tuples(st.just("garbage"), st.sampled_from(GARBAGE)),
        st.tuples(st.just("junk message"), st.sampled_from([b"", b"{", b"[]", b'{"ok": []}', b"\xff"])),
        st.tuples(st.just("reconnect"), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 3.0, 12.0, 40.0])),
    ),
    max_size=40,
)


@define(eq=False)
class Trial:
    """One connection to one venue, whatever happens to it, and what is true of it afterwards."""

    venue: Venue
    desired: set[str] = field(factory=set)
    muted: set[str] = field(factory=set)
    is_ignoring: bool = False
    refused_connections: int = 0
    seen: dict[str, list[int]] = field(factory=dict)
    gaps: dict[str, int] = field(factory=dict)

    async def behave(self, visit: Visit, command: dict[str, Any]) -> None:
        if not self.is_ignoring:
            await visit.obey(command)

    def refuse(self, _number: int) -> None:
        if self.refused_connections:
            self.refused_connections -= 1
            raise OSError("no route to host")

    def subscription(self, key: str) -> Subscription:
        def on_gap(_gap: Gap) -> None:
            self.gaps[key] = self.gaps.get(key, 0) + 1

        return Subscription(key, max_silence_seconds=30.0 if key < "k4" else None, on_gap=on_gap)

    async def step(self, connection: Connection, name: str, value: Any) -> None:
        visit = self.venue.visits[-1] if self.venue.visits else None
        match name:
            case "want":
                self.desired.add(value)
                connection.subscribe_nowait(self.subscription(value))
            case "unwant":
                self.desired.discard(value)
                connection.unsubscribe_nowait(value)
            case "renew":
                connection.renew(value, "asked for")
            case "mute":
                self.muted ^= {value}
            case "ignore commands":
                self.is_ignoring = value
            case "refuse":
                self.venue.bad = set(value)
            case "refuse connections":
                self.refused_connections = value
            case "reconnect":
                connection.reconnect("asked for")
            case "wait":
                await trio.sleep(value)
            case _ if visit is not None:
                await self.trouble(visit, name, value)

    async def trouble(self, visit: Visit, name: str, value: Any) -> None:
        try:
            match name:
                case "publish" if value in visit.subscribed and value not in self.muted:
                    await visit.publish(value)
                case "hang up":
                    await visit.hang_up()
                case "say goodbye":
                    with trio.move_on_after(1):
                        await visit.socket.aclose(value, "so long")
                case "stall":
                    visit.deafen()
                case "garbage":
                    await visit.blurt(value)
                case "junk message":
                    await visit.blurt(frame(TEXT, value))
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            await trio.lowlevel.checkpoint()  # it is gone already
        except Exception as error:
            if type(error).__name__ != "ConnectionClosed":
                raise

    def calm(self) -> None:
        """No more trouble from now on."""
        self.is_ignoring, self.refused_connections = False, 0
        self.venue.bad.clear()
        self.muted.clear()


async def live(steps: list[tuple[str, Any]], seed: int) -> None:
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        venue = Venue(nursery)
        trial = Trial(venue)
        venue.behave, venue.refuse = trial.behave, trial.refuse
        connection = venue.connect(
            toy_router([]),
            heartbeat=Heartbeat(10.0, 5.0),
            reconnect=ExponentialBackoff(0.1, 4.0, rng=random.Random(seed)),
            message_rate=20.0,
            message_burst=5,
            subscribe_batch=4,
            acknowledge_seconds=5.0,
            refused_seconds=15.0,
            max_message_bytes=4000,
        )
        async with connection:
            events = connection.events(capacity=100_000)
            for name, value in steps:
                await trial.step(connection, name, value)
                assert {one.key for one in connection.desired} == trial.desired, "nothing is lost on the way"
            trial.calm()
            for _ in range(12):
                await trio.sleep(10)
                for key in list(venue.visit.subscribed) if venue.visits else ():
                    await trial.trouble(venue.visit, "publish", key)
            # Once things are calm, the venue sends exactly what is desired.
            assert connection.state is State.CONNECTED
            assert set(connection.active) == trial.desired
            assert set(venue.visit.subscribed) == trial.desired
        check_events([event async for event in events], trial)
        session_gone = weakref.ref(connection)
        del connection, events
        nursery.cancel_scope.cancel(reason="the trial is over")
    del venue, trial, nursery
    gc.collect()
    assert session_gone() is None, "no memory stays behind"
    assert trio.lowlevel.current_statistics().tasks_living == tasks_before, "no task stays behind"


def check_events(events: list[Any], trial: Trial) -> None:
    """Each loss of a connection told a gap to whatever was sent on it; states follow each other."""
    assert not [event for event in events if isinstance(event, Missed)]
    changes = [event for event in events if isinstance(event, StateChange)]
    assert all(one.new is other.old for one, other in pairwise(changes))
    assert changes[-1].new is State.SHUTTING_DOWN
    told: dict[str, int] = {}
    has_gap: set[Any] = set()
    for event in events:
        if isinstance(event, Gap):
            has_gap |= set(event.keys)
            for key in event.keys:
                told[str(key)] = told.get(str(key), 0) + 1
        elif isinstance(event, Restored):
            assert set(event.keys) <= has_gap, "nothing is restored that had no gap"
            has_gap -= set(event.keys)
    assert told == trial.gaps, "who listens to a subscription is told what the connection tells"
    assert has_gap & trial.desired == trial.desired, "the last gap is the end of the connection"


@settings(max_examples=settings().max_examples // 2)
@given(STEPS, st.integers(0, 2**16))
def test_no_subscription_is_lost_whatever_happens(steps: list[tuple[str, Any]], seed: int) -> None:
    trio.run(live, steps, seed, clock=MockClock(autojump_threshold=0))


def test_a_thousand_random_disconnects_lose_nothing() -> None:
    """The same with a long script, and data that flows: no message is missed without a gap."""

    async def main() -> None:
        rng = random.Random(4)
        async with trio.open_nursery() as nursery:
            venue, missed_silently = Venue(nursery), []
            last: dict[str, int] = {}
            gap_open: set[str] = set(KEYS)

            def check(message: dict[str, Any]) -> None:
                key, number = message["key"], message["n"]
                if key not in gap_open and number != last[key] + 1:
                    missed_silently.append((key, last[key], number))
                gap_open.discard(key)
                last[key] = number

            def note_gap(gap: Gap) -> None:
                gap_open.update(map(str, gap.keys))

            router = toy_router([])
            router.add(*KEYS, handler=check)
            async with venue.connect(
                router, reconnect=ExponentialBackoff(0.05, 0.2, rng=rng), subscribe_batch=5
            ) as connection:
                connection.subscribe_nowait(*(Subscription(key, on_gap=note_gap) for key in KEYS))
                for _ in range(1000):
                    await connection.wait_state(State.CONNECTED)
                    await trio.sleep(rng.choice([0.0, 0.0, 0.001, 1.0]))
                    for key in rng.sample(KEYS, 3):
                        if key in venue.visit.subscribed:
                            await venue.visit.publish(key)
                    await venue.visit.hang_up()
                    await connection.wait_state(State.RECONNECTING)
                await trio.sleep(10)
                assert set(connection.active) == set(KEYS)
                assert connection.statistics().losses == 1000
            assert missed_silently == []

    trio.run(main, clock=MockClock(autojump_threshold=0))
