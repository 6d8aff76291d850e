"""A subscription kept open: what is resumed, when a loss is an error, and how long it waits."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import trio

from hyperstream.cli.views.books import BooksView
from hyperstream.cli.views.feed import Connection, Feed
from hyperstream.cli.views.tape import TapeView
from hyperstream.cli.watch import following as following_module
from hyperstream.cli.watch.following import Follower, wait_seconds
from hyperstream.errors import RpcError, ServerUnavailable
from tests.cli.scripts import ASKS, BIDS, script
from tests.processes import PATIENCE_SECONDS


def follower(server: Any, view: Any, subscribe: Any, **options: Any) -> Follower:
    async def receive(events: Any) -> bool:
        await trio.lowlevel.checkpoint()
        return any([view.apply(event, 0) for event in events])  # noqa: C419  # apply them all

    return Follower(
        server.target, subscribe, receive, view.feed, view.expect_fresh_start, jitter=lambda: 1.0, **options
    )


class SeenEnoughError(Exception):
    """Ends a follower from inside a test: it must fly through."""


async def test_a_lost_stream_is_subscribed_again_with_a_fresh_snapshot(
    scripted_server: Any, make: Any
) -> None:
    events = make("BTC")

    def breaks(request: Any, context: Any) -> Iterator[Any]:
        yield events.snapshot(BIDS, ASKS)
        context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    scripted_server.scripts = [breaks, script(events.snapshot({"10.5": "1.0"}, {}))]
    view = BooksView(Feed(scripted_server.target))
    states: list[tuple[Connection, bool]] = []

    async def receive(batch: Any) -> bool:
        await trio.lowlevel.checkpoint()
        for event in batch:
            view.apply(event, 0)
        states.append((view.feed.connection, view.ladders["BTC"].book.is_current))
        if view.feed.reconnects:
            raise SeenEnoughError
        return False

    def on_lost() -> None:
        view.expect_fresh_start()
        states.append((view.feed.connection, view.ladders["BTC"].book.is_current))

    following = Follower(
        scripted_server.target,
        lambda client, resume: client.subscribe_orderbook(["BTC"]),
        receive,
        view.feed,
        on_lost,
        jitter=lambda: 1.0,
    )
    with trio.fail_after(20), pytest.raises(SeenEnoughError):
        await following.run()
    live, old = (Connection.LIVE, True), (Connection.LIVE, False)
    assert states == [live, old, live]
    assert view.ladders["BTC"].book.bids[0].price_e8 == 1_050_000_000


async def test_without_reconnect_a_loss_is_an_error(scripted_server: Any, make: Any) -> None:
    def breaks(request: Any, context: Any) -> Iterator[Any]:
        yield make("BTC").snapshot(BIDS, ASKS)
        context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    scripted_server.scripts = [breaks]
    view = BooksView(Feed(scripted_server.target))
    following = follower(
        scripted_server, view, lambda client, resume: client.subscribe_orderbook(["BTC"]), reconnect=False
    )
    with trio.fail_after(30), pytest.raises(RpcError, match="going away"):
        await following.run()


async def test_without_reconnect_the_end_of_the_stream_is_the_end(scripted_server: Any, make: Any) -> None:
    scripted_server.scripts = [script(make("BTC").snapshot(BIDS, ASKS))]
    view = BooksView(Feed(scripted_server.target))
    following = follower(
        scripted_server, view, lambda client, resume: client.subscribe_orderbook(["BTC"]), reconnect=False
    )
    with trio.fail_after(30):
        await following.run()
    assert view.feed.connection is Connection.ENDED


async def test_trades_resume_after_the_last_event_received(scripted_server: Any, make: Any) -> None:
    events = make("BTC")
    scripted_server.scripts = [
        script(events.trades(("10.0", "1.0", True)), events.trades(("10.0", "1.0", True))),
        script(),
    ]
    view = TapeView(Feed(scripted_server.target))
    resumes: list[list[tuple[str, int, int]]] = []

    def subscribe(client: Any, resume: Any) -> Any:
        resumes.append([(point.symbol, point.epoch, point.sequence) for point in resume])
        if len(resumes) == 2:
            raise SeenEnoughError
        return client.subscribe_trades(["BTC"], resume=resume)

    following = follower(scripted_server, view, subscribe, reconnect=True, does_resume=True)
    with trio.fail_after(20), pytest.raises(SeenEnoughError):
        await following.run()
    assert resumes == [[], [("BTC", 1, 2)]]


async def test_silence_without_heartbeats_is_a_loss(
    scripted_server: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following_module, "SILENCE_SECONDS", 0.05)
    release = threading.Event()

    def silent(request: Any, context: Any) -> Iterator[Any]:
        yield make("BTC").snapshot(BIDS, ASKS)
        release.wait(PATIENCE_SECONDS)

    scripted_server.scripts = [silent]
    view = BooksView(Feed(scripted_server.target))
    following = follower(
        scripted_server, view, lambda client, resume: client.subscribe_orderbook(["BTC"]), reconnect=False
    )
    with trio.fail_after(20), pytest.raises(ServerUnavailable, match="has been silent"):
        await following.run()
    release.set()


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(0, 0.125, 0.25), (1, 0.25, 0.5), (4, 2, 4), (9, 2.5, 5), (999, 2.5, 5)]
)
def test_backoff_doubles_up_to_five_seconds_and_is_jittered(attempt: int, least: float, most: float) -> None:
    assert wait_seconds(attempt, 0.0) == most
    assert wait_seconds(attempt, 1.0) == least
