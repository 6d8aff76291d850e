"""Prices as bytes: what is written by hand is what the generated classes read."""

from __future__ import annotations

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.market.bars import Bar
from hyperstream.market.indicators import IndicatorSpec
from hyperstream.market.price_updates import (
    BarUpdate,
    IndicatorUpdate,
    PriceUpdate,
    bar_name,
    indicator_name,
    price_name,
)
from hyperstream.market.updates import (
    GAP_SOURCE,
    NOTICE_DRAINING,
    BboUpdate,
    BlockStamp,
    GapNote,
    MarketName,
    NoticeNote,
    ResumePoint,
)
from hyperstream.market.venues import Quote, Ticker, VenueTrade
from hyperstream.v1 import common_pb2, price_pb2
from hyperstream.wire.protobuf.prices import PRICES

TEXT = st.text(max_size=30)
TIME = st.integers(0, 2**62)
COUNT = st.integers(1, 2**60)
STAMPS = st.builds(
    BlockStamp,
    st.just(0),
    block_time_ns=TIME,
    node_time_ns=st.just(0),
    read_time_ns=TIME,
    publish_time_ns=TIME,
)
STAMP = BlockStamp(0, 1, 0, 2, 3)
QUOTES = st.builds(Quote, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TIME, TIME)
TRADES = st.builds(VenueTrade, TEXT, TEXT, TEXT, TEXT, TEXT, st.booleans(), TIME, TIME)
TICKERS = st.builds(Ticker, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TIME, TIME)


def only(frame: bytes) -> price_pb2.PriceStreamEvent:
    """The one event of a frame, which is a response by itself."""
    (event,) = price_pb2.StreamPricesResponse.FromString(frame).events
    return event


@given(
    venue=TEXT,
    symbol=TEXT,
    epoch=COUNT,
    sequence=COUNT,
    stamp=STAMPS,
    quote=st.none() | QUOTES,
    trade=st.none() | TRADES,
    ticker=st.none() | TICKERS,
)
def test_a_price_is_read_as_it_was_written(
    venue: str,
    symbol: str,
    epoch: int,
    sequence: int,
    stamp: BlockStamp,
    quote: Quote | None,
    trade: VenueTrade | None,
    ticker: Ticker | None,
) -> None:
    name = price_name(venue, symbol)
    expected = price_pb2.PriceUpdate(
        key=f"{venue}/{symbol}",
        venue=venue,
        symbol=symbol,
        epoch=epoch,
        sequence=sequence,
        event_time_ns=stamp.block_time_ns,
        receive_time_ns=stamp.read_time_ns,
        publish_time_ns=stamp.publish_time_ns,
    )
    if quote is not None:
        expected.bid_price, expected.bid_size = quote.bid, quote.bid_size
        expected.ask_price, expected.ask_size = quote.ask, quote.ask_size
    if trade is not None:
        expected.last_price, expected.last_size = trade.price, trade.size
        expected.last_side = common_pb2.SIDE_BID if trade.is_buyer_taker else common_pb2.SIDE_ASK
        expected.last_trade_time_ns = trade.trade_time_ns
    if ticker is not None:
        expected.mark_price, expected.index_price = ticker.mark_price, ticker.index_price
        expected.funding_rate, expected.open_interest = ticker.funding_rate, ticker.open_interest
        if trade is None:
            expected.last_price = ticker.last_price
    update = PriceUpdate(name, epoch, sequence, stamp, False, quote, trade, ticker)
    for _ in range(2):  # the second time with what the first kept
        assert only(PRICES.encode(update)) == price_pb2.PriceStreamEvent(price=expected)


@given(
    text=st.sampled_from(["rsi:14", "macd:12,26,9@1m", "bbands:20,2@4h", "spread"]),
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
    has_values=st.booleans(),
    have=st.integers(0, 200),
    need=st.integers(1, 200),
    is_forming=st.booleans(),
    times=st.tuples(TIME, TIME),
    sequence=COUNT,
    stamp=STAMPS,
)
def test_an_indicator_is_read_as_it_was_written(
    text: str,
    numbers: list[float],
    has_values: bool,
    have: int,
    need: int,
    is_forming: bool,
    times: tuple[int, int],
    sequence: int,
    stamp: BlockStamp,
) -> None:
    spec = IndicatorSpec.parse(text)
    outputs = spec.kind.outputs
    name = indicator_name("binance", "BTCUSDT", spec, outputs)
    values = tuple(numbers[: len(outputs)]) if has_values else None
    update = IndicatorUpdate(name, 7, sequence, stamp, False, values, have, need, is_forming, *times)
    expected = price_pb2.IndicatorUpdate(
        key=name.symbol,
        epoch=7,
        sequence=sequence,
        values=[
            price_pb2.IndicatorValue(name=output, value=value)
            for output, value in zip(outputs, values or (), strict=False)
        ],
        warming=have < need,
        have=have if have < need else 0,
        need=need if have < need else 0,
        forming=is_forming,
        bar_start_time_ns=times[0],
        bar_end_time_ns=times[1],
        event_time_ns=stamp.block_time_ns,
        publish_time_ns=stamp.publish_time_ns,
    )
    for _ in range(2):
        assert only(PRICES.encode(update)) == price_pb2.PriceStreamEvent(indicator=expected)


