"""bytes → message → route: order, independence, failures, policies, statistics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hyperstream.errors import ConfigurationError
from hyperstream.sockets import Policy, Router


def make_router(**settings: Any) -> Router:
    return Router(decode=json.loads, key=lambda message: message["r"], **settings)


def data(route: str, number: int = 0, **more: Any) -> bytes:
    return json.dumps({"r": route, "n": number, **more}).encode()


async def feed(router: Router, messages: list[bytes]) -> None:
    for message in messages:
        waiting = router.receive(message)
        if waiting is not None:
            await waiting


async def run(router: Router, *, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await router.run()


@asynccontextmanager
async def running(router: Router) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(run, router)
        yield
        router.finish()


def test_a_plain_handler_is_called_at_once_and_needs_no_task() -> None:
    router, got = make_router(), []
    router.add("a", handler=lambda message: got.append(message["n"]))
    assert router.receive(data("a", 7)) is None
    assert got == [7]


async def test_messages_of_one_route_are_handled_in_order() -> None:
    router, got = make_router(), []

    async def slow_at_first(message: Any) -> None:
        for _ in range(10 - message["n"]):
            await trio.lowlevel.checkpoint()
        got.append(message["n"])

    router.add("a", handler=slow_at_first)
    async with running(router):
        await feed(router, [data("a", number) for number in range(10)])
    assert got == list(range(10))


async def test_routes_do_not_wait_for_each_other() -> None:
    router, opened = make_router(), trio.Event()
    got: list[object] = []

    async def stuck(_message: Any) -> None:
        await opened.wait()
        got.append("stuck")

    async def free(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        got.append(message["n"])

    router.add("stuck", handler=stuck)
    router.add("free", handler=free)
    async with running(router):
        await feed(router, [data("stuck"), data("free", 1), data("free", 2)])
        await trio.testing.wait_all_tasks_blocked()
        assert got == [1, 2]
        opened.set()
    assert got == [1, 2, "stuck"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_failing_handler_loses_its_message_not_its_route(is_async: bool) -> None:
    router, got = make_router(), []

    def handle(message: Any) -> None:
        if message["n"] % 2:
            raise ValueError(f"odd: {message['n']}")
        got.append(message["n"])

    async def handle_later(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        handle(message)

    router.add("a", handler=handle_later if is_async else handle)
    with capture_logs() as logs:
        async with running(router):
            await feed(router, [data("a", number) for number in range(10)])
    assert got == [0, 2, 4, 6, 8]
    statistics = router.statistics().routes["a"]
    assert (statistics.received, statistics.handled, statistics.failed) == (10, 5, 5)
    assert [line["event"] for line in logs] == ["a handler failed and lost its message"], "once per cause"
    assert logs[0]["route"] == "a"


def test_what_cannot_be_decoded_is_counted_and_logged_once_per_cause() -> None:
    router = make_router()
    got: list[Any] = []
    router.add("a", handler=got.append)
    with capture_logs() as logs:
        for junk in (b"\xff\xfe", b"{", b"[1", b'"text"', b"[]", b"{}", b'{"r": []}', b"null"):
            router.receive(junk)
        router.receive(data("a"))
    assert len(got) == 1
    assert router.statistics().undecodable == 8
    assert len(logs) == len({line["event"] + line["detail"] for line in logs}) <= 5


@given(st.binary(max_size=200))
def test_no_bytes_get_past_the_router_as_an_error(junk: bytes) -> None:
    router = make_router()
    router.add(handler=lambda _message: None)
    assert router.receive(junk) is None


def test_what_has_no_route_is_counted_and_the_rest_has_one_of_its_own() -> None:
    router = make_router()
    rest: list[Any] = []
    with capture_logs() as logs:
        router.receive(data("a"))
        router.receive(data("a"))
    assert router.statistics().unrouted == 2
    assert len(logs) == 1
    router.add(handler=rest.append)
    router.receive(data("a"))
    assert len(rest) == 1
    assert router.statistics().unrouted == 2


async def test_block_lets_the_reader_wait_and_loses_nothing() -> None:
    router, got, opened = make_router(), [], trio.Event()

    async def handle(message: Any) -> None:
        await opened.wait()
        got.append(message["n"])

    router.add("a", handler=handle, max_queue=3)
    async with running(router), trio.open_nursery() as nursery:
        nursery.start_soon(feed, router, [data("a", number) for number in range(20)])
        await trio.testing.wait_all_tasks_blocked()
        statistics = router.statistics().routes["a"]
        assert (statistics.depth, statistics.received) == (3, 5), "one handled, three queued, one waits"
        opened.set()
    assert got == list(range(20))
    assert router.statistics().routes["a"].peak == 3
    assert router.statistics().routes["a"].dropped == 0


@pytest.mark.parametrize(
    ("policy", "kept"), [(Policy.DROP_OLDEST, [17, 18, 19]), (Policy.DROP_NEWEST, [0, 1, 2])]
)
async def test_a_full_queue_drops_what_its_policy_says_and_counts_it(policy: Policy, kept: list[int]) -> None:
    router, got = make_router(), []

    async def handle(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        got.append(message["n"])

    router.add("a", handler=handle, policy=policy, max_queue=3)
    async with running(router):
        for number in range(20):
            assert router.receive(data("a", number)) is None
    assert got == kept
    assert router.statistics().routes["a"].dropped == 17


async def test_conflate_keeps_the_newest_of_each_key_in_the_place_of_the_first() -> None:
    router, got = make_router(), []

    async def handle(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        got.append((message["k"], message["n"]))

    router.add("a", handler=handle, policy=Policy.CONFLATE, conflate_key=lambda m: m["k"], max_queue=3)
    async with running(router):
        for number, key in enumerate("xyxzxwy"):  # w is the fourth key: x, which waited longest, goes
            router.receive(data("a", number, k=key))
    assert got == [("y", 6), ("z", 3), ("w", 5)]
    statistics = router.statistics().routes["a"]
    assert (statistics.conflated, statistics.dropped, statistics.peak) == (3, 1, 3)


async def test_a_failing_conflate_key_costs_one_message() -> None:
    router = make_router()

    async def handle(_message: Any) -> None: ...

    router.add("a", handler=handle, policy=Policy.CONFLATE, conflate_key=lambda m: m["missing"])
    async with running(router):
        router.receive(data("a"))
    assert router.statistics().routes["a"].failed == 1


async def test_the_end_of_a_batch_is_told_and_may_be_awaited() -> None:
    ended: list[str] = []

    async def flush() -> None:
        await trio.lowlevel.checkpoint()
        ended.append("flushed")

    router = make_router(on_batch_end=flush)
    finishing = router.end_batch()
    assert isinstance(finishing, Awaitable)
    await finishing
    assert ended == ["flushed"]


def test_a_failing_batch_end_is_counted() -> None:
    def fail() -> None:
        raise ValueError("no")

    router = make_router(on_batch_end=fail)
    router.end_batch()
    assert router.statistics().failed_batch_ends == 1


def test_statistics_say_how_long_decoding_and_handling_took() -> None:
    router = make_router()
    router.add("a", handler=lambda _message: None)
    for _ in range(100):
        router.receive(data("a"))
    statistics = router.statistics().routes["a"]
    assert statistics.parse_seconds > 0
    assert statistics.handling_seconds > 0


async def test_a_route_can_be_added_and_removed_while_running() -> None:
    router, got = make_router(), []

    async def handle(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        got.append(message["n"])

    async with running(router):
        router.add("a", handler=handle)
        router.receive(data("a", 1))
        router.remove("a")
        router.receive(data("a", 2))
    assert got == [1], "what it had is handled, what comes later is not"
    assert router.statistics().unrouted == 1
    with pytest.raises(ConfigurationError, match="no route has the key 'a'"):
        router.remove("a")


async def test_a_message_that_waits_for_room_is_counted_when_the_reader_is_cancelled() -> None:
    router = make_router()

    async def handle(_message: Any) -> None:
        await trio.sleep_forever()

    router.add("a", handler=handle, max_queue=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(router.run)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as feeding:
                feeding.start_soon(feed, router, [data("a", number) for number in range(5)])
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        nursery.cancel_scope.cancel()
    assert router.statistics().routes["a"].dropped == 1, "the one that waited for room"
    assert router.release() == 2, "the one in the queue, and the one in the handler's hands"
    assert router.statistics().routes["a"].dropped == 3


async def ignore(_message: Any) -> None: ...


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"handler": print, "policy": Policy.DROP_OLDEST}, "an ordinary function is called at once"),
        ({"handler": print, "max_queue": 5}, "an ordinary function is called at once"),
        ({"handler": ignore, "max_queue": 0}, "max_queue is 0"),
        ({"handler": ignore, "policy": Policy.CONFLATE}, "no key"),
        ({"handler": ignore, "conflate_key": len}, "a key with BLOCK"),
    ],
)
def test_an_impossible_route_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        make_router().add("a", **settings)


def test_a_key_has_one_route() -> None:
    router = make_router()
    router.add("a", "b", handler=print)
    router.add(handler=print)
    with pytest.raises(ConfigurationError, match="the key 'b' has a route already"):
        router.add("b", handler=print)
    with pytest.raises(ConfigurationError, match="have a route already"):
        router.add(handler=print, name="rest")
    with pytest.raises(ConfigurationError, match="there is a route 'a' already"):
        router.add("c", handler=print, name="a")


def test_an_object_with_an_async_call_gets_a_task() -> None:
    class Handler:
        async def __call__(self, message: Any) -> None: ...

    router = make_router()
    assert router.add("a", handler=Handler(), max_queue=5).depth == 0


def test_a_plain_function_that_returns_a_coroutine_is_found_out() -> None:
    router = make_router()
    router.add("a", handler=lambda message: ignore(message))
    with capture_logs() as logs:
        router.receive(data("a"))
    assert router.statistics().routes["a"].failed == 1
    assert "declare it async def" in str(logs[0]["exc_info"])
