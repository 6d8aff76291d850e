"""Books against a naive model, through the node's own diffs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from hyperstream.market.book import ADDED, REMOVED, UPDATED, Book
from hyperstream.wire.diff_lines import read_diff
from hyperstream.wire.diffs import Applied, DiffApplier

from .flows import blocks
from .naive import NaiveBook, levels_of, queue_of

USER = "0x" + "1" * 40


def applier_for(book: Book, reports: list[tuple[str, str]] | None = None) -> DiffApplier:
    seen = reports if reports is not None else []
    return DiffApplier(lambda _, cause, text: seen.append((cause, text)))


def apply(applier: DiffApplier, book: Book, events: list[dict[str, Any]]) -> None:
    """Apply diffs given as the node's objects."""
    applier.apply(book, [read_diff(event) for event in events], Applied())


def diff(
    oid: int, change: object, side: str | None = "B", px: str = "100.0", coin: str = "BTC"
) -> dict[str, Any]:
    event = {"user": USER, "oid": oid, "coin": coin, "side": side, "px": px, "raw_book_diff": change}
    return {key: value for key, value in event.items() if value is not None}


def new(oid: int, size: str = "1.0", **where: Any) -> dict[str, Any]:
    before = where.pop("before", None)
    return diff(oid, {"new": {"sz": size} | ({"insertBefore": before} if before else {})}, **where)


@given(blocks())
def test_the_book_equals_a_naive_one_after_every_block(flow: list[list[dict[str, Any]]]) -> None:
    book, naive = Book("BTC"), NaiveBook()
    reports: list[tuple[str, str]] = []
    applier = applier_for(book, reports)
    for events in flow:
        apply(applier, book, events)
        for event in events:
            naive.apply(event)
        for side in "BA":
            assert queue_of(book, side) == naive.queue(side)
            assert levels_of(book, side) == naive.levels(side)
        assert not book.is_crossed
        assert book.order_count == len(naive.queue("B")) + len(naive.queue("A"))
    assert reports == []


@given(blocks())
def test_invariants_of_levels_and_keys(flow: list[list[dict[str, Any]]]) -> None:
    book = Book("BTC")
    applier = applier_for(book)
    for events in flow:
        apply(applier, book, events)
        for side in book.sides():
            assert side.keys == sorted(side.levels)
            assert side.prices == {level.price: level for level in side.levels.values()}
            for key, level in side.levels.items():
                assert level.key == key
                assert level.orders
                assert level.size_e8 == sum(order.size_e8 for order in level.orders.values())
                assert all(order.size_e8 > 0 and order.level is level for order in level.orders.values())


@given(blocks(), blocks())
def test_a_side_watched_later_is_in_order_from_then_on(
    flow: list[list[dict[str, Any]]], after: list[list[dict[str, Any]]]
) -> None:
    book = Book("BTC")
    applier = applier_for(book)
    for events in flow:
        apply(applier, book, events)
        assert not book.is_watched
        assert not book.is_crossed
    book.watch()
    for events in after:
        apply(applier, book, [event | {"oid": event["oid"] + 10**6} for event in events])
        for side in book.sides():
            assert side.keys == sorted(side.levels)
            best = side.best
            assert best is None or best.key == side.keys[-1]
    book.unwatch()
    assert not book.is_watched


@given(blocks())
def test_touched_holds_every_level_that_changed(flow: list[list[dict[str, Any]]]) -> None:
    book = Book("BTC")
    book.watch()
    applier = applier_for(book)
    for events in flow:
        before = {
            side: {key: (lv.size_e8, lv.order_count) for key, lv in side.levels.items()}
            for side in book.sides()
        }
        apply(applier, book, events)
        for side in book.sides():
            now = {key: (level.size_e8, level.order_count) for key, level in side.levels.items()}
            changed = {
                key for key in before[side].keys() | now.keys() if before[side].get(key) != now.get(key)
            }
            assert changed <= side.touched
            side.touched.clear()


def test_insert_before_queues_directly_in_front() -> None:
    book = Book("BTC")
    apply(applier_for(book), book, [new(1), new(2), new(3), new(4, before=2)])
    assert [oid for oid, *_ in queue_of(book, "B")] == [1, 4, 2, 3]


def test_an_unknown_anchor_goes_to_the_back_and_is_reported() -> None:
    book = Book("BTC")
    reports: list[tuple[str, str]] = []
    apply(applier_for(book, reports), book, [new(1), new(2, before=77)])
    assert [oid for oid, *_ in queue_of(book, "B")] == [1, 2]
    assert [cause for cause, _ in reports] == ["unknown anchor"]


