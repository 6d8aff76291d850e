"""The seeded market: same seed, same market; the book, the trades and the bars agree with each other."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.decimals import SCALE, parse_e8
from hyperstream.testing.exchanges import Activity
from hyperstream.testing.exchanges.bars import Bar, Trade, bounds_ms
from hyperstream.testing.exchanges.flow import LevelChange, MarketFlow, UpdateIds
from hyperstream.testing.exchanges.instruments import (
    Instrument,
    hyperliquid_instrument,
    usdt_instrument,
)
from hyperstream.testing.exchanges.truth import Day, TrueMarket, spell_signed, spell_value

START_MS = 1_790_000_000_000
BUSY = Activity(changes_per_second=400, trades_per_second=40, jumps_per_minute=120, levels=40)


def market(
    seed: object = 1, symbol: str = "BTCUSDT", activity: Activity = BUSY, anchor: MarketFlow | None = None
) -> MarketFlow:
    instrument = usdt_instrument(symbol)
    return MarketFlow(instrument, Random(str(seed)), activity, START_MS, UpdateIds(100), anchor)


def run(flow: MarketFlow, steps: int, ms: int = 50) -> list[LevelChange]:
    changes: list[LevelChange] = []
    for _ in range(steps):
        changes += flow.step(flow.time_ms + ms).changes
    return changes


def test_the_same_seed_gives_the_same_market() -> None:
    first, second, other = market(7), market(7), market(8)
    assert run(first, 50) == run(second, 50) != run(other, 50)
    assert TrueMarket.of(first) == TrueMarket.of(second)
    assert TrueMarket.of(first) != TrueMarket.of(other)


@given(st.integers(), st.lists(st.integers(1, 3_000), max_size=40))
def test_the_book_is_never_crossed_nor_empty_and_changes_say_everything(seed: int, steps: list[int]) -> None:
    flow = market(seed)
    rebuilt = {True: dict(flow.book.bids.sizes), False: dict(flow.book.asks.sizes)}
    last_id = flow.update_id
    for ms in steps:
        step = flow.step(flow.time_ms + ms)
        for change in step.changes:
            if change.size_e8:
                rebuilt[change.is_bid][change.price_e8] = change.size_e8
            else:
                rebuilt[change.is_bid].pop(change.price_e8, None)
        bid, bid_size, ask, ask_size = flow.book.touch()
        assert 0 < bid < ask
        assert min(bid_size, ask_size) > 0
        assert rebuilt == {True: flow.book.bids.sizes, False: flow.book.asks.sizes}
        assert (step.first_id, step.last_id) == (last_id + 1, last_id + len(step.changes))
        last_id = step.last_id
    for side in (flow.book.bids, flow.book.asks):
        assert side.prices == sorted(side.sizes)


def test_every_price_is_on_the_tick_and_every_size_on_the_lot() -> None:
    for instrument in (usdt_instrument("DOGEUSDT"), hyperliquid_instrument("kPEPE")):
        flow = MarketFlow(instrument, Random("1"), BUSY, START_MS, UpdateIds(0))
        changes = run(flow, 200)
        assert len(changes) > 1_000
        for change in changes:
            assert change.price_e8 % instrument.tick_e8 == 0
            assert change.size_e8 % instrument.lot_e8 == 0
        for trade in flow.recent_trades:
            assert trade.size_e8 >= instrument.lot_e8
            assert trade.size_e8 % instrument.lot_e8 == 0


def test_trades_take_from_the_best_level_of_the_other_side() -> None:
    """In each step the volume traded at a price is no more than what stood or came there."""
    flow = market(3, activity=Activity(changes_per_second=0, trades_per_second=20, jumps_per_minute=0))
    for _ in range(200):
        before = {True: dict(flow.book.bids.sizes), False: dict(flow.book.asks.sizes)}
        step = flow.step(flow.time_ms + 50)
        for trade in step.trades:
            assert before[not trade.is_buy].get(trade.price_e8, 0) > 0
        ids = [trade.trade_id for trade in step.trades]
        assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True
    assert len(flow.recent_trades) > 100


def naive_bar(trades: list[Trade], interval: str, start_ms: int, end_ms: int, before: int) -> Bar:
    inside = [trade for trade in trades if start_ms <= trade.time_ms < end_ms]
    prices = [trade.price_e8 for trade in inside] or [before]
    buys = [trade for trade in inside if trade.is_buy]
    return Bar(
        interval,
        start_ms,
        end_ms,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(trade.size_e8 for trade in inside),
        sum(trade.value_e16 for trade in inside),
        sum(trade.size_e8 for trade in buys),
        sum(trade.value_e16 for trade in buys),
        len(inside),
        inside[0].trade_id if inside else -1,
        inside[-1].trade_id if inside else -1,
        inside[-1].time_ms if inside else 0,
        is_closed=True,
    )


def test_bars_are_what_the_trades_make_them() -> None:
    activity = Activity(changes_per_second=5, trades_per_second=1.5, levels=40)
    flow = market(5, activity=activity)
    trades = list(flow.recent_trades)
    for _ in range(600):
        trades += flow.step(flow.time_ms + 100).trades
    for interval in ("1s", "1m"):
        bars = flow.bars[interval].all()
        assert len(bars) > 1
        assert any(not bar.trades for bar in bars) or interval == "1m"
        close = flow.instrument.start_price_e8
        for bar, after in pairwise(bars):
            assert bar == naive_bar(trades, interval, bar.start_ms, bar.end_ms, close)
            assert after.start_ms == bar.end_ms
            close = bar.close_e8
        assert not bars[-1].is_closed
        assert sum(bar.trades for bar in bars) == len(trades)


def test_a_quiet_step_only_closes_bars() -> None:
    flow = market(2)
    before = TrueMarket.of(flow)
    step = flow.step(flow.time_ms + 3_000, is_quiet=True)
    after = TrueMarket.of(flow)
    assert (step.changes, step.trades) == ((), ())
    assert {bar.interval for bar in step.closed_bars} == {"1s"}
    assert (before.bids, before.asks, before.update_id) == (after.bids, after.asks, after.update_id)


@pytest.mark.parametrize(
    ("interval", "time", "start", "end"),
    [
        ("1m", 1_790_000_000_000, 1_789_999_980_000, 1_790_000_040_000),
        ("4h", 1_790_000_000_000, 1_789_992_000_000, 1_790_006_400_000),
        ("1w", 1_790_000_000_000, 1_789_948_800_000, 1_790_553_600_000),  # Monday 2026-09-21
        ("1M", 1_790_000_000_000, 1_788_220_800_000, 1_790_812_800_000),  # September 2026
        ("1M", 1_797_000_000_000, 1_796_083_200_000, 1_798_761_600_000),  # December 2026
        ("1w", 4 * 86_400_000, 4 * 86_400_000, 11 * 86_400_000),
    ],
)
def test_bounds_of_a_bar(interval: str, time: int, start: int, end: int) -> None:
    assert bounds_ms(interval, time) == (start, end)


def test_ids_of_flows_that_share_them_have_holes_but_rise() -> None:
    ids = UpdateIds(0)
    flows = [
        MarketFlow(usdt_instrument(symbol), Random(symbol), BUSY, START_MS, ids)
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    seen: list[int] = []
    for _ in range(20):
        for flow in flows:
            step = flow.step(flow.time_ms + 50)
            seen += range(step.first_id, step.last_id + 1)
    assert seen == sorted(set(seen))
    assert flows[0].update_id != flows[1].update_id


def test_an_anchored_market_stays_near_its_anchor() -> None:
    spot = market("spot")
    perpetual = market("perpetual", anchor=spot)
    for _ in range(500):
        spot.step(spot.time_ms + 50)
        perpetual.step(perpetual.time_ms + 50)
    assert abs(spot.fair_e8 - perpetual.fair_e8) < 100 * spot.instrument.tick_e8


def test_a_long_step_is_bounded() -> None:
    flow = market()
    step = flow.step(flow.time_ms + 3_600_000)
    assert len(step.changes) < 30_000
    assert len(flow.book.bids) < 2_500


def test_the_day_adds_up_its_hours() -> None:
    flow = market(1, activity=Activity(changes_per_second=0.01, trades_per_second=0.01, levels=40))
    flow.step(START_MS + 3_600_000)
    traded = list(flow.recent_trades)
    day = Day.of(flow)
    assert day.trades == len(traded)
    assert day.volume_e8 == sum(trade.size_e8 for trade in traded)
    assert (day.open_e8, day.close_e8) == (traded[0].price_e8, traded[-1].price_e8)
    assert day.average_e8 == day.value_e16 // day.volume_e8
    assert (day.first_id, day.last_id) == (traded[0].trade_id, traded[-1].trade_id)


def test_amounts_are_spelled_exactly() -> None:
    assert spell_value(12_345_678_901_234_567, 8) == "1.23456789"
    assert spell_value(5 * 10**16, 0) == "5"
    assert spell_signed(-1, 3, 4) == "-0.3333"
    assert spell_signed(-1, 10**9, 4) == "0.0000"
    assert spell_signed(5, 4, 2) == "1.25"


def test_prices_parse_back_to_what_they_were() -> None:
    spot = usdt_instrument("BTCUSDT", finer_ticks=1, lot_shift=2, padded=True)
    assert spot.price(8_131_165_000_000) == "81311.65000000"
    assert spot.size(spot.lot_e8) == "0.00001000"
    assert usdt_instrument("BTCUSDT").price(8_131_160_000_000) == "81311.60"
    assert hyperliquid_instrument("BTC").price(81_311 * SCALE) == "81311.0"
    for instrument in (spot, usdt_instrument("DOGEUSDT"), hyperliquid_instrument("@107")):
        value = instrument.start_price_e8 + 7 * instrument.tick_e8
        assert parse_e8(instrument.price(value)) == value


def test_a_name_always_means_the_same_instrument() -> None:
    def key(instrument: Instrument) -> tuple[int, int, int]:
        return instrument.tick_e8, instrument.lot_e8, instrument.start_price_e8

    assert key(usdt_instrument("XQZUSDT")) == key(usdt_instrument("XQZUSDT"))
    assert usdt_instrument("1000PEPEUSDT").start_price_e8 == 912_430
