"""Scenarios on one market: what each kind of order leaves in statuses, diffs and fills."""

import json
from random import Random
from typing import Any

import pytest

from hyperstream.market.decimals import parse_e8
from hyperstream.testing.exchange import Exchange
from hyperstream.testing.listings import choose_markets
from hyperstream.testing.market import Market
from hyperstream.testing.orders import Extra, Order, User

MAKER, TAKER = User("0x" + "1" * 40), User("0x" + "2" * 40)
LOT = parse_e8("1")
PX = parse_e8("81311")


class Scene:
    """One block on a market with two asks of one coin each, at 81311 and 81312, and a bid at 81310."""

    def __init__(self) -> None:
        self.exchange = Exchange(choose_markets(["BTC"]), Random(1))
        self.market: Market = self.exchange.markets["BTC"]
        self.exchange.begin(1_778_002_753_024_084_407)
        self.asks = [self.order(MAKER, False, "81311"), self.order(MAKER, False, "81312")]
        self.bid = self.order(MAKER, True, "81310")
        for order in (*self.asks, self.bid):
            self.exchange.place(self.market, order)
        self.exchange.end()
        self.exchange.begin(1_778_002_753_090_000_000)

    def order(
        self, user: User, is_bid: bool, px: str, size: str = "1", tif: str | None = "Gtc", **extra: Any
    ) -> Order:
        more = Extra(**extra) if extra else None
        return self.exchange.order(user, is_bid, parse_e8(px), parse_e8(size), tif, "null", more)

    def end(self) -> tuple[list[tuple[int, str, str]], list[tuple[int, Any]], list[dict[str, Any]]]:
        """Return (oid, status, remaining size), (oid, raw diff) and fills of the block."""
        events = self.exchange.end()
        statuses = [json.loads(text) for text in events.statuses]
        diffs = [json.loads(text) for text in events.diffs]
        return (
            [(e["order"]["oid"], e["status"], e["order"]["sz"]) for e in statuses],
            [(e["oid"], e["raw_book_diff"]) for e in diffs],
            [json.loads(text)[1] for text in events.fills],
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_full_maker_fill_is_an_update_to_zero_and_a_remove(scene: Scene) -> None:
    taker = scene.order(TAKER, True, "81311", tif="Ioc")
    scene.exchange.place(scene.market, taker)
    statuses, diffs, fills = scene.end()
    maker = scene.asks[0].oid
    assert diffs == [(maker, {"update": {"origSz": "1.0", "newSz": "0.0"}}), (maker, "remove")]
    assert sorted(statuses) == sorted(
        [(taker.oid, "open", "1.0"), (taker.oid, "filled", "0.0"), (maker, "filled", "0.0")]
    )
    assert {(fill["oid"], fill["crossed"]) for fill in fills} == {(taker.oid, True), (maker, False)}


def test_a_partial_maker_fill_is_an_update_without_a_status(scene: Scene) -> None:
    taker = scene.order(TAKER, True, "81311", "0.25", tif="Ioc")
    scene.exchange.place(scene.market, taker)
    statuses, diffs, _ = scene.end()
    assert diffs == [(scene.asks[0].oid, {"update": {"origSz": "1.0", "newSz": "0.75"}})]
    assert [status[0] for status in statuses] == [taker.oid, taker.oid]


def test_a_partly_filled_entry_rests_smaller_than_its_status_says(scene: Scene) -> None:
    taker = scene.order(TAKER, True, "81311", "1.5")
    scene.exchange.place(scene.market, taker)
    statuses, diffs, _ = scene.end()
    assert (taker.oid, "open", "1.5") in statuses
    assert (taker.oid, {"new": {"sz": "0.5"}}) in diffs


@pytest.mark.parametrize("rests", [False, True])
def test_the_remainder_of_an_ioc_is_cancelled_or_rests(scene: Scene, rests: bool) -> None:
    taker = scene.order(TAKER, True, "81311", "1.5", tif="Ioc")
    scene.exchange.place(scene.market, taker, rests=rests)
    statuses, diffs, _ = scene.end()
    assert ((taker.oid, {"new": {"sz": "0.5"}}) in diffs) is rests
    assert ((taker.oid, "canceled", "0.5") in statuses) is not rests


@pytest.mark.parametrize(
    ("tif", "px", "status"),
    [
        ("Ioc", "81310.0", "iocCancelRejected"),
        ("FrontendMarket", "81310.0", "marketOrderNoLiquidityRejected"),
        ("Alo", "81311.0", "badAloPxRejected"),
    ],
)
def test_what_cannot_be_is_one_rejection_and_nothing_else(
    scene: Scene, tif: str, px: str, status: str
) -> None:
    order = scene.order(TAKER, True, px, tif=tif)
    scene.exchange.place(scene.market, order)
    assert scene.end() == ([(order.oid, status, "1.0")], [], [])


def test_a_self_trade_cancels_the_maker_without_a_fill(scene: Scene) -> None:
    taker = scene.order(MAKER, True, "81311", tif="Ioc")
    scene.exchange.place(scene.market, taker)
    statuses, diffs, fills = scene.end()
    assert (scene.asks[0].oid, "selfTradeCanceled", "1.0") in statuses
    assert diffs == [(scene.asks[0].oid, "remove")]
    assert fills == []


def test_a_queue_jump_names_the_order_behind(scene: Scene) -> None:
    jumper = scene.order(TAKER, False, "81311", tif="Alo")
    scene.exchange.queue_before(scene.market, jumper, scene.asks[0])
    _, diffs, _ = scene.end()
    assert diffs == [(jumper.oid, {"new": {"sz": "1.0", "insertBefore": scene.asks[0].oid}})]
    assert [order.oid for order in scene.market.book.asks][:2] == [jumper.oid, scene.asks[0].oid]


def test_a_reduce_only_order_is_clipped_when_it_rests(scene: Scene) -> None:
    order = scene.order(TAKER, True, "81309", reduce_only=True)
    scene.exchange.place(scene.market, order)
    statuses, diffs, _ = scene.end()
    assert statuses == [(order.oid, "open", "1.0")]
    assert diffs == [(order.oid, {"new": {"sz": "0.93"}})]


def test_house_accounts_have_diffs_but_never_statuses(scene: Scene) -> None:
    order = scene.order(User("0x" + "f" * 40, is_silent=True), True, "81309")
    scene.exchange.place(scene.market, order)
    scene.exchange.cancel(scene.market, order)
    statuses, diffs, _ = scene.end()
    assert statuses == []
    assert diffs == [(order.oid, {"new": {"sz": "1.0"}}), (order.oid, "remove")]


def test_twap_slices_have_no_status_and_a_zero_hash(scene: Scene) -> None:
    scene.exchange.place(scene.market, scene.order(TAKER, True, "81311", "0.1", tif="Ioc", twap_id=5))
    statuses, _, fills = scene.end()
    assert statuses == []
    assert {fill["hash"] for fill in fills} == {"0x" + "0" * 64}
    assert {fill["twapId"] for fill in fills} == {5, None}


def _stop(scene: Scene, order_type: str, px: str, trigger: str, size: str = "1", **more: Any) -> Order:
    return scene.order(
        TAKER, True, px, size, None,
        order_type=order_type, reduce_only=True, is_trigger=True, trigger_px=parse_e8(trigger),
        trigger_above=True, **more,
    )  # fmt: skip


def _raise_the_mark(scene: Scene) -> None:
    scene.exchange.cancel(scene.market, scene.asks[0])  # the middle moves from 81310.5 to 81311


def test_a_stop_waits_outside_the_book_until_the_mark_reaches_it(scene: Scene) -> None:
    stop = _stop(scene, "Stop Market", "82124", "81311")
    scene.exchange.arm(scene.market, stop)
    assert scene.end() == ([(stop.oid, "open", "1.0")], [], [])
    assert list(scene.market.stops) == [stop.oid]


def test_a_stop_market_fires_and_fills(scene: Scene) -> None:
    stop = _stop(scene, "Stop Market", "82124", "81311")
    scene.exchange.arm(scene.market, stop)
    _raise_the_mark(scene)
    statuses, diffs, fills = scene.end()
    mine = [status for oid, status, _ in statuses if oid == stop.oid]
    assert mine == ["open", "triggered", "filled"]
    assert stop.oid not in [oid for oid, _ in diffs]
    assert len(fills) == 2
    assert scene.market.stops == {}


def test_a_stop_limit_fires_and_rests_as_triggered(scene: Scene) -> None:
    stop = _stop(scene, "Stop Limit", "81311", "81311")
    scene.exchange.arm(scene.market, stop)
    _raise_the_mark(scene)
    statuses, diffs, _ = scene.end()
    assert [status for oid, status, _ in statuses if oid == stop.oid] == ["open", "triggered"]
    assert (stop.oid, {"new": {"sz": "0.93"}}) in diffs
    scene.exchange.begin(1_778_002_753_150_000_000)
    scene.exchange.cancel(scene.market, stop)
    last = json.loads(scene.exchange.end().statuses[-1])["order"]
    assert (last["triggerCondition"], last["isTrigger"], last["triggerPx"]) == ("Triggered", False, "0.0")
    assert (last["tif"], last["orderType"], last["timestamp"]) == ("Gtc", "Stop Limit", 1_778_002_753_090)


def test_a_stop_market_that_outgrows_the_book_rests_at_its_slippage_price(scene: Scene) -> None:
    """The diff's price then differs from the limit of the `triggered` status."""
    stop = _stop(scene, "Stop Market", "82200", "81311", "5")
    scene.exchange.arm(scene.market, stop)
    _raise_the_mark(scene)
    scene.exchange.end()
    assert scene.market.book.bids.best() == stop.px == parse_e8("82124")  # the mark and 1 %


@pytest.mark.parametrize(
    ("size", "more", "status"),
    [("0.00002", {}, "minTradeNtlRejected"), ("0", {"is_position_tpsl": True}, "reduceOnlyRejected")],
)
def test_a_stop_may_fire_and_be_rejected(scene: Scene, size: str, more: dict[str, Any], status: str) -> None:
    stop = _stop(scene, "Stop Market", "82124", "81311", size, **more)
    scene.exchange.arm(scene.market, stop)
    _raise_the_mark(scene)
    statuses, _, _ = scene.end()
    assert [name for oid, name, _ in statuses if oid == stop.oid] == ["open", "triggered", status]


def test_children_live_with_the_fill_and_one_ends_the_other(scene: Scene) -> None:
    children = (
        _stop(scene, "Stop Market", "82124", "81311"),
        _stop(scene, "Take Profit Market", "82124", "90000"),
    )
    for child, other in (children, children[::-1]):
        assert child.extra is not None
        child.extra.siblings = (other,)
    parent = scene.order(TAKER, True, "81311", children=children)
    scene.exchange.place(scene.market, parent)
    statuses, _, _ = scene.end()
    makers = [order.oid for order in scene.asks]
    mine = [(oid, status) for oid, status, _ in statuses if oid not in makers]
    first, second = children
    assert mine[:4] == [
        (parent.oid, "open"),
        (parent.oid, "filled"),
        (first.oid, "open"),
        (second.oid, "open"),
    ]
    assert mine[4:] == [
        (first.oid, "triggered"),
        (second.oid, "siblingFilledCanceled"),
        (first.oid, "filled"),
    ]


def test_a_position_moves_and_its_direction_is_named(scene: Scene) -> None:
    TAKER.positions["BTC"], TAKER.entries["BTC"] = -parse_e8("0.4"), parse_e8("80000")
    scene.exchange.place(scene.market, scene.order(TAKER, True, "81311", tif="Ioc"))
    _, _, fills = scene.end()
    mine = next(fill for fill in fills if fill["crossed"])
    assert (mine["startPosition"], mine["dir"]) == ("-0.4", "Short > Long")
    assert mine["closedPnl"] == "-524.4"  # (80000 - 81311) x 0.4
    assert TAKER.positions["BTC"] == parse_e8("0.6")
