"""The book a subscriber rebuilds, against a naive model of what a server sends."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.cli.client_book import BookLevel, ClientBook, Outcome
from hyperstream.market.decimals import format_e8, parse_e8
from hyperstream.v1 import orderbook_pb2

Side = dict[int, tuple[int, int]]  # price → size, order count

sides = st.dictionaries(
    st.integers(1, 30).map(lambda ticks: ticks * 10**7),
    st.tuples(st.integers(1, 10**10), st.integers(1, 9)),
    max_size=12,
)
books = st.tuples(sides, sides)


def levels(side: Side) -> list[orderbook_pb2.Level]:
    return [
        orderbook_pb2.Level(price=format_e8(price), size=format_e8(size), order_count=count)
        for price, (size, count) in side.items()
    ]


def difference(before: Side, after: Side) -> list[orderbook_pb2.Level]:
    gone = [orderbook_pb2.Level(price=format_e8(price), size="0") for price in before.keys() - after.keys()]
    return gone + levels({price: level for price, level in after.items() if before.get(price) != level})


def snapshot(book: tuple[Side, Side], sequence: int, epoch: int = 1) -> orderbook_pb2.OrderbookSnapshot:
    return orderbook_pb2.OrderbookSnapshot(
        symbol="BTC", epoch=epoch, sequence=sequence, bids=levels(book[0]), asks=levels(book[1])
    )


def delta(
    before: tuple[Side, Side], after: tuple[Side, Side], sequence: int, previous: int, epoch: int = 1
) -> orderbook_pb2.OrderbookDelta:
    return orderbook_pb2.OrderbookDelta(
        symbol="BTC",
        epoch=epoch,
        sequence=sequence,
        previous_sequence=previous,
        bids=difference(before[0], after[0]),
        asks=difference(before[1], after[1]),
    )


def expected(side: Side, *, is_bid: bool) -> list[BookLevel]:
    return [BookLevel(price, *side[price]) for price in sorted(side, reverse=is_bid)]


@given(st.lists(books, min_size=1, max_size=12))
def test_a_snapshot_and_its_deltas_give_the_servers_book(states: list[tuple[Side, Side]]) -> None:
    book = ClientBook("BTC")
    assert book.apply_snapshot(snapshot(states[0], 5)).outcome is Outcome.SNAPSHOT
    for number, (before, after) in enumerate(pairwise(states), start=6):
        applied = book.apply_delta(delta(before, after, number, number - 1))
        assert applied.outcome is Outcome.DELTA
        changed = {
            price
            for price in before[0].keys() | after[0].keys()
            if before[0].get(price) != after[0].get(price)
        }
        assert applied.bids == changed
    assert book.bids == expected(states[-1][0], is_bid=True)
    assert book.asks == expected(states[-1][1], is_bid=False)
    assert (book.sequence, book.holes, book.is_current) == (4 + len(states), 0, True)


@given(st.lists(books, min_size=4, max_size=8), st.data())
def test_a_missing_delta_is_a_hole_and_the_book_waits_for_a_snapshot(
    states: list[tuple[Side, Side]], data: st.DataObject
) -> None:
    lost = data.draw(st.integers(1, len(states) - 2), label="the delta that never arrives")
    book = ClientBook("BTC")
    book.apply_snapshot(snapshot(states[0], 0))
    outcomes = [
        book.apply_delta(delta(states[number - 1], states[number], number, number - 1)).outcome
        for number in range(1, len(states))
        if number != lost
    ]
    assert outcomes[: lost - 1] == [Outcome.DELTA] * (lost - 1)
    assert outcomes[lost - 1] is Outcome.HOLE
    assert set(outcomes[lost:]) <= {Outcome.IGNORED}
    assert (book.holes, book.ignored, book.is_current) == (1, len(states) - 2 - lost, False)
    assert book.bids == expected(states[lost - 1][0], is_bid=True), "what is shown is old, not wrong"

    book.apply_snapshot(snapshot(states[-1], len(states)))
    assert book.asks == expected(states[-1][1], is_bid=False)
    assert (
        book.apply_delta(delta(states[-1], states[0], len(states) + 1, len(states))).outcome is Outcome.DELTA
    )


@given(books, books)
def test_a_second_snapshot_replaces_and_says_what_changed(
    before: tuple[Side, Side], after: tuple[Side, Side]
) -> None:
    book = ClientBook("BTC")
    assert book.apply_snapshot(snapshot(before, 1)).asks == frozenset(), "nothing changed at the first"
    applied = book.apply_snapshot(snapshot(after, 9, epoch=2))
    assert book.bids == expected(after[0], is_bid=True)
    assert (book.epoch, book.sequence) == (2, 9)
    if before[0]:
        changes = {
            price
            for price in before[0].keys() | after[0].keys()
            if before[0].get(price) != after[0].get(price)
        }
        assert applied.bids == changes


def test_a_delta_of_another_epoch_is_a_hole() -> None:
    book = ClientBook("BTC")
    book.apply_snapshot(snapshot(({}, {}), 5, epoch=1))
    assert book.apply_delta(delta(({}, {}), ({}, {}), 6, 5, epoch=2)).outcome is Outcome.HOLE


def test_a_delta_before_any_snapshot_is_ignored_and_counted() -> None:
    book = ClientBook("BTC")
    assert book.apply_delta(delta(({}, {}), ({}, {}), 1, 0)).outcome is Outcome.IGNORED
    assert book.ignored == 1


def test_a_gap_makes_the_book_old_until_the_next_snapshot() -> None:
    book = ClientBook("BTC")
    book.apply_snapshot(snapshot(({}, {}), 5))
    book.expect_snapshot()
    assert book.apply_delta(delta(({}, {}), ({}, {}), 6, 5)).outcome is Outcome.IGNORED
    assert not book.is_current


def test_removing_a_level_that_is_not_held_changes_nothing() -> None:
    book = ClientBook("BTC")
    price = parse_e8("10.0")
    book.apply_snapshot(snapshot(({price: (parse_e8("1.0"), 1)}, {}), 5))
    gone = orderbook_pb2.Level(price="11.0", size="0")
    book.apply_delta(
        orderbook_pb2.OrderbookDelta(symbol="BTC", epoch=1, sequence=6, previous_sequence=5, bids=[gone])
    )
    assert book.bids == [BookLevel(price, parse_e8("1.0"), 1)]


def test_the_head_of_the_last_event_is_kept() -> None:
    book = ClientBook("BTC")
    head = orderbook_pb2.OrderbookSnapshot(
        symbol="BTC",
        epoch=1,
        sequence=2,
        height=3,
        block_time_ns=4,
        node_time_ns=5,
        read_time_ns=6,
        publish_time_ns=7,
        doubtful=True,
        mark_price="8.5",
    )
    book.apply_snapshot(head)
    assert (book.height, book.block_time_ns, book.node_time_ns, book.read_time_ns) == (3, 4, 5, 6)
    assert (book.publish_time_ns, book.is_doubtful, book.mark_price) == (7, True, "8.5")


def test_the_mark_price_of_a_snapshot_is_not_shown_beside_a_later_book() -> None:
    book = ClientBook("BTC")
    book.apply_snapshot(orderbook_pb2.OrderbookSnapshot(symbol="BTC", epoch=1, sequence=2, mark_price="8.5"))
    change = orderbook_pb2.OrderbookDelta(symbol="BTC", epoch=1, sequence=3, previous_sequence=2)
    book.apply_delta(change)
    assert book.mark_price == "", "a delta tells none"
