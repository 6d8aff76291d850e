"""Users and orders as the fake exchange keeps them.

Hundreds of thousands of orders rest at once and thousands come and go a second, so these
are plain classes with ``__slots__``. What only unusual orders have lives in ``Extra``.
"""

from attrs import define


class User:
    """An account: its address and, per coin, its position and entry price (both 10^-8)."""

    __slots__ = ("address", "entries", "is_silent", "positions")

    def __init__(self, address: str, is_silent: bool = False) -> None:
        self.address = address
        self.is_silent = is_silent
        self.positions: dict[str, int] = {}
        self.entries: dict[str, int] = {}


@define(eq=False)
class Extra:
    """What an unusual order has beyond a plain limit order."""

    order_type: str = "Limit"
    reduce_only: bool = False
    is_trigger: bool = False
    trigger_px: int = 0
    trigger_above: bool = False
    was_triggered: bool = False
    is_position_tpsl: bool = False
    builder: tuple[str, int] | None = None
    children: "tuple[Order, ...]" = ()
    siblings: "tuple[Order, ...]" = ()
    twap_id: int | None = None

    @property
    def condition(self) -> str:
        """The order's ``triggerCondition`` without the price."""
        if self.was_triggered:
            return "Triggered"
        return "Price above" if self.trigger_above else "Price below"


class Order:
    """One order. ``size`` is what remains, in 10^-8; ``slot`` is its place in the list of live orders."""

    __slots__ = (
        "cloid", "extra", "is_bid", "oid", "original", "px", "size", "slot", "tif", "timestamp", "user",
    )  # fmt: skip

    def __init__(
        self,
        oid: int,
        user: User,
        is_bid: bool,
        px: int,
        size: int,
        timestamp: int = 0,
        tif: str | None = "Gtc",
        cloid: str = "null",
        extra: Extra | None = None,
    ) -> None:
        self.oid = oid
        self.user = user
        self.is_bid = is_bid
        self.px = px
        self.size = size
        self.original = size
        self.timestamp = timestamp
        self.tif = tif
        self.cloid = cloid  # JSON text: null, or the quoted hexadecimal
        self.extra = extra
        self.slot = -1

    @property
    def side(self) -> str:
        """``B`` for a bid, ``A`` for an ask."""
        return "B" if self.is_bid else "A"
