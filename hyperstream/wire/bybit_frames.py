"""Bybit's own frames, forwarded as they came: which topics there are, and what a newcomer must have seen.

A topic is named as the venue names it (``orderbook.50.BTCUSDT``). Its frames follow each other; a newcomer
begins with what they amount to so far, spelled as the venue would spell a snapshot at that moment:

* ``orderbook``: a snapshot replaces the book. A delta counts one up (``u``) and sets or, with size "0",
  removes levels. One that was seen already is dropped; one that leaves a hole makes all that follow
  worthless, until the next snapshot (the feed asks for one).
* ``tickers``: a snapshot, then deltas with the fields that changed.
* ``kline``: each frame is whole.
* ``publicTrade``: each frame is news; there is nothing to begin with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

import orjson

from hyperstream.errors import TopicError
from hyperstream.market.venue_frames import FrameTopics, Verdict
from hyperstream.market.venues import BYBIT, Channel, FeedTopic, VenueFrame
from hyperstream.wire.bybit import DEPTHS
from hyperstream.wire.bybit_fields import TO_BYBIT

ORDERBOOK, TRADES, TICKERS, KLINE = "orderbook", "publicTrade", "tickers", "kline"
KINDS = (ORDERBOOK, TRADES, TICKERS, KLINE)
_DEPTHS = frozenset(map(str, DEPTHS))
_INTERVALS = {spelling: interval for interval, spelling in TO_BYBIT.items()}


def feed_topic(name: str) -> FeedTopic:
    """The topic of a feed that the venue's name means. Raises TopicError, naming the nearest there is."""
    kind, _, rest = name.partition(".")
    if kind == ORDERBOOK:
        depth, _, symbol = rest.partition(".")
        if depth not in _DEPTHS:
            raise TopicError(f"there is no {ORDERBOOK}.{depth[:10]}; {_nearest_depth(depth)}")
        channel = Channel.QUOTES if depth == "1" else Channel.BOOK
        return _named(channel, symbol, "" if depth == "1" else depth)
    if kind == TRADES:
        return _named(Channel.TRADES, rest)
    if kind == TICKERS:
        return _named(Channel.TICKER, rest)
    if kind == KLINE:
        spelling, _, symbol = rest.partition(".")
        if spelling not in _INTERVALS:
            raise TopicError(f"there is no {KLINE}.{spelling[:10]}; {_nearest_interval(spelling)}")
        return _named(Channel.BARS, symbol, _INTERVALS[spelling])
    close = get_close_matches(kind[:40], KINDS, n=1)
    nearest = f"did you mean {close[0]!r}? " if close else ""
    raise TopicError(f"there is no topic {kind[:40]!r}; {nearest}there are {', '.join(KINDS)}")


def _named(channel: Channel, symbol: str, detail: str = "") -> FeedTopic:
    if not symbol:
        raise TopicError("a topic ends with a symbol, as in publicTrade.BTCUSDT")
    return FeedTopic(BYBIT, channel, symbol, detail)


def _nearest_depth(text: str) -> str:
    there_are = f"there are {', '.join(map(str, DEPTHS))}"
    nearest = _nearest_number(text, DEPTHS)
    return f"{there_are}, the nearest is {nearest}" if nearest else there_are


def _nearest_interval(text: str) -> str:
    there_are = f"there are {', '.join(_INTERVALS)}"
    minutes = [int(spelling) for spelling in _INTERVALS if spelling.isdecimal()]
    nearest = TO_BYBIT.get(text) or _nearest_number(text, minutes)
    return f"{there_are}, the nearest is {nearest}" if nearest else there_are


def _nearest_number(text: str, numbers: Collection[int]) -> str:
    """The nearest of these to what is spelled; empty if that is no number."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        return ""
    return str(min(numbers, key=lambda number: abs(number - int(text))))


class BybitMemory:
    """What the frames of one topic amount to."""

    __slots__ = ("_asks", "_bids", "_kind", "_last", "_whole", "update_id")

    # ``_last`` is the last frame as it came, as long as it is all there is to know.

    def __init__(self, name: str) -> None:
        self._kind = name.partition(".")[0]
        if name.startswith(f"{ORDERBOOK}.1."):
            self._kind = KLINE  # the book of one level is told whole, each time
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}
        self._whole: dict[str, Any] = {}
        self._last = b""
        self.update_id: int | None = None

    def take(self, frame: VenueFrame) -> Verdict:
        """A frame came; says whether it may be forwarded."""
        if self._kind == TRADES:
            return Verdict.FORWARD
        if self._kind == KLINE:
            self._last = frame.data
            return Verdict.FORWARD
        if self._kind == ORDERBOOK and not frame.is_snapshot:
            if self.update_id is None or frame.sequence > self.update_id + 1:
                self.update_id = None
                return Verdict.BROKEN
            if frame.sequence <= self.update_id:
                return Verdict.REPEATED
        elif self._kind == TICKERS and not frame.is_snapshot and not self._whole:
            return Verdict.BROKEN
        message = orjson.loads(frame.data)
        self._last = frame.data if frame.is_snapshot else b""
        if self._kind == ORDERBOOK:
            self._take_book(message, frame)
        else:
            self._take_ticker(message, frame.is_snapshot)
        return Verdict.FORWARD

    def interrupt(self) -> None:
        """What is told whole each time may be old; all else begins with a snapshot, as the venue sends it."""
        if self._kind == KLINE:
            self._last = b""

    def _take_book(self, message: dict[str, Any], frame: VenueFrame) -> None:
        content = message["data"]
        if frame.is_snapshot:
            self._bids, self._asks = {}, {}
        for side, changes in ((self._bids, content["b"]), (self._asks, content["a"])):
            for price, size in changes:
                if float(size):
                    side[price] = size
                else:
                    side.pop(price, None)
        self.update_id = frame.sequence
        message["data"] = {name: content[name] for name in content if name not in ("a", "b")}
        self._whole = message

    def _take_ticker(self, message: dict[str, Any], is_snapshot: bool) -> None:
        merged = {} if is_snapshot else self._whole["data"]
        self._whole = {**message, "data": {**merged, **message["data"]}}

    def snapshot(self) -> bytes | None:
        """What a newcomer begins with, None if there is nothing or not yet."""
        if not self.is_known:
            return None
        if self._last:
            return self._last
        if self._kind == TICKERS:
            return orjson.dumps({**self._whole, "type": "snapshot"})
        data = {**self._whole["data"], "b": _sorted(self._bids, is_bid=True), "a": _sorted(self._asks)}
        return orjson.dumps({**self._whole, "type": "snapshot", "data": data})

    @property
    def is_known(self) -> bool:
        """Whether there is something to begin with."""
        if self._kind == KLINE:
            return bool(self._last)
        return self.update_id is not None if self._kind == ORDERBOOK else bool(self._whole)

    @property
    def has_snapshots(self) -> bool:
        """Whether a newcomer begins with one."""
        return self._kind != TRADES


def _sorted(side: Mapping[str, str], *, is_bid: bool = False) -> list[tuple[str, str]]:
    return sorted(side.items(), key=lambda level: float(level[0]), reverse=is_bid)


BYBIT_FRAMES = FrameTopics(BYBIT, feed_topic, BybitMemory)