def test_size_zero_leaves_the_level_and_the_remove_that_follows_is_no_error() -> None:
    book = Book("BTC")
    reports: list[tuple[str, str]] = []
    applier = applier_for(book, reports)
    apply(applier, book, [new(1), new(2)])
    apply(applier, book, [diff(1, {"update": {"origSz": "1.0", "newSz": "0.0"}})])
    assert levels_of(book, "B") == [(100 * 10**8, 10**8, 1)]
    apply(applier, book, [diff(1, "remove")])
    assert reports == []
    apply(applier, book, [diff(1, "remove")])
    assert [cause for cause, _ in reports] == ["unknown order"]


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (diff(9, "remove"), "unknown order"),
        (diff(9, {"update": {"origSz": "1.0", "newSz": "0.5"}}), "unknown order"),
        (new(1), "duplicate order"),
        (new(9, "0.0"), "impossible size"),
        (new(9, "-1.0"), "impossible size"),
        (new(9, "1.0", px="abc"), "impossible size"),
        (diff(1, {"update": {"origSz": "1.0", "newSz": "NaN"}}), "impossible size"),
        (diff(1, {"update": {"origSz": "2.0", "newSz": "0.5"}}), "size mismatch"),
        (diff(1, {"update": {"origSz": "1.0", "newSz": "1.5"}}), "impossible size"),
        (diff(9, {"surprise": {}}), "unreadable diff"),
        (diff(9, None), "unreadable diff"),
        (diff(9, "remove", side="X"), "unreadable diff"),
        (new(9, side=None), "diff without side"),
        ({"coin": "BTC"}, "unreadable diff"),
        ({}, "unreadable diff"),
    ],
)
def test_a_contradiction_is_reported_and_the_rest_is_applied(event: dict[str, Any], cause: str) -> None:
    book = Book("BTC")
    reports: list[tuple[str, str]] = []
    applier = applier_for(book, reports)
    apply(applier, book, [new(1)])
    apply(applier, book, [event, new(2)])
    assert [each for each, _ in reports] == [cause]
    assert 2 in [oid for oid, *_ in queue_of(book, "B")]


def test_sides_may_be_spelled_bid_and_ask_or_be_missing_from_what_rests() -> None:
    book = Book("BTC")
    reports: list[tuple[str, str]] = []
    applier = applier_for(book, reports)
    apply(applier, book, [new(1, side="Bid"), new(2, side="Ask", px="101.0")])
    assert (levels_of(book, "B"), levels_of(book, "A")) == ([(10**10, 10**8, 1)], [(101 * 10**8, 10**8, 1)])
    apply(
        applier,
        book,
        [diff(2, "remove", side=None, px="101.0"), diff(1, {"modified": {"sz": "0.5"}}, side=None)],
    )
    assert (levels_of(book, "B"), levels_of(book, "A")) == ([(10**10, 5 * 10**7, 1)], [])
    assert reports == []


def test_the_journal_tells_every_change_in_order() -> None:
    book = Book("BTC")
    book.journal = []
    apply(
        applier_for(book),
        book,
        [new(1), new(2, before=1), diff(1, {"update": {"origSz": "1.0", "newSz": "0.4"}}), diff(2, "remove")],
    )
    told = [(kind, order.oid, order.size_e8, detail) for kind, order, detail in book.journal]
    assert told == [
        (ADDED, 1, 10**8, None),
        (ADDED, 2, 10**8, 1),
        (UPDATED, 1, 4 * 10**7, 10**8),
        (REMOVED, 2, 10**8, None),
    ]


def test_the_journal_tells_the_removal_of_an_order_that_was_emptied_before() -> None:
    book = Book("BTC")
    applier = applier_for(book)
    apply(applier, book, [new(1)])
    book.journal = []
    apply(applier, book, [diff(1, {"update": {"origSz": "1.0", "newSz": "0.0"}}), diff(1, "remove")])
    assert [(kind, order.oid, order.size_e8) for kind, order, _ in book.journal] == [
        (UPDATED, 1, 0),
        (REMOVED, 1, 0),
    ]


def test_an_update_replaces_the_order_so_a_copied_queue_stays_as_it_was() -> None:
    book = Book("BTC")
    applier = applier_for(book)
    apply(applier, book, [new(1)])
    copied = list(book.bids.orders())
    apply(applier, book, [diff(1, {"update": {"origSz": "1.0", "newSz": "0.4"}})])
    assert [order.size_e8 for order in copied] == [10**8]
