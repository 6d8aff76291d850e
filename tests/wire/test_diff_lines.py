"""A line of diffs gives what its JSON says, event by event, whatever stands in it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.wire.diff_lines import REMOVE, Change, Diff, parse_diff_texts, parse_diffs, read_diff

SYMBOLS = ("BTC", "ETH", "xyz:XYZ100", "@107", "PURR/USDC", "kBONK", "ünï", 'say "hi"')
HEAD = b'{"local_time":"2026-05-05T17:39:16","block_time":"2026-05-05T17:39:13","block_number":7,"events":'
USER = "0x" + "a" * 40

changes = st.one_of(
    st.just("remove"),
    st.builds(lambda size: {"new": {"sz": str(size)}}, st.integers(1, 99)),
    st.builds(lambda size, oid: {"new": {"sz": str(size), "insertBefore": oid}}, *[st.integers(1, 99)] * 2),
    st.builds(lambda was, now: {"update": {"origSz": str(was), "newSz": str(now)}}, *[st.integers(1, 9)] * 2),
    st.builds(lambda size: {"modified": {"sz": str(size)}}, st.integers(1, 99)),
)
symbols = st.sampled_from(SYMBOLS)
diffs = st.builds(
    lambda oid, coin, side, px, change: {
        "user": USER, "oid": oid, "coin": coin, "side": side, "px": str(px), "raw_book_diff": change
    },
    st.integers(0, 2**63), symbols, st.sampled_from("BA"), st.integers(1, 10**6), changes,
)  # fmt: skip
# What no node has written yet: fields missing, of other types, in another order, in another place.
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 9), symbols, st.sampled_from(["},{", '"coin":"BTC"'])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["coin", "x"]), inner)
    ),
    max_leaves=4,
)
oddities = st.dictionaries(st.sampled_from(["user", "oid", "coin", "px", "side", "raw_book_diff"]), values)


def line_of(events: list[dict[str, Any]], spelling: bytes = b"") -> bytes:
    return HEAD + (spelling or orjson.dumps(events)) + b"}"


def as_object(diff: Diff) -> dict[str, Any]:
    """The node's object that this diff came from."""
    change = diff.change
    told: Any = change
    if isinstance(change, Change):
        if change.new is not None:
            told = {"new": {"sz": change.new.size}}
            if change.new.before_oid is not None:
                told["new"]["insertBefore"] = change.new.before_oid
        elif change.update is not None:
            told = {"update": {"origSz": change.update.size_before, "newSz": change.update.size}}
        else:
            assert change.modified is not None
            told = {"modified": {"sz": change.modified.size}}
    return {
        "user": diff.user, "oid": diff.oid, "coin": diff.symbol, "side": diff.side, "px": diff.price,
        "raw_book_diff": told,
    }  # fmt: skip


@given(st.lists(diffs, max_size=30))
def test_a_line_holds_what_its_json_says(events: list[dict[str, Any]]) -> None:
    assert [as_object(diff) for diff in parse_diffs(line_of(events))] == events
    if all(event["coin"].isascii() for event in events):
        assert parse_diff_texts(orjson.dumps(events)) == parse_diffs(line_of(events))


@given(st.lists(st.one_of(diffs, oddities), max_size=12))
def test_one_odd_event_costs_the_others_of_its_line_nothing(events: list[dict[str, Any]]) -> None:
    found = parse_diffs(line_of(events))
    assert found == [read_diff(event) for event in events]
    for diff, event in zip(found, events, strict=True):
        coin = event.get("coin")
        assert diff.symbol == (coin if isinstance(coin, str) else "")


@given(oddities)
def test_an_odd_event_is_a_diff_or_says_what_is_wrong_with_it(event: dict[str, Any]) -> None:
    change = read_diff(event).change
    assert isinstance(change, Change) or change


@given(st.lists(diffs, min_size=1, max_size=6), st.integers(0, 10_000), st.binary(max_size=3))
def test_a_damaged_line_gives_what_its_json_says_or_is_refused(
    events: list[dict[str, Any]], at: int, damage: bytes
) -> None:
    line = line_of(events)
    at = len(HEAD) + at % (len(line) - len(HEAD))
    line = line[:at] + damage + line[at + len(damage) :]
    found: list[Diff] | None = None
    with suppress(FormatError):
        found = parse_diffs(line)
    expected: list[Diff] | None = None
    with suppress(orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        expected = [read_diff(event) for event in orjson.loads(line)["events"]]
    assert found == expected


def test_fields_may_come_in_any_order_with_blanks_and_with_others_between() -> None:
    (diff,) = parse_diffs(
        line_of(
            [],
            b'[ {"raw_book_diff": "remove", "px": "1.0", "more": [{}], "coin": "BTC", "oid": 1, "user":""} ]',
        )
    )
    assert diff == Diff("", 1, "BTC", "1.0", REMOVE)


@pytest.mark.parametrize("spelling", [b"[7]", b'{"a":1}', b"null", b"[{]", b'[{"oid":x}]', b'["\xff"]'])
def test_lines_of_other_things_are_refused(spelling: bytes) -> None:
    with pytest.raises(FormatError):
        parse_diffs(line_of([], spelling))
    with pytest.raises(FormatError):
        parse_diff_texts(spelling)


def test_a_line_without_events_has_no_diffs() -> None:
    assert parse_diffs(line_of([], b"[]")) == []
