"""Trades as protobuf."""

from collections.abc import Sequence

from hyperstream.market.trades import Trade
from hyperstream.v1 import common_pb2, orderbook_pb2

_SIDES = {"B": common_pb2.SIDE_BID, "A": common_pb2.SIDE_ASK}
_NS_PER_MS = 1_000_000


def trades_message(trades: Sequence[Trade]) -> bytes:
    """The ``trades`` field of a TradeBatch."""
    batch = orderbook_pb2.TradeBatch(
        trades=[
            orderbook_pb2.Trade(
                trade_id=trade.trade_id,
                price=trade.price,
                size=trade.size,
                side=_SIDES[trade.side],
                trade_time_ns=trade.time_ms * _NS_PER_MS,
                hash=trade.hash,
                buyer=trade.buyer,
                seller=trade.seller,
                buyer_oid=trade.buyer_oid,
                seller_oid=trade.seller_oid,
                liquidation=trade.is_liquidation,
            )
            for trade in trades
        ]
    )
    return batch.SerializeToString()
