"""Bybit v5 public streams: topics, requests, and frames read into values.

A topic is the venue's own spelling (``orderbook.50.BTCUSDT``). One request is answered once; when one
topic of it is bad the whole request is refused and the answer names the first bad one only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import orjson

from hyperstream.errors import FormatError, TopicError
from hyperstream.market.venues import BYBIT, Channel, FeedTopic, Quote, VenueFrame
from hyperstream.wire.bybit_fields import TO_BYBIT, read_bars, read_book, read_quote, read_ticker, read_trades
from hyperstream.wire.venue_fields import (
    MALFORMED,
    PONG,
    UNKNOWN,
    Control,
    Message,
    Payload,
    RawPayload,
    Reply,
    flag,
    malformed,
    name,
    whole,
)

DEPTHS = (1, 50, 200, 1000)
DEFAULT_DEPTH = 50
MAX_ARGUMENT_CHARACTERS = 21_000
MAX_ARGUMENTS_SPOT = 10
MAX_ARGUMENTS = 100
QUOTE_PREFIX = "orderbook.1."
PING = '{"op":"ping"}'
_TOPIC_MARK = ",topic:"
_ALREADY = "already subscribed"
_NOT_SUBSCRIBED = "not subscribed"


def topic_of(topic: FeedTopic) -> str:
    """Return the venue's topic; raises TopicError for what there is not.

    A book's depth is the venue's next greater one.
    """
    symbol = topic.symbol
    match topic.channel:
        case Channel.QUOTES:
            return f"{QUOTE_PREFIX}{symbol}"
        case Channel.TRADES:
            return f"publicTrade.{symbol}"
        case Channel.BOOK:
            return f"orderbook.{_depth(topic.detail)}.{symbol}"
        case Channel.TICKER:
            return f"tickers.{symbol}"
        case Channel.BARS if topic.detail in TO_BYBIT:
            return f"kline.{TO_BYBIT[topic.detail]}.{symbol}"
        case Channel.BARS:
            raise TopicError(f"bybit has no bars of {topic.detail!r}; it has {', '.join(TO_BYBIT)}")
    raise TopicError(f"bybit has no {topic.channel.value}")


def _depth(detail: str) -> int:
    wanted = detail or str(DEFAULT_DEPTH)
    if not (wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= DEPTHS[-1]):
        raise TopicError(f"bybit has no book of depth {wanted!r}; it has {', '.join(map(str, DEPTHS))}")
    return next(depth for depth in DEPTHS if depth >= int(wanted))


def subscribe_message(topics: Sequence[str], request: str) -> str:
    """The request for topics."""
    return orjson.dumps({"req_id": request, "op": "subscribe", "args": list(topics)}).decode()


def unsubscribe_message(topics: Sequence[str], request: str) -> str:
    """The request to end topics."""
    return orjson.dumps({"req_id": request, "op": "unsubscribe", "args": list(topics)}).decode()


def is_pong(frame: bytes) -> bool:
    """Whether a frame answers an application ping: its op is ``ping`` but on options, where it is pong."""
    return len(frame) < 200 and (b'"op":"ping"' in frame or b'"op":"pong"' in frame)


class BybitDecoder:
    """Reads the frames of one connection. ``raw_topics`` are those whose frames are handed on as well."""

    def __init__(self) -> None:
        self._symbols: dict[str, tuple[str, str]] = {}
        self._quotes: dict[str, Quote] = {}
        self.raw_topics: set[str] = set()

    def follow(self, topic: str) -> None:
        """Read this topic from now on; raises TopicError for one that is not known here."""
        kind, _, rest = topic.partition(".")
        _, dot, symbol = rest.partition(".")
        if kind in ("orderbook", "kline") and dot:
            self._symbols[topic] = ("quote" if topic.startswith(QUOTE_PREFIX) else kind, symbol)
        elif kind in ("publicTrade", "tickers") and rest:
            self._symbols[topic] = (kind, rest)
        else:
            raise TopicError(f"bybit's topic {topic!r} is not known here")

    def unfollow(self, topic: str) -> None:
        """What still comes of it is nobody's."""
        self._symbols.pop(topic, None)
        self._quotes.pop(topic, None)
        self.raw_topics.discard(topic)

    def decode(self, frame: bytes | str, receive_time_ns: int) -> Message:
        """Return the topic and what the frame says; raises FormatError for anything else."""
        try:
            message = orjson.loads(frame)
            topic = message.get("topic")
            if topic is None:
                return "", read_control(message)
            known = self._symbols.get(topic)
            if known is None:
                return name(topic), UNKNOWN
            payload = self._read(topic, known[0], known[1], message, receive_time_ns)
            if topic in self.raw_topics:
                return topic, RawPayload(payload, _frame(topic, frame, message, receive_time_ns))
        except MALFORMED as exc:
            raise malformed(BYBIT, frame, exc) from exc
        return topic, payload

    def _read(self, topic: str, kind: str, symbol: str, message: Any, receive_time_ns: int) -> Payload:
        if kind == "orderbook":
            return read_book(symbol, message, receive_time_ns)
        if kind == "publicTrade":
            return read_trades(symbol, message, receive_time_ns)
        if kind == "quote":
            before = self._quotes.get(topic)
            quote = self._quotes[topic] = read_quote(symbol, message, receive_time_ns, before)
            return quote
        if kind == "tickers":
            return read_ticker(symbol, message, receive_time_ns)
        return read_bars(symbol, message, receive_time_ns)


def _frame(topic: str, frame: bytes | str, message: Any, receive_time_ns: int) -> VenueFrame:
    """The frame to be forwarded. Trades are of type snapshot, yet increments: a newcomer begins with any."""
    data = frame.encode() if isinstance(frame, str) else bytes(frame)
    content = message["data"]
    sequence = whole(content["u"]) if isinstance(content, dict) and "u" in content else 0
    return VenueFrame(BYBIT, topic, data, message["type"] == "snapshot", sequence, receive_time_ns)


def read_control(message: Any) -> Control:
    """Read an answer to a request, or a pong (whose op is ``ping``)."""
    operation = message.get("op")
    if operation in ("ping", "pong"):
        return PONG
    if message.get("type") == "COMMAND_RESP":
        data = message.get("data", {})
        failed = data.get("failTopics", ())
        stream = name(failed[0]) if failed else ""
        return Reply(name(message.get("req_id", "")), not failed, "", stream)
    if "success" not in message:
        raise FormatError("neither data nor an answer")
    request, detail = name(message.get("req_id", "")), name(message.get("ret_msg", ""))
    if flag(message["success"]):
        return Reply(request, True)
    sentence, _, topic = detail.partition(_TOPIC_MARK)
    is_repetition = _ALREADY in sentence or _NOT_SUBSCRIBED in sentence
    return Reply(request, False, detail, topic, is_repetition)


def batches_of(topics: Collection[str], *, is_spot: bool) -> list[list[str]]:
    """Return topics in the batches one request may have: 10 on spot, 100 elsewhere."""
    size = MAX_ARGUMENTS_SPOT if is_spot else MAX_ARGUMENTS
    listed = list(topics)
    return [listed[start : start + size] for start in range(0, len(listed), size)]
