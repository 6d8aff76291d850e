"""A market as GetMarkets lists it."""

from hyperstream.hub.directory import PublishedMarket
from hyperstream.market.identity import MarketKind, market_kind
from hyperstream.v1 import common_pb2, orderbook_pb2

_KINDS = {
    MarketKind.PERP: common_pb2.MARKET_KIND_PERP,
    MarketKind.SPOT: common_pb2.MARKET_KIND_SPOT,
    MarketKind.BUILDER_PERP: common_pb2.MARKET_KIND_BUILDER_PERP,
    MarketKind.OUTCOME: common_pb2.MARKET_KIND_OUTCOME,
}


def describe_market(market: PublishedMarket) -> orderbook_pb2.Market:
    """The Market message of a market."""
    instrument = market.instrument
    bids, asks = market.book.sides()
    doubtful = bool(market.doubt)
    return orderbook_pb2.Market(
        market_id=market.name.market_id,
        symbol=market.name.symbol,
        kind=_KINDS[market_kind(market.name.symbol)],
        state=common_pb2.MARKET_STATE_DOUBTFUL if doubtful else common_pb2.MARKET_STATE_LIVE,
        display_name=instrument.display_name if instrument is not None else "",
        size_decimals=instrument.size_decimals if instrument is not None else None,
        delisted=instrument.is_delisted if instrument is not None else False,
        order_count=market.book.order_count,
        bid_level_count=len(bids.levels),
        ask_level_count=len(asks.levels),
        doubt=market.doubt,
    )
