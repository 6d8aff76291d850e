"""The matching engine against a model too simple to be wrong."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.testing.matching import Matcher
from hyperstream.testing.orders import Order, User

USERS = [User(f"0x{number:040x}") for number in range(3)]


class Model:
    """A list of [oid, user, is_bid, px, size] in order of arrival, searched from end to end."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def side(self, is_bid: bool) -> list[list[Any]]:
        rows = [row for row in self.rows if row[2] == is_bid]
        return sorted(rows, key=lambda row: -row[3] if is_bid else row[3])  # sorted() is stable

    def take(self, user: User, is_bid: bool, px: int, size: int) -> tuple[int, list[tuple[int, int]]]:
        trades = []
        for row in self.side(not is_bid):
            if not size or (row[3] > px if is_bid else row[3] < px):
                break
            if row[1] is user:
                self.rows.remove(row)
                trades.append((row[0], 0))
                continue
            traded = min(size, row[4])
            size -= traded
            row[4] -= traded
            if not row[4]:
                self.rows.remove(row)
            trades.append((row[0], traded))
        return size, trades


ACTION = st.tuples(
    st.sampled_from(["place", "place", "place", "cancel", "jump"]),
    st.integers(0, 2),
    st.booleans(),
    st.integers(95, 105),
    st.integers(1, 9),
    st.integers(0, 99),
)


@given(st.lists(ACTION, max_size=80))
def test_equals_the_model_after_every_action(actions: list[tuple[str, int, bool, int, int, int]]) -> None:
    matcher, model = Matcher(), Model()
    for oid, (action, who, is_bid, px, size, pick) in enumerate(actions):
        user = USERS[who]
        if action != "place" and not matcher.live:
            continue
        if action == "place":
            order = Order(oid, user, is_bid, px, size)
            matches = matcher.take(order)
            rest, trades = model.take(user, is_bid, px, size)
            assert [(match.maker.oid, match.size) for match in matches] == trades
            assert order.size == rest
            if rest:
                matcher.add(order)
                model.rows.append([oid, user, is_bid, px, rest])
        elif action == "cancel":
            victim = matcher.live[pick % len(matcher.live)]
            matcher.remove(victim)
            model.rows = [row for row in model.rows if row[0] != victim.oid]
        else:
            anchor = matcher.live[pick % len(matcher.live)]
            order = Order(oid, user, anchor.is_bid, anchor.px, size)
            matcher.insert_before(order, anchor.oid)
            index = next(i for i, row in enumerate(model.rows) if row[0] == anchor.oid)
            model.rows.insert(index, [oid, user, anchor.is_bid, anchor.px, size])
        for book_side, side_is_bid in ((matcher.bids, True), (matcher.asks, False)):
            assert [(o.oid, o.size) for o in book_side] == [(r[0], r[4]) for r in model.side(side_is_bid)]
        assert sorted(o.oid for o in matcher.live) == sorted(row[0] for row in model.rows)
        assert all(matcher.live[order.slot] is order for order in matcher.live)


def test_a_match_says_what_the_maker_had_before() -> None:
    matcher = Matcher()
    maker = Order(1, USERS[0], False, 100, 5)
    matcher.add(maker)
    (match,) = matcher.take(Order(2, USERS[1], True, 100, 2))
    assert (match.maker, match.size, match.before, maker.size) == (maker, 2, 5, 3)


def test_an_order_outside_the_limit_is_not_met() -> None:
    matcher = Matcher()
    matcher.add(Order(1, USERS[0], False, 101, 5))
    taker = Order(2, USERS[1], True, 100, 2)
    assert matcher.take(taker) == []
    assert taker.size == 2
