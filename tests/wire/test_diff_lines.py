"""Cutting a line of diffs into lots gives what parsing all of it gives, whatever stands in it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.wire.diff_lines import Lots, parse_diffs

SYMBOLS = ("BTC", "ETH", "xyz:XYZ100", "@107", "PURR/USDC", "kBONK", "ünï", 'say "hi"')
HEAD = b'{"local_time":"2026-05-05T17:39:16","block_time":"2026-05-05T17:39:13","block_number":7,"events":'
USER = "0x" + "a" * 40

changes = st.one_of(
    st.just("remove"),
    st.builds(lambda size: {"new": {"sz": str(size)}}, st.integers(1, 99)),
    st.builds(lambda size, oid: {"new": {"sz": str(size), "insertBefore": oid}}, *[st.integers(1, 99)] * 2),
    st.builds(lambda was, now: {"update": {"origSz": str(was), "newSz": str(now)}}, *[st.integers(1, 9)] * 2),
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
oddities = st.dictionaries(st.sampled_from(["user", "oid", "coin", "px", "raw_book_diff"]), values)
groupings = st.lists(st.frozensets(symbols, max_size=3), max_size=4).map(
    lambda groups: [group - frozenset().union(*groups[:number]) for number, group in enumerate(groups)]
)


def line_of(events: list[dict[str, Any]], spelling: bytes = b"") -> bytes:
    return HEAD + (spelling or orjson.dumps(events)) + b"}"


def by_market(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Each market's diffs in order; those that name none together."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        coin = event.get("coin")
        found.setdefault(coin if isinstance(coin, str) else "", []).append(event)
    return found


@given(st.lists(diffs, max_size=30), groupings)
def test_lots_hold_what_the_whole_line_holds(
    events: list[dict[str, Any]], groups: list[frozenset[str]]
) -> None:
    lots = list(Lots(groups).of_line(line_of(events)))
    assert len(lots) == len(groups) + 1
    assert by_market([event for lot in lots for event in lot]) == by_market(events)
    assert lots == list(Lots(groups).of_events(events)) or any('"' in event["coin"] for event in events)


@given(st.lists(st.one_of(diffs, oddities), max_size=12), groupings)
def test_whatever_the_events_are_every_market_gets_all_of_its_own_in_order(
    events: list[dict[str, Any]], groups: list[frozenset[str]]
) -> None:
    lots = list(Lots(groups).of_line(line_of(events)))
    assert len(lots) == len(groups) + 1
    assert by_market([event for lot in lots for event in lot]) == by_market(events)


@given(st.lists(diffs, min_size=1, max_size=6), groupings, st.integers(0, 10_000), st.binary(max_size=3))
def test_a_damaged_line_gives_what_parsing_gives_or_is_refused(
    events: list[dict[str, Any]], groups: list[frozenset[str]], at: int, damage: bytes
) -> None:
    line = line_of(events)
    at = len(HEAD) + at % (len(line) - len(HEAD))
    line = line[:at] + damage + line[at + len(damage) :]
    found: list[dict[str, Any]] | None = None
    with suppress(FormatError):
        found = [event for lot in Lots(groups).of_line(line) for event in lot]
    expected: list[dict[str, Any]] | None = None
    with suppress(FormatError):
        expected = parse_diffs(line)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert by_market(found) == by_market(expected)


def test_the_diffs_of_a_group_come_together_and_all_others_last() -> None:
    events = [
        {"user": USER, "oid": oid, "coin": coin} for oid, coin in enumerate(["BTC", "ETH", "SOL", "BTC"])
    ]
    lots = Lots([{"ETH"}, {"BTC"}]).of_line(line_of(events))
    assert [[event["oid"] for event in lot] for lot in lots] == [[1], [0, 3], [2]]


def test_a_line_spelled_with_blanks_is_parsed_whole() -> None:
    spelling = b'[ {"user": "0x1", "coin": "BTC", "oid": 1} , {"user": "0x1", "coin": "ETH", "oid": 2} ]'
    lots = list(Lots([{"ETH"}]).of_line(line_of([], spelling)))
    assert sorted(event["oid"] for lot in lots for event in lot) == [1, 2]


def test_what_is_broken_shows_only_when_its_lot_is_parsed() -> None:
    good, bad = b'{"user":"0x1","oid":1,"coin":"BTC"}', b'{"user":"0x1","oid":x,"coin":"ETH"}'
    lots = Lots([{"BTC"}, {"ETH"}]).of_line(line_of([], b"[" + good + b"," + bad + b"]"))
    assert [event["oid"] for event in next(lots)] == [1]
    with pytest.raises(FormatError, match="not a JSON envelope"):
        next(lots)


@pytest.mark.parametrize("spelling", [b"[]", b"[7]", b'{"a":1}', b"null", b"[{}]"])
def test_lines_of_other_things_are_parsed_as_they_are_or_refused(spelling: bytes) -> None:
    line = line_of([], spelling)
    if spelling in (b"[]", b"[{}]"):
        assert [event for lot in Lots([{"BTC"}]).of_line(line) for event in lot] == parse_diffs(line)
    else:
        with pytest.raises(FormatError):
            list(Lots([{"BTC"}]).of_line(line))
