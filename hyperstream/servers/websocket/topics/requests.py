"""What a client asks of topics, in either spelling.

Ours: ``{"method":"subscribe","topic":"orderbook","symbol":"BTCUSDT","levels":50}``, or the topic's full name,
``{"method":"subscribe","topic":"orderbook.50.BTCUSDT"}``. The venue's (Bybit v5), for programs written for
it: ``{"op":"subscribe","args":["orderbook.50.BTCUSDT"],"req_id":"1"}``. ``ticker`` is ours for ``tickers``.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from attrs import frozen

from hyperstream.errors import HyperstreamError

DEFAULT_LEVELS = 50
MAX_TOPIC_LETTERS = 64
MAX_TOPICS = 200
_KINDS = {"orderbook": "orderbook", "publicTrade": "publicTrade", "ticker": "tickers", "tickers": "tickers"}
_OPERATIONS = ("subscribe", "unsubscribe", "ping")


class RequestFault(HyperstreamError):
    """A request cannot be understood; the message says why."""


@frozen
class TopicRequest:
    """What is asked. ``is_venues``: spelled as the venue wants it; ``request_id`` is the client's own."""

    operation: str
    topics: tuple[str, ...]
    request_id: str | int
    is_venues: bool


def is_topic_request(message: Mapping[str, Any]) -> bool:
    """Whether a message speaks of topics."""
    return "op" in message or "topic" in message


def request_id_of(message: Mapping[str, Any]) -> str | int:
    """The client's own name of a request, to be said back; empty if it has none that can be."""
    given = message.get("req_id", "")
    is_short = isinstance(given, str) and len(given) <= MAX_TOPIC_LETTERS
    return given if is_short or (type(given) is int and 0 <= given < 2**63) else ""


def operation_of(message: Mapping[str, Any]) -> str:
    """What a request calls itself, to be said back; empty if it is nothing that could be meant."""
    given = message.get("op", message.get("method", ""))
    return given if isinstance(given, str) and len(given) <= MAX_TOPIC_LETTERS else ""


def read_request(message: Mapping[str, Any]) -> TopicRequest:
    """Read a request. Raises RequestFault."""
    request_id = request_id_of(message)
    if "op" in message:
        return TopicRequest(*_venues(message), request_id, is_venues=True)
    operation = message.get("method")
    if operation not in ("subscribe", "unsubscribe"):
        raise RequestFault("method must be subscribe or unsubscribe")
    return TopicRequest(operation, (_named(message),), request_id, is_venues=False)


def _venues(message: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    operation = message["op"]
    if operation not in _OPERATIONS:
        raise RequestFault("error:invalid op")
    if operation == "ping":
        return operation, ()
    topics = message.get("args")
    if not isinstance(topics, list) or not topics:
        raise RequestFault("args must be a list of topics")
    if len(topics) > MAX_TOPICS:
        raise RequestFault(f"args size >{MAX_TOPICS}")
    return operation, tuple(dict.fromkeys(_short(topic) for topic in topics))


def _named(message: Mapping[str, Any]) -> str:
    """The full name of a topic: given, or made of its parts."""
    topic = _short(message["topic"])
    if "." in topic:
        return topic
    kind = _KINDS.get(topic)
    if kind is None:
        close = get_close_matches(topic, _KINDS, n=1)
        nearest = f"did you mean {close[0]!r}? " if close else ""
        raise RequestFault(f"there is no topic {topic!r}; {nearest}there are {', '.join(_KINDS)}")
    if "symbol" not in message:
        raise RequestFault("name a symbol, as in BTCUSDT")
    symbol = _short(message["symbol"])
    if kind != "orderbook":
        return f"{kind}.{symbol}"
    levels = message.get("levels", DEFAULT_LEVELS)
    if type(levels) is not int or levels < 1:
        raise RequestFault("levels must be a whole number")
    return f"{kind}.{levels}.{symbol}"


def _short(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TOPIC_LETTERS:
        raise RequestFault(f"topics and symbols are strings of at most {MAX_TOPIC_LETTERS} letters")
    return value