def test_a_bar_is_read_as_it_was_written() -> None:
    bar = Bar(
        60,
        120,
        "1.0",
        "3.5",
        "0.5",
        "2.0",
        2_500_000_000_000,
        5 * 10**24,
        trade_count=7,
        is_closed=True,
        is_partial=True,
    )
    name = bar_name("binance", "BTCUSDT", "1m")
    told = only(PRICES.encode(BarUpdate(name, 5, 6, STAMP, False, bar))).bar
    assert (told.key, told.venue, told.symbol) == ("binance/BTCUSDT/1m", "binance", "BTCUSDT")
    assert (told.epoch, told.sequence, told.interval) == (5, 6, "1m")
    assert (told.start_time_ns, told.end_time_ns, told.publish_time_ns) == (60, 120, 3)
    assert (told.open, told.high, told.low, told.close) == ("1.0", "3.5", "0.5", "2.0")
    assert (told.volume, told.turnover, told.trade_count) == ("2.5", "5.0", 7)
    assert (told.closed, told.incomplete, told.from_venue) == (True, True, False)


def test_keys_name_the_market_the_interval_and_the_computation() -> None:
    def key(text: str) -> str:
        spec = IndicatorSpec.parse(text)
        return indicator_name("node", "PURR/USDC", spec, spec.kind.outputs).symbol

    assert price_name("node", "PURR/USDC").symbol == "node/PURR/USDC"
    assert price_name("node", "BTC", is_every_tick=True).symbol == "node/BTC/every_tick"
    assert bar_name("node", "BTC", "1m").symbol == "node/BTC/1m"
    assert key("rsi:14@60s") == key("rsi@1m") == "node/PURR/USDC/1m/rsi(timeperiod=14)"
    assert key("ema:20") == "node/PURR/USDC/ticks/ema(timeperiod=20)"


def test_a_merged_frame_says_how_many_it_replaced() -> None:
    name = price_name("binance", "BTCUSDT")
    frame = PRICES.encode(PriceUpdate(name, 1, 9, STAMP, False, None, None, None))
    event = only(PRICES.merged(frame, 300))
    assert (event.merged, event.price.sequence) == (300, 9)


def test_a_gap_names_the_series_and_a_notice_has_no_resume_points() -> None:
    gap = only(PRICES.gap(GapNote(price_name("binance", "BTCUSDT"), 3, 0, 0, 0, GAP_SOURCE, "lost"))).gap
    assert (gap.symbol, gap.epoch, gap.detail) == ("binance/BTCUSDT", 3, "lost")
    assert gap.reason == common_pb2.GAP_REASON_SOURCE_GAP
    point = ResumePoint("binance/BTCUSDT", 3, 4)
    notice = only(PRICES.notice(NoticeNote(NOTICE_DRAINING, 77, (point,), "bye"))).notice
    assert (notice.kind, notice.deadline_time_ns) == (common_pb2.NOTICE_KIND_DRAINING, 77)
    assert (notice.detail, len(notice.resume)) == ("bye", 0)


def test_a_refusal_is_an_error_that_ends_a_series() -> None:
    error = only(PRICES.refusal("binance/X", "NOT_FOUND", "no such market")).error
    assert (error.key, error.reason) == ("binance/X", "no such market")
    assert error.code == price_pb2.STREAM_ERROR_CODE_NOT_FOUND


def test_error_codes_are_grpcs() -> None:
    codes = {code.name: code.value[0] for code in grpc.StatusCode}
    for name, number in price_pb2.StreamErrorCode.items():
        if number:
            assert codes[name.removeprefix("STREAM_ERROR_CODE_")] == number


def test_an_update_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="does not spell BboUpdate"):
        PRICES.encode(BboUpdate(MarketName("BTC"), 1, 1, STAMP, False, None, None))
