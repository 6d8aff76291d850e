"""Trades: the two fills of each paired.

The node writes a fill for each side of a trade, with the same ``tid``. The taker's fill has
``crossed`` true and its side is the trade's side. ``tid`` is a hash of both orders and unique only
together with the block and the market. Outcome markets can have one-sided fills.
"""

from attrs import frozen


@frozen
class Trade:
    """One trade. ``side`` is the taker's, ``"B"`` or ``"A"``; ``time_ms`` is the venue's time.

    A buyer or seller that the node did not write is an empty string with oid 0.
    """

    symbol: str
    trade_id: int
    price: str
    size: str
    side: str
    time_ms: int
    hash: str
    buyer: str
    seller: str
    buyer_oid: int
    seller_oid: int
    is_liquidation: bool
