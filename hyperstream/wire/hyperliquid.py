"""Hyperliquid's public WebSocket: subscriptions and their keys, and frames read into values.

Source: "WebSocket" in Hyperliquid's documentation, and measured frames. A subscription is an object; here
it is a *key*: its type, a colon, and what it is about (``bbo:BTC``, ``candle:1m:BTC``, ``allMids:``).
Answers echo the object with defaults filled in, so they are matched by key. The default and the fast
``l2Book`` of a coin look alike: they must not share a connection, and a decoder reads either.

An unknown coin closes the socket without a word: coins must be checked beforehand.
"""

from __future__ import annotations

from typing import Any

import orjson

from hyperstream.errors import FormatError, TopicError
from hyperstream.market.venue_book import BookUpdate
from hyperstream.market.venues import HYPERLIQUID, Channel, FeedTopic, VenueFrame
from hyperstream.wire.hyperliquid_fields import read_asset, read_candles, read_mids, read_quote, read_trades
from hyperstream.wire.venue_fields import (
    MALFORMED,
    PONG,
    UNKNOWN,
    Message,
    Payload,
    RawPayload,
    Reply,
    malformed,
    name,
    time_ns,
    whole,
)

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M")
FAST_DEPTH = 5
DEPTH = 20
PING = '{"method":"ping"}'
_PONG_FRAME = b'"channel":"pong"'
_FAST = "l2BookFast"
_REPEATED = ("Already subscribed", "Already unsubscribed")


def key_of(topic: FeedTopic) -> str:
    """Return the key of a topic's subscription; raises TopicError for what there is not.

    A book of at most five levels is the fast one (every 0.5 s); any other has 20 (about every 5 s).
    """
    symbol = topic.symbol
    match topic.channel:
        case Channel.QUOTES:
            return f"bbo:{symbol}"
        case Channel.TRADES:
            return f"trades:{symbol}"
        case Channel.BOOK:
            is_fast = topic.detail == "fast" or (topic.detail.isdecimal() and int(topic.detail) <= FAST_DEPTH)
            return f"{_FAST if is_fast else 'l2Book'}:{symbol}"
        case Channel.TICKER:
            return f"activeAssetCtx:{symbol}"
        case Channel.MIDS:
            return f"allMids:{symbol}"
        case Channel.BARS if topic.detail in INTERVALS:
            return f"candle:{topic.detail}:{symbol}"
        case Channel.BARS:
            raise TopicError(f"hyperliquid has no bars of {topic.detail!r}; it has {', '.join(INTERVALS)}")


def is_fast(key: str) -> bool:
    """Whether this is a fast book, which needs a connection without default books."""
    return key.startswith(f"{_FAST}:")


def subscription_of(key: str) -> dict[str, Any]:
    """Return the subscription object of a key."""
    kind, _, rest = key.partition(":")
    if kind == _FAST:
        return {"type": "l2Book", "coin": rest, "fast": True}
    if kind == "candle":
        interval, _, coin = rest.partition(":")
        return {"type": kind, "coin": coin, "interval": interval}
    if kind == "allMids":
        return {"type": kind, "dex": rest} if rest else {"type": kind}
    return {"type": kind, "coin": rest}


def key_of_subscription(subscription: Any) -> str:
    """Return the key of a subscription object, defaults filled in or not."""
    kind = name(subscription["type"])
    if kind == "allMids":
        return f"allMids:{subscription.get('dex') or ''}"
    coin = name(subscription["coin"])
    if kind == "candle":
        return f"candle:{name(subscription['interval'])}:{coin}"
    return f"{_FAST if kind == 'l2Book' and subscription.get('fast') else kind}:{coin}"


def subscribe_message(key: str) -> str:
    """The request for one subscription; the venue takes one a frame."""
    return orjson.dumps({"method": "subscribe", "subscription": subscription_of(key)}).decode()


def unsubscribe_message(key: str) -> str:
    """The request to end one subscription."""
    return orjson.dumps({"method": "unsubscribe", "subscription": subscription_of(key)}).decode()


def request_of(method: str, key: str) -> str:
    """What ``Reply.request`` is for a request: the venue has no ids."""
    return f"{method} {key}"


