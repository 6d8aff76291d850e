"""Trades: the two fills of each paired.

The node writes a fill for each side of a trade, with the same ``tid``. The taker's fill has
``crossed`` true and its side is the trade's side. ``tid`` is a hash of both orders and unique only
together with the block and the market. Outcome markets can have one-sided fills.
"""

from attrs import evolve, frozen


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

    @property
    def is_whole(self) -> bool:
        """Whether both its fills are known."""
        return bool(self.buyer and self.seller)

    def is_other_half_of(self, other: "Trade") -> bool:
        """Whether this is the fill that the other one-sided trade lacks."""
        is_same = (self.symbol, self.trade_id) == (other.symbol, other.trade_id)
        return is_same and bool(self.buyer or other.buyer) and bool(self.seller or other.seller)

    def joined(self, other: "Trade") -> "Trade":
        """This one-sided trade with what its other half tells."""
        buys, sells = (self, other) if self.buyer else (other, self)
        return evolve(
            self,
            buyer=buys.buyer,
            buyer_oid=buys.buyer_oid,
            seller=sells.seller,
            seller_oid=sells.seller_oid,
            is_liquidation=self.is_liquidation or other.is_liquidation,
        )
