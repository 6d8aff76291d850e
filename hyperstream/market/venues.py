"""What exchange feeds tell of a market: quotes, trades, books, bars and tickers, as values.

Prices and sizes are the venue's own decimal strings; an absent side or an unknown number is ``""``.
Times are nanoseconds since 1970 UTC, 0 where the venue tells none. ``receive_time_ns`` is when the
frame was read from the socket. These values are shared by everybody downstream and never change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import define, frozen

NODE = "node"
HYPERLIQUID = "hyperliquid"
BINANCE = "binance"
BINANCE_FUTURES = "binance_futures"
BYBIT = "bybit"
VENUES = (NODE, HYPERLIQUID, BINANCE, BINANCE_FUTURES, BYBIT)


class Channel(Enum):
    """What of a market is followed."""

    QUOTES = "quotes"
    TRADES = "trades"
    BOOK = "book"
    BARS = "bars"
    TICKER = "ticker"
    MIDS = "mids"


@frozen
class FeedTopic:
    """One stream of one market of one venue. ``detail`` is the interval of bars, the depth of a book.

    Intervals are spelled alike for all venues: ``1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M``.
    The symbol of mids is Hyperliquid's dex, ``""`` for the main one.
    """

    venue: str
    channel: Channel
    symbol: str
    detail: str = ""

    def __str__(self) -> str:
        """For messages to people: ``binance/BTCUSDT bars 1m``."""
        return f"{self.venue}/{self.symbol} {self.channel.value} {self.detail}".rstrip()


@frozen
class VenueInstrument:
    """One tradable market of a venue; steps are decimal strings, empty where unknown."""

    symbol: str
    base: str = ""
    quote: str = ""
    kind: str = ""
    price_step: str = ""
    size_step: str = ""
    is_active: bool = True


# What comes by the thousand a second is a plain slotted class: a frozen one takes twice as long to make.


@define(eq=False)
class Quote:
    """The best bid and ask. ``update_id`` orders quotes of one market; 0 where the venue has none."""

    venue: str
    symbol: str
    bid: str
    bid_size: str
    ask: str
    ask_size: str
    event_time_ns: int
    receive_time_ns: int
    update_id: int = 0


@define(eq=False)
class VenueTrade:
    """One trade; ``is_buyer_taker`` says who crossed the spread."""

    venue: str
    symbol: str
    trade_id: str
    price: str
    size: str
    is_buyer_taker: bool
    trade_time_ns: int
    receive_time_ns: int


@define(eq=False)
class VenueBook:
    """A book after an update, best first, to the depth asked for: pairs of price and size.

    Only books that are synchronised with the venue are told. ``detail`` is that of the topic where a
    venue has a stream for each depth (Bybit, Hyperliquid); elsewhere one book serves all depths and has
    as many levels as the deepest topic asks for.
    """

    venue: str
    symbol: str
    bids: Sequence[tuple[str, str]]
    asks: Sequence[tuple[str, str]]
    update_id: int
    event_time_ns: int
    receive_time_ns: int
    detail: str = ""


@define(eq=False)
class VenueBar:
    """A bar as the venue computes it. ``end_time_ns`` is the first nanosecond after it."""

    venue: str
    symbol: str
    interval: str
    start_time_ns: int
    end_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    trade_count: int
    is_closed: bool
    receive_time_ns: int


@define(eq=False)
class Ticker:
    """What a venue computes of a market; merged, so that every field is the newest known."""

    venue: str
    symbol: str
    last_price: str
    mark_price: str
    index_price: str
    funding_rate: str
    open_interest: str
    event_time_ns: int
    receive_time_ns: int


@define(eq=False)
class VenueMids:
    """Mid prices of many markets at once, by symbol; ``group`` is Hyperliquid's dex, ``""`` the main one."""

    venue: str
    group: str
    mids: Mapping[str, str]
    receive_time_ns: int


@define(eq=False)
class VenueFrame:
    """A venue's own message of one topic, to be forwarded untouched (Bybit's dialect).

    ``topic`` is the venue's spelling (``orderbook.50.BTCUSDT``); ``sequence`` is the update id, 0
    where the topic has none; ``is_snapshot`` tells what a newcomer may begin with.
    """

    venue: str
    topic: str
    data: bytes
    is_snapshot: bool
    sequence: int
    receive_time_ns: int


@frozen
class FeedGap:
    """What was published of these topics since then did not arrive, or cannot be trusted."""

    venue: str
    topics: tuple[FeedTopic, ...]
    since_time_ns: int
    reason: str
    detail: str


@frozen
class FeedStatus:
    """How a venue's feed is doing: ``state`` is connecting, connected, down or off."""

    venue: str
    state: str
    detail: str
    time_ns: int


@frozen
class VenueListed:
    """All instruments of a venue, told when they are first known and whenever they change."""

    venue: str
    instruments: tuple[VenueInstrument, ...]


@frozen
class TopicRefused:
    """The venue does not serve this topic; whoever waits for it should be told why."""

    topic: FeedTopic
    detail: str


FeedItem = (
    Quote
    | VenueTrade
    | VenueBook
    | VenueBar
    | Ticker
    | VenueMids
    | VenueFrame
    | FeedGap
    | FeedStatus
    | VenueListed
    | TopicRefused
)


@frozen
class FeedDemand:
    """Somebody wants a topic, or nobody wants it any more. ``is_raw`` asks for the venue's frames too."""

    topic: FeedTopic
    is_wanted: bool
    is_raw: bool = False
