"""Books in step with exchanges: every numbered rule, and all of them against naive books."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.binance_books import MAX_WAITING, BinanceBook, BinanceFuturesBook, BinanceSpotBook
from hyperstream.market.venue_book import (
    APPLIED,
    IGNORED,
    NEED_SNAPSHOT,
    BookSnapshot,
    BookUpdate,
    Broken,
    BybitBook,
    HyperliquidBook,
    SyncedBook,
)

Levels = Sequence[Sequence[str]]


def update(
    first: int,
    last: int,
    previous: int = 0,
    bids: Levels = (),
    asks: Levels = (),
    *,
    is_snapshot: bool = False,
) -> BookUpdate:
    return BookUpdate("X", is_snapshot, first, last, previous, bids, asks, last, last)


def one(number: int, *, is_snapshot: bool = False, bids: Levels = (("5", "1"),)) -> BookUpdate:
    """An update with one id, as Bybit and Hyperliquid have."""
    return update(number, number, number - 1, bids, is_snapshot=is_snapshot)


def snapshot(last: int, bids: Levels = (("1", "1"),), asks: Levels = ()) -> BookSnapshot:
    return BookSnapshot(last, bids, asks)


# -- Binance spot -----------------------------------------------------------------------------


def test_spot_1_updates_wait_for_a_snapshot() -> None:
    book = BinanceSpotBook("X")
    assert book.update(update(5, 7)) is NEED_SNAPSHOT
    assert book.waiting_count == 1
    assert not book.is_synced


def test_spot_3_a_snapshot_older_than_the_first_update_is_not_used() -> None:
    book = BinanceSpotBook("X")
    book.update(update(5, 7))
    assert book.snapshot(snapshot(4)) is NEED_SNAPSHOT
    assert not book.is_synced
    assert book.snapshot(snapshot(5)) is APPLIED


def test_spot_4_updates_in_the_snapshot_are_dropped_and_the_next_must_join() -> None:
    book = BinanceSpotBook("X")
    book.update(update(5, 7, bids=[("1", "9")]))
    book.update(update(8, 9, bids=[("2", "9")]))
    assert book.snapshot(snapshot(7)) is APPLIED
    assert book.last_id == 9
    assert book.top(5)[0] == [("2", "9"), ("1", "1")]


def test_spot_4_a_hole_among_those_that_wait_asks_for_another_snapshot() -> None:
    book = BinanceSpotBook("X")
    book.update(update(5, 7))
    book.update(update(10, 12))
    assert book.snapshot(snapshot(8)) is NEED_SNAPSHOT
    assert book.snapshot(snapshot(9)) is APPLIED


def test_spot_5_a_repetition_is_ignored_and_a_hole_begins_anew() -> None:
    book = BinanceSpotBook("X")
    book.update(update(5, 7))
    book.snapshot(snapshot(6))
    assert book.update(update(5, 7)) is IGNORED
    assert book.update(update(6, 8)) is APPLIED, "what overlaps is applied"
    outcome = book.update(update(10, 11))
    assert outcome == Broken("updates 9 to 9 are missing")
    assert not book.is_synced
    assert book.top(5) == ([], [])
    assert book.snapshot(snapshot(10)) is APPLIED, "the update that broke it waits"
    assert book.last_id == 11


def test_spot_a_snapshot_of_a_quiet_market_is_taken_and_what_was_missed_is_noticed() -> None:
    book = BinanceSpotBook("X")
    assert book.snapshot(snapshot(10)) is APPLIED
    assert isinstance(book.update(update(12, 13)), Broken)


def test_a_second_snapshot_is_ignored() -> None:
    book = BinanceSpotBook("X")
    book.snapshot(snapshot(10))
    assert book.snapshot(snapshot(50)) is IGNORED


def test_a_hole_further_back_among_those_that_wait_breaks_and_keeps_what_follows() -> None:
    book = BinanceSpotBook("X")
    for first, last in ((5, 6), (7, 8), (20, 21), (22, 23)):
        book.update(update(first, last))
    assert isinstance(book.snapshot(snapshot(6)), Broken)
    assert book.waiting_count == 2
    assert book.snapshot(snapshot(20)) is APPLIED
    assert book.last_id == 23


def test_no_more_than_a_bound_of_updates_wait() -> None:
    book = BinanceSpotBook("X")
    for number in range(1, MAX_WAITING + 50):
        book.update(one(number))
    assert book.waiting_count == MAX_WAITING
    assert book.snapshot(snapshot(40)) is NEED_SNAPSHOT
    assert book.snapshot(snapshot(MAX_WAITING)) is APPLIED


# -- Binance USD-M ----------------------------------------------------------------------------


def test_futures_3_and_4_the_first_applied_holds_the_snapshots_id() -> None:
    book = BinanceFuturesBook("X")
    book.update(update(100, 105, 90, bids=[("3", "3")]))
    book.update(update(120, 130, 105, bids=[("4", "4")]))
    assert book.snapshot(snapshot(89)) is NEED_SNAPSHOT
    assert book.snapshot(snapshot(125)) is APPLIED
    assert book.last_id == 130
    assert book.top(5)[0] == [("4", "4"), ("1", "1")]


def test_futures_4_nothing_happened_between_two_updates() -> None:
    book = BinanceFuturesBook("X")
    book.update(update(100, 105, 90))
    book.update(update(120, 130, 105))
    assert book.snapshot(snapshot(110)) is APPLIED
    assert book.last_id == 130


def test_futures_4_holds_for_the_first_update_after_a_snapshot_too() -> None:
    book = BinanceFuturesBook("X")
    assert book.snapshot(snapshot(100)) is APPLIED
    assert book.update(update(80, 99, 70)) is IGNORED
    assert isinstance(book.update(update(120, 130, 110)), Broken)
    assert book.snapshot(snapshot(115)) is APPLIED
    assert book.last_id == 130


def test_futures_5_only_pu_links() -> None:
    book = BinanceFuturesBook("X")
    book.update(update(100, 105, 90))
    book.snapshot(snapshot(105))
    assert book.update(update(500, 510, 105)) is APPLIED, "U is not the next id"
    assert book.update(update(500, 510, 105)) is IGNORED
    assert book.update(update(511, 520, 511)) == Broken("update 520 follows 511, not 510")


def test_futures_a_new_synchronisation_joins_anew() -> None:
    book = BinanceFuturesBook("X")
    book.update(update(100, 105, 90))
    book.snapshot(snapshot(105))
    book.update(update(200, 205, 150))
    assert book.snapshot(snapshot(203)) is APPLIED
    assert book.update(update(300, 310, 205)) is APPLIED


# -- Bybit ------------------------------------------------------------------------------------


def test_bybit_1_a_snapshot_replaces_at_any_time() -> None:
    book = BybitBook("X")
    assert book.update(one(10, is_snapshot=True)) is APPLIED
    assert book.update(one(3, is_snapshot=True, bids=[("7", "1")])) is APPLIED
    assert book.top(5)[0] == [("7", "1")]
    assert book.update(one(4, bids=[("8", "1")])) is APPLIED


def test_bybit_1_an_id_of_one_is_a_snapshot_after_a_restart() -> None:
    book = BybitBook("X")
    book.update(one(10, is_snapshot=True))
    assert book.update(one(1, bids=[("7", "1")])) is APPLIED
    assert book.top(5)[0] == [("7", "1")]


def test_bybit_2_3_4_next_repetition_and_gap() -> None:
    book = BybitBook("X")
    assert book.update(one(9)) is NEED_SNAPSHOT
    book.update(one(10, is_snapshot=True))
    assert book.update(one(11, bids=[("5", "0"), ("4", "2")])) is APPLIED
    assert book.top(5)[0] == [("4", "2")]
    assert book.update(one(11)) is IGNORED
    assert book.update(one(13)) == Broken("updates 12 to 12 are missing")
    assert book.update(one(14)) is NEED_SNAPSHOT


# -- Hyperliquid ------------------------------------------------------------------------------


def test_hyperliquid_1_each_book_replaces_the_last_even_at_the_same_time() -> None:
    book = HyperliquidBook("X")
    assert book.update(one(10, is_snapshot=True)) is APPLIED
    assert book.update(one(10, is_snapshot=True, bids=[("7", "1")])) is APPLIED
    assert book.top(5)[0] == [("7", "1")]


def test_hyperliquid_2_time_never_goes_backward_and_the_next_begins_anew() -> None:
    book = HyperliquidBook("X")
    book.update(one(10, is_snapshot=True))
    assert book.update(one(9, is_snapshot=True)) == Broken("time went backward from 10 to 9 ms")
    assert book.update(one(9, is_snapshot=True)) is APPLIED


# -- all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [[("x", "1")], [("1", "nan")], [("1",)], [1], [["1", None]]])
@pytest.mark.parametrize("make", [BinanceSpotBook, BinanceFuturesBook, BybitBook, HyperliquidBook])
def test_unusable_levels_break_the_book_and_nothing_else(make: type[SyncedBook], bad: Levels) -> None:
    book = make("X")
    if isinstance(book, BinanceBook):
        assert isinstance(book.snapshot(snapshot(10, bad)), Broken)
        assert book.snapshot(snapshot(10)) is APPLIED
    else:
        assert isinstance(book.update(one(10, is_snapshot=True, bids=bad)), Broken)
        assert book.update(one(10, is_snapshot=True)) is APPLIED
    assert isinstance(book.update(update(11, 11, 10, asks=bad)), Broken)
    assert not book.is_synced


def test_a_reset_book_waits_for_nothing() -> None:
    book = BinanceSpotBook("X")
    book.update(update(5, 7))
    book.reset()
    assert book.waiting_count == 0
    assert book.snapshot(snapshot(1)) is APPLIED


@define(eq=False)
class Venue:
    """A naive venue: a dictionary a side, and every update it ever sent."""

    rng: random.Random
    bids: dict[str, str] = field(factory=dict)
    last_id: int = 100

    def change(self, *, is_shared: bool) -> BookUpdate:
        """Change some levels; with ``is_shared`` ids skip those of other symbols."""
        first = self.last_id + 1 + (self.rng.randrange(20) if is_shared else 0)
        last = first + self.rng.randrange(3)
        changes = [
            (str(self.rng.randrange(1, 9)), self.rng.choice(["0", "1", "2.5"]))
            for _ in range(self.rng.randrange(4))
        ]
        for price, size in changes:
            self.bids[price] = size
            if size == "0":
                del self.bids[price]
        found = update(first, last, self.last_id, bids=changes)
        self.last_id = last
        return found

    def snapshot(self) -> BookSnapshot:
        return BookSnapshot(self.last_id, list(self.bids.items()), ())

    def truth(self) -> list[tuple[str, str]]:
        return sorted(self.bids.items(), key=lambda level: -int(level[0]))


@pytest.mark.parametrize("make", [BinanceSpotBook, BinanceFuturesBook])
@given(seed=st.integers(0, 10**9))
def test_a_binance_book_is_the_venues_or_not_in_step(make: type[BinanceBook], seed: int) -> None:
    """Through lost, repeated and late updates and old snapshots: synced means equal, and it gets synced."""
    rng = random.Random(seed)
    venue, book = Venue(rng), make("X")
    snapshots = [venue.snapshot()]
    expected_id, truths = 0, {venue.last_id: venue.truth()}
    for _ in range(60):
        sent = venue.change(is_shared=make is BinanceFuturesBook)
        truths[venue.last_id] = venue.truth()
        snapshots.append(venue.snapshot())
        what = rng.random()
        if what < 0.8:
            book.update(sent)
            expected_id = sent.last_id
        if what < 0.1:
            book.update(sent)
        if not book.is_synced and rng.random() < 0.5:
            book.snapshot(rng.choice(snapshots[-4:]))
        if book.is_synced:
            assert book.top(20)[0] == truths[book.last_id]
            assert book.last_id >= expected_id
    sent = venue.change(is_shared=make is BinanceFuturesBook)
    book.update(sent)
    if not book.is_synced:
        assert book.snapshot(venue.snapshot()) is APPLIED
    assert book.top(20)[0] == venue.truth()


@given(seed=st.integers(0, 10**9))
def test_a_bybit_book_is_the_venues_or_not_in_step(seed: int) -> None:
    rng = random.Random(seed)
    venue, book = Venue(rng), BybitBook("X")
    number = 1
    for _ in range(60):
        sent = venue.change(is_shared=False)
        number += 1
        if not book.is_synced and rng.random() < 0.3:
            book.update(one(number, is_snapshot=True, bids=list(venue.bids.items())))
        elif rng.random() < 0.9:
            book.update(one(number, bids=sent.bids))
        if book.is_synced and book.last_id == number:
            assert book.top(20)[0] == venue.truth()
