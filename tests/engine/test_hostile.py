"""Nothing a node could write ends the daemon: odd values are counted, and the next block is as ever."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.hub.directory import BookVariant
from hyperstream.wire.node_blocks import SnapshotBegun, SnapshotEnded, SnapshotOrders

from .handmade import change, diffs, fill, fills, new, remove, snapshot_row, status, statuses
from .rebuilt import kinds
from .world import WITH_STATUSES, Follower, World

ODD: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["", "-1.0", "1e9", "NaN", "0.0", "B", "A", "BTC", "1" * 200, "\x00"]),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["new", "update", "sz", "newSz", "origSz"]), st.just("1.0"), max_size=3),
)
CHANGES = st.one_of(
    ODD,
    st.fixed_dictionaries({"new": st.fixed_dictionaries({"sz": ODD | st.just("1.0"), "insertBefore": ODD})}),
    st.fixed_dictionaries({"update": st.fixed_dictionaries({"origSz": ODD, "newSz": ODD})}),
)


@st.composite
def spoiled(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """The same object, some of its values odd and some missing."""
    result = dict(whole)
    for key in draw(st.sets(st.sampled_from(sorted(whole)), min_size=1, max_size=3)):
        if draw(st.integers(0, 3)):
            result[key] = draw(CHANGES if key == "raw_book_diff" else ODD)
        else:
            del result[key]
    return result


def everything_followed(world: World) -> list[Follower]:
    market = world.engine.market("BTC")
    assert market is not None
    topics = [
        market.book_stream(BookVariant(5)),
        market.bbo_stream(),
        market.trades_stream(),
        market.orders_stream(),
    ]
    followers = [world.follow(topic) for topic in topics]
    for follower in followers:
        follower.take()
    return followers


def check_alive(world: World, followers: list[Follower], height: int) -> None:
    """A good block after the odd ones reaches everybody."""
    for follower in followers:
        follower.take()
    order = 10**9 + height
    good = diffs(height, new(order, "7.0", price="100.5"))
    world.apply(good, statuses(height, status(order)), fills(height, order))
    expected = [["delta"], ["bbo"], ["trades"], ["delta"]]
    assert [kinds(follower.take())[-1:] for follower in followers] == expected


@given(st.lists(spoiled(change(1, {"new": {"sz": "1.0"}})) | spoiled(remove(2)), min_size=1, max_size=4))
def test_odd_diffs(events: list[dict[str, Any]]) -> None:
    world = World()
    followers = everything_followed(world)
    world.apply(diffs(1, new(2)), diffs(2, *events))
    world.request_repairs()
    world.apply(diffs(3, *events))
    check_alive(world, followers, 4)


@given(st.data())
def test_odd_fills(data: st.DataObject) -> None:
    world = World()
    followers = everything_followed(world)
    block = fills(1, 1)
    for side in "BA":
        user, told = fill(2, side)
        block.events.append([data.draw(ODD | st.just(user)), data.draw(spoiled(told))])
    world.apply(block)
    check_alive(world, followers, 2)


@given(st.data())
def test_odd_orders_in_statuses_and_snapshots(data: st.DataObject) -> None:
    world = World(WITH_STATUSES)
    followers = everything_followed(world)
    odd = {key: value for key, value in data.draw(spoiled(snapshot_row(1)[1])).items() if key != "oid"}
    try:
        told = status(1, **odd)
    except TypeError:  # a number that JSON has no spelling for
        told = status(1)
    world.apply(diffs(1, new(1)), statuses(1, told))
    row = data.draw(spoiled(snapshot_row(3)[1]))
    user = data.draw(ODD | st.just("0x1"))
    world.apply(SnapshotBegun(1, is_full=True), SnapshotOrders("BTC", "B", [(user, row)]), SnapshotEnded(1))
    check_alive(world, followers, 2)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b'"status":"open"', b'"events":[]}']), max_size=3))
def test_odd_lines_of_statuses(lines: list[bytes]) -> None:
    world = World(WITH_STATUSES)
    followers = everything_followed(world)
    block = statuses(1, status(1))
    block.lines += lines
    world.apply(diffs(1, new(1)), block)
    check_alive(world, followers, 2)
