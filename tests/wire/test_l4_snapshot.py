"""L4 snapshots read in pieces, against a plain JSON reading."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import SnapshotError
from hyperstream.wire import l4_snapshot
from hyperstream.wire.l4_snapshot import check_is_complete, read_snapshot, snapshot_height

from .test_statuses import order

Orders = dict[str, dict[str, list[int]]]


def snapshot(
    markets: dict[str, tuple[list[int], list[int]]], *, height: int | None = 7, users: bool = True
) -> bytes:
    def row(oid: int) -> Any:
        each = order(oid, is_trigger=oid % 7 == 0, children=oid % 3)
        return ["0x" + f"{oid:040x}", each] if users else each

    body = [[coin, [[row(oid) for oid in side] for side in sides]] for coin, sides in markets.items()]
    return orjson.dumps(body if height is None else [height, body]) + b"\n"


def read(data: bytes) -> Orders:
    found: Orders = {}
    for piece in read_snapshot(data):
        oids = found.setdefault(piece.symbol, {}).setdefault(piece.side, [])
        for user, each in piece.orders:
            assert user in ("", f"0x{each['oid']:040x}")
            oids.append(each["oid"])
    return found


def expected(markets: dict[str, tuple[list[int], list[int]]]) -> Orders:
    return {
        coin: {name: [oid for oid in side if oid % 7] for name, side in zip("BA", sides, strict=True)}
        for coin, sides in markets.items()
    }


oids = st.lists(st.integers(1, 10**6), max_size=12)
some_markets = st.dictionaries(
    st.sampled_from(["BTC", "@107", "PURR/USDC", "xyz:XYZ100", "0xABC"]), st.tuples(oids, oids)
)


@given(some_markets, st.sampled_from([0, 7, None]), st.booleans(), st.sampled_from([1, 500, 2000, 10**6]))
def test_pieces_of_any_size_hold_what_a_json_reading_finds(
    markets: dict[str, tuple[list[int], list[int]]], height: int | None, users: bool, piece_bytes: int
) -> None:
    data = snapshot(markets, height=height, users=users)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(l4_snapshot, "PIECE_BYTES", piece_bytes)
        assert read(data) == expected(markets)
    assert snapshot_height(data) == height


@given(some_markets, st.sampled_from([7, None]), st.booleans(), st.sampled_from([None, 1]))
def test_a_snapshot_that_another_program_spelled_with_blanks_holds_the_same(
    markets: dict[str, tuple[list[int], list[int]]], height: int | None, users: bool, indent: int | None
) -> None:
    compact = snapshot(markets, height=height, users=users)
    data = json.dumps(json.loads(compact), indent=indent).encode()
    assert read(data) == expected(markets)
    assert snapshot_height(data) == height


@given(some_markets.filter(bool), st.data())
def test_a_half_written_snapshot_is_never_taken_for_a_whole_one(
    markets: dict[str, tuple[list[int], list[int]]], data: st.DataObject
) -> None:
    whole = snapshot(markets).rstrip()
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(SnapshotError):
        list(read_snapshot(part))


@given(st.binary(max_size=120))
def test_any_bytes_give_orders_or_our_own_error(data: bytes) -> None:
    try:
        list(read_snapshot(data))
    except SnapshotError:
        return


@pytest.mark.parametrize("data", [b"[7]", b"[7,5 ]", b"[[1,[[],[]]]]", b'[["BTC",[[]]]]'])
def test_other_lists_than_of_markets_are_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        list(read_snapshot(data))


def test_the_message_says_where_a_snapshot_breaks_off() -> None:
    whole = snapshot({"BTC": ([1], [2])}).rstrip()
    with pytest.raises(SnapshotError, match="not complete"):
        check_is_complete(whole[:-2])


def triggers(data: bytes, wanted: set[str] | None = None) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for piece in read_snapshot(data, wanted):
        oids = found.setdefault(piece.symbol, {}).setdefault(piece.side, [])
        oids += [each["oid"] for _, each in piece.triggers]
    return found


@given(some_markets, st.booleans(), st.sampled_from([1, 500, 10**6]))
def test_trigger_orders_come_apart_from_those_that_rest(
    markets: dict[str, tuple[list[int], list[int]]], users: bool, piece_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(l4_snapshot, "PIECE_BYTES", piece_bytes)
        assert triggers(snapshot(markets, users=users)) == {
            coin: {name: [oid for oid in side if not oid % 7] for name, side in zip("BA", sides, strict=True)}
            for coin, sides in markets.items()
        }


def test_of_a_market_passed_over_the_last_trigger_order_is_told_and_no_order_that_rests() -> None:
    data = snapshot({"BTC": ([1, 2, 7, 14], [3, 7, 14]), "@107": ([1, 2], [7, 3])})
    assert triggers(data, set()) == {"BTC": {"B": [14], "A": [14]}, "@107": {"B": [], "A": []}}
    assert all(not piece.orders for piece in read_snapshot(data, set()))
