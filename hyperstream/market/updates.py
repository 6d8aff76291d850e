"""What is published about a market: values that every wire format can spell.

They refer to living levels, so whoever wants bytes of them makes them before the next block is
applied. Slots named ``protobuf_bytes`` belong to ``wire.protobuf``, which encodes what many
updates share only once.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, frozen

from hyperstream.market.book import JournalEntry
from hyperstream.market.level import AnyLevel
from hyperstream.market.order import Order
from hyperstream.market.trades import Trade


@define(eq=False)
class MarketName:
    """How a market is called outside: the node's symbol, and the venue's asset index if known."""

    symbol: str
    market_id: int | None = None
    protobuf_bytes: bytes | None = None


@define(eq=False)
class BlockStamp:
    """The block an update belongs to, and when it was made, written, read and published (ns)."""

    height: int
    block_time_ns: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    protobuf_bytes: bytes | None = None


@define(eq=False)
class Update:
    """The head that every update of a topic has."""

    name: MarketName
    epoch: int
    sequence: int
    stamp: BlockStamp
    is_doubtful: bool


@define(eq=False)
class BookSnapshot(Update):
    """The best levels of both sides, best first; ``mark_price`` is empty while none is known."""

    bids: Sequence[AnyLevel]
    asks: Sequence[AnyLevel]
    mark_price: str = ""


@define(eq=False)
class BookDelta(Update):
    """The levels that changed within a depth, and the keys of those that left it (see Level)."""

    bids: Sequence[AnyLevel]
    asks: Sequence[AnyLevel]
    gone_bids: Sequence[int]
    gone_asks: Sequence[int]


@define(eq=False)
class BboUpdate(Update):
    """The best level of each side; None where the side is empty."""

    bid: AnyLevel | None
    ask: AnyLevel | None


@define(eq=False)
class TradesUpdate(Update):
    """The trades of one market in one block."""

    trades: Sequence[Trade]


@define(eq=False)
class OrdersChunk(Update):
    """A part of a market's resting orders: bids best first, then asks, oldest first at a price.

    ``first`` is the place of its first order among all, of which ``bid_count`` are bids.
    """

    orders: Sequence[Order]
    chunk: int
    is_last: bool
    first: int = 0
    bid_count: int = 0


@define(eq=False)
class OrdersDelta(Update):
    """The order-level changes of one market in one block, in the order of application.

    ``statuses`` says why orders left, by oid; ``late`` are orders whose attributes arrived
    only now. ``events`` are the node's own order statuses of this market, for formats that pass them on.
    """

    entries: Sequence[JournalEntry]
    statuses: dict[int, str]
    late: Sequence[Order]
    events: Sequence[bytes] = ()


@frozen
class GapNote:
    """Updates of a topic that a subscriber does not get. Sequences are 0 when unknown.

    ``reason`` is one of the GAP_ constants.
    """

    name: MarketName
    epoch: int
    from_sequence: int
    to_sequence: int
    dropped: int
    reason: str
    detail: str


GAP_SLOW_CONSUMER = "SLOW_CONSUMER"
GAP_SOURCE = "SOURCE_GAP"
GAP_RESYNC = "RESYNC"
GAP_RESTART = "RESTART"


@frozen
class ResumePoint:
    """The last update of a topic that a subscriber got."""

    symbol: str
    epoch: int
    sequence: int


@frozen
class NoticeNote:
    """Something about a whole stream: ``kind`` is DRAINING or CUT; deadline 0 is at once."""

    kind: str
    deadline_time_ns: int
    resume: tuple[ResumePoint, ...]
    detail: str


NOTICE_DRAINING = "DRAINING"
NOTICE_CUT = "CUT"