def is_pong(frame: bytes) -> bool:
    """Whether a frame answers an application ping; cheap enough for every frame."""
    return len(frame) < 40 and _PONG_FRAME in frame


class HyperliquidDecoder:
    """Reads the frames of one connection; ``is_fast`` says which ``l2Book`` it carries.

    ``raw_topics`` are the keys of those whose frames are handed on as well.
    """

    def __init__(self, *, is_fast: bool = False) -> None:
        self._followed: set[str] = set()
        self.raw_topics: set[str] = set()
        self._book_prefix = f"{_FAST if is_fast else 'l2Book'}:"
        self._channels = {
            "l2Book": self._book,
            "bbo": self._quote,
            "trades": self._trades,
            "candle": self._candles,
            "activeAssetCtx": self._asset,
            "activeSpotAssetCtx": self._asset,
            "allMids": self._mids,
            "subscriptionResponse": self._acknowledged,
            "error": self._error,
            "pong": self._pong,
        }

    def follow(self, key: str) -> None:
        """Read this subscription from now on."""
        self._followed.add(key)

    def unfollow(self, key: str) -> None:
        """What still comes of it is nobody's."""
        self._followed.discard(key)
        self.raw_topics.discard(key)

    def decode(self, frame: bytes | str, receive_time_ns: int) -> Message:
        """Return the key and what the frame says; raises FormatError for anything else."""
        try:
            message = orjson.loads(frame)
            read = self._channels.get(message["channel"])
            if read is None:
                return "", UNKNOWN
            key, payload = read(message.get("data"), receive_time_ns)
        except MALFORMED as exc:
            raise malformed(HYPERLIQUID, frame, exc) from exc
        if key and key not in self._followed:
            return key, UNKNOWN
        if key in self.raw_topics:
            data = frame.encode() if isinstance(frame, str) else bytes(frame)
            raw = VenueFrame(HYPERLIQUID, key, data, True, 0, receive_time_ns)
            return key, RawPayload(payload, raw)
        return key, payload

    def _book(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        coin, time_ms = name(data["coin"]), whole(data["time"])
        bids, asks = data["levels"]
        update = BookUpdate(
            coin,
            True,
            time_ms,
            time_ms,
            0,
            [(level["px"], level["sz"]) for level in bids],
            [(level["px"], level["sz"]) for level in asks],
            time_ns(time_ms),
            receive_time_ns,
        )
        return self._book_prefix + coin, update

    def _quote(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        quote = read_quote(data, receive_time_ns)
        return f"bbo:{quote.symbol}", quote

    def _trades(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        trades = read_trades(data, receive_time_ns)
        return (f"trades:{trades[0].symbol}", trades) if trades else ("", UNKNOWN)

    def _candles(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        bars = read_candles(data, receive_time_ns)
        return (f"candle:{bars[0].interval}:{bars[0].symbol}", bars) if bars else ("", UNKNOWN)

    def _asset(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        update = read_asset(data, receive_time_ns)
        return f"activeAssetCtx:{update.symbol}", update

    def _mids(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        mids = read_mids(data, receive_time_ns)
        return f"allMids:{mids.group}", mids

    def _acknowledged(self, data: Any, _: int) -> tuple[str, Payload]:
        key = key_of_subscription(data["subscription"])
        return "", Reply(request_of(name(data["method"]), key), True, stream=key)

    def _error(self, data: Any, receive_time_ns: int) -> tuple[str, Payload]:
        """Errors quote a subscription, or the request they could not read."""
        del receive_time_ns
        sentence, _, quoted = name(data).partition(": ")
        try:
            message = orjson.loads(quoted)
            key = key_of_subscription(message.get("subscription", message))
        except MALFORMED:
            return "", Reply("", False, name(data))
        if sentence in _REPEATED:
            method = "subscribe" if sentence == _REPEATED[0] else "unsubscribe"
            return "", Reply(request_of(method, key), True, sentence, key, is_repetition=True)
        method = message.get("method", "subscribe")
        if method not in ("subscribe", "unsubscribe"):
            raise FormatError(f"an error about {method!r}")
        return "", Reply(request_of(method, key), False, sentence, key)

    def _pong(self, data: Any, _: int) -> tuple[str, Payload]:
        del data
        return "", PONG
