"""Hyperliquid's info requests, answered from what is here: our books and trades, and the node's answers.

``POST /info`` with ``{"type":…}``: ``meta``, ``spotMeta`` and ``perpDexs`` are what the node's info server
said last; ``l2Book``, ``allMids`` and ``candleSnapshot`` come from our books and trades. Everything else
gets 422 with a plain text, as from a node that does not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from attrs import define

from hyperstream.errors import FormatError
from hyperstream.hub.directory import BookVariant, MarketDirectory, PublishedMarket
from hyperstream.market.candles import INTERVALS
from hyperstream.servers.door.http import HttpRefusal
from hyperstream.servers.websocket.hyperliquid.requests import (
    DEFAULT_LEVELS,
    MAX_LEVELS,
    ShapeFault,
    SubscriptionFault,
    aggregation_of,
)
from hyperstream.servers.websocket.mids import MidsBoard
from hyperstream.wire.json.candles import candle_json
from hyperstream.wire.json.hyperliquid import l2_book
from hyperstream.wire.json.reading import read_json

MAX_CANDLES = 5_000
_NULL = b"null"
_DAY_MS = 86_400_000

KeptAnswers = Callable[[Mapping[str, Any]], bytes | None]
"""What the node's info server answered last to a request; None if it was not asked, or refused."""


@define(eq=False)
class InfoDesk:
    """Answers info requests."""

    directory: MarketDirectory
    mids: MidsBoard
    kept_answers: KeptAnswers
    now_ms: Callable[[], int]

    def answer_body(self, body: bytes) -> bytes:
        """The JSON that answers a request's body. Raises HttpRefusal."""
        try:
            request = read_json(body)
        except FormatError as exc:
            raise _refusal("Failed to parse the request body as JSON") from exc
        if not isinstance(request, dict):
            raise _refusal("Failed to deserialize the JSON body into the target type")
        return self.answer(request)

    def answer(self, request: dict[str, Any], *, is_post: bool = False) -> bytes:
        """The JSON that answers a request. ``is_post``: an unknown coin is answered with null."""
        kind = request.get("type")
        if kind in ("meta", "spotMeta", "perpDexs"):
            return self._kept(request)
        try:
            if kind == "l2Book":
                return self._l2_book(request)
            if kind == "allMids":
                return self._all_mids(request)
            if kind == "candleSnapshot":
                return self._candles(request)
        except (ShapeFault, SubscriptionFault) as fault:
            raise _refusal(str(fault)) from fault
        except _UnknownCoin:
            if is_post:
                return _NULL
            raise HttpRefusal(HTTPStatus.INTERNAL_SERVER_ERROR, "null") from None
        raise _refusal("Failed to deserialize the JSON body into the target type")

    def _kept(self, request: dict[str, Any]) -> bytes:
        if not isinstance(request.get("dex") or "", str):
            raise _refusal("a dex is a string")
        known = {name: request[name] for name in ("type", "dex") if request.get(name)}
        kept = self.kept_answers(known)
        if kept is None:
            text = f"the node's info server has not answered {orjson.dumps(known).decode()} yet"
            raise HttpRefusal(HTTPStatus.SERVICE_UNAVAILABLE, text)
        return kept

    def _require_books(self) -> None:
        if not self.directory.is_ready:
            text = "the books are still being loaded; try again in a few seconds"
            raise HttpRefusal(HTTPStatus.SERVICE_UNAVAILABLE, text)

    def _market(self, coin: object) -> PublishedMarket:
        self._require_books()
        if not isinstance(coin, str):
            raise ShapeFault("a coin is a string")
        market = self.directory.find_symbol(coin)
        if market is None:
            raise _UnknownCoin
        return market

    def _l2_book(self, request: dict[str, Any]) -> bytes:
        figures, mantissa, levels = (request.get(name) for name in ("nSigFigs", "mantissa", "nLevels"))
        for number in (figures, mantissa, levels):
            if number is not None and (type(number) is not int or number < 0):
                raise ShapeFault("nSigFigs, mantissa and nLevels are whole numbers")
        depth = DEFAULT_LEVELS if levels is None else levels
        if not 1 <= depth <= MAX_LEVELS:
            raise ShapeFault(f"nLevels must be from 1 to {MAX_LEVELS}, not {depth}")
        variant = BookVariant(depth, aggregation_of(figures, mantissa), snapshots_only=True)
        return l2_book(self._market(request.get("coin")).book_now(variant))

    def _all_mids(self, request: dict[str, Any]) -> bytes:
        dex = request.get("dex") or ""
        if not isinstance(dex, str):
            raise ShapeFault("a dex is a string")
        self._require_books()
        return orjson.dumps(self.mids.mids(dex))

    def _candles(self, request: dict[str, Any]) -> bytes:
        wanted = request.get("req")
        if not isinstance(wanted, dict):
            raise ShapeFault("candleSnapshot has a req")
        interval, first, last = (wanted.get(name) for name in ("interval", "startTime", "endTime"))
        if interval not in INTERVALS:
            raise ShapeFault(f"there is no interval {interval!r}; there are {', '.join(INTERVALS)}")
        if type(first) is not int or first < 0 or not (last is None or (type(last) is int and first <= last)):
            raise ShapeFault("startTime and endTime are milliseconds, in this order")
        market = self._market(wanted.get("coin"))
        if market.candles is None:
            raise ShapeFault("no candles are kept here: websocket.candle_minutes is 0")
        # What lies further ahead has no candles, and no date that could be counted with.
        tomorrow = self.now_ms() + _DAY_MS
        last = tomorrow if last is None else min(last, tomorrow)
        if first > last:
            return b"[]"
        candles = list(market.candles.between(interval, first, last))[-MAX_CANDLES:]
        return orjson.dumps([candle_json(market.name.symbol, interval, candle) for candle in candles])


class _UnknownCoin(Exception):
    """A coin that no market has."""


def _refusal(text: str) -> HttpRefusal:
    return HttpRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, text)
