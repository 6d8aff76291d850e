"""Hypothesis strategies: updates with every field anything it can be."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hyperstream.market.book import ADDED, REMOVED, UPDATED
from hyperstream.market.decimals import format_e8
from hyperstream.market.level import AnyLevel, Bucket, Level
from hyperstream.market.order import Order, OrderAttributes
from hyperstream.market.trades import Trade
from hyperstream.market.updates import (
    BboUpdate,
    BlockStamp,
    BookDelta,
    BookSnapshot,
    GapNote,
    MarketName,
    NoticeNote,
    OrdersChunk,
    OrdersDelta,
    ResumePoint,
    TradesUpdate,
)

UINT32 = st.integers(0, 2**32 - 1)
UINT64 = st.integers(0, 2**64 - 1)
TIMES = st.integers(0, 2**63 - 1)
PRICES_E8 = st.integers(1, 10**32 - 1)
SIZES_E8 = st.integers(1, 10**32 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=150)
ADDRESSES = st.integers(0, 2**160 - 1).map(lambda number: f"0x{number:040x}")

names = st.builds(MarketName, symbol=TEXTS, market_id=st.none() | UINT32)
stamps = st.builds(BlockStamp, UINT64, TIMES, TIMES, TIMES, TIMES)


@st.composite
def levels(draw: st.DrawFn, sign: int) -> Level:
    """A level with some orders, which also tells apart prices spelled unusually."""
    price_e8 = draw(PRICES_E8)
    level = Level(price_e8 * sign, format_e8(price_e8) + draw(st.sampled_from(["", "0", "0" * 120])))
    for oid in draw(st.lists(UINT64, min_size=1, max_size=4, unique=True)):
        size_e8 = draw(SIZES_E8)
        level.orders[oid] = Order(oid, draw(ADDRESSES), level, size_e8, draw(st.none() | attributes))
        level.size_e8 += size_e8
    return level


@st.composite
def buckets(draw: st.DrawFn, sign: int) -> Bucket:
    price_e8 = draw(PRICES_E8)
    bucket = Bucket(price_e8 * sign, format_e8(price_e8))
    bucket.size_e8 = draw(SIZES_E8)
    bucket.order_count = draw(st.integers(1, 2**32 - 1))
    return bucket


def any_levels(sign: int) -> st.SearchStrategy[AnyLevel]:
    return levels(sign) | buckets(sign)


def sides(sign: int) -> st.SearchStrategy[list[AnyLevel]]:
    return st.lists(any_levels(sign), max_size=4)


attributes = st.builds(
    OrderAttributes,
    placed_time_ns=TIMES,
    original_size_e8=SIZES_E8,
    order_type=TEXTS,
    tif=st.sampled_from(["", "Gtc", "Alo", "Ioc"]),
    reduce_only=st.booleans(),
    cloid=TEXTS,
    trigger_condition=TEXTS,
    trigger_price=TEXTS,
    is_position_tpsl=st.booleans(),
)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    level: Level = draw(levels(draw(st.sampled_from([1, -1]))))
    return next(iter(level.orders.values()))


heads: dict[str, Any] = {
    "name": names,
    "epoch": UINT64,
    "sequence": st.integers(1, 2**64 - 1),
    "stamp": stamps,
    "is_doubtful": st.booleans(),
}
gone_keys = {
    "gone_bids": st.lists(PRICES_E8, max_size=3),
    "gone_asks": st.lists(PRICES_E8.map(lambda price: -price), max_size=3),
}
book_snapshots = st.builds(BookSnapshot, **heads, bids=sides(1), asks=sides(-1))
book_deltas = st.builds(BookDelta, **heads, bids=sides(1), asks=sides(-1), **gone_keys)
bbo_updates = st.builds(BboUpdate, **heads, bid=st.none() | any_levels(1), ask=st.none() | any_levels(-1))
trades = st.builds(
    Trade,
    symbol=TEXTS,
    trade_id=UINT64,
    price=PRICES_E8.map(format_e8),
    size=SIZES_E8.map(format_e8),
    side=st.sampled_from("BA"),
    time_ms=st.integers(0, (2**63 - 1) // 10**6),
    hash=TEXTS,
    buyer=ADDRESSES | st.just(""),
    seller=ADDRESSES | st.just(""),
    buyer_oid=UINT64,
    seller_oid=UINT64,
    is_liquidation=st.booleans(),
)
trades_updates = st.builds(TradesUpdate, **heads, trades=st.lists(trades, max_size=4))
orders_chunks = st.builds(
    OrdersChunk, **heads, orders=st.lists(orders(), max_size=4), chunk=UINT32, is_last=st.booleans()
)


@st.composite
def orders_deltas(draw: st.DrawFn) -> OrdersDelta:
    entries = draw(
        st.lists(
            st.tuples(st.just(ADDED), orders(), st.none() | UINT64)
            | st.tuples(st.sampled_from([UPDATED, REMOVED]), orders(), st.none()),
            max_size=4,
        )
    )
    oids = [order.oid for _, order, _ in entries]
    statuses = draw(st.dictionaries(st.sampled_from(oids), TEXTS)) if oids else {}
    return OrdersDelta(
        **{key: draw(value) for key, value in heads.items()},
        entries=entries,
        statuses=statuses,
        late=draw(st.lists(orders(), max_size=3)),
    )


gap_notes = st.builds(
    GapNote,
    name=names,
    epoch=UINT64,
    from_sequence=UINT64,
    to_sequence=UINT64,
    dropped=UINT64,
    reason=st.sampled_from(["SLOW_CONSUMER", "SOURCE_GAP", "RESYNC", "RESTART"]),
    detail=TEXTS,
)
notice_notes = st.builds(
    NoticeNote,
    kind=st.sampled_from(["DRAINING", "CUT"]),
    deadline_time_ns=TIMES,
    resume=st.lists(st.builds(ResumePoint, TEXTS, UINT64, UINT64), max_size=3).map(tuple),
    detail=TEXTS,
)
