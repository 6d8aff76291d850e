"""Where a subscription leads: the markets it names, and the topics of those."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest
from itertools import takewhile

from attrs import define

from hyperstream.errors import HyperstreamError, SelectionError
from hyperstream.hub.directory import BookVariant, MarketDirectory, PublishedMarket
from hyperstream.hub.frame_directory import FrameDirectory
from hyperstream.hub.topic import Topic
from hyperstream.servers.websocket.hyperliquid.formats import HyperliquidFormats
from hyperstream.servers.websocket.hyperliquid.requests import (
    ALL_MIDS,
    ASSET_CONTEXT,
    BBO,
    CANDLE,
    L2_BOOK,
    L4_BOOK,
    MAX_COIN_LETTERS,
    TRADES,
    Asked,
    SubscriptionFault,
)
from hyperstream.servers.websocket.mids import MidsBoard
from hyperstream.wire.hyperliquid_frames import context_topic
from hyperstream.wire.json.hyperliquid import HyperliquidFormat

_COMPARED = 24
_LIKENESS = 0.5
_NOT_READY = "there are no books here, or none yet: is node.enabled false?"


@define(eq=False)
class Streams:
    """Finds topics. ``mids`` tells the mid prices of all markets, ``frames`` forwards the venue's own."""

    directory: MarketDirectory
    mids: MidsBoard
    frames: FrameDirectory | None

    def markets(self, asked: Asked) -> list[PublishedMarket]:
        """The markets a subscription names. Raises SubscriptionFault for an unknown one."""
        if not self.directory.is_ready:
            raise SubscriptionFault(_NOT_READY)
        if asked.is_every:
            return list(self.directory.all_markets())
        return [self.market(coin) for coin in asked.coins]

    def market(self, coin: str) -> PublishedMarket:
        """The market of a coin. Raises SubscriptionFault naming the nearest."""
        found = self.directory.find_symbol(coin)
        if found is None:
            raise SubscriptionFault(unknown_coin(coin, self.directory.all_markets()))
        return found

    def topic(self, asked: Asked, formats: HyperliquidFormats, market: PublishedMarket) -> Topic:
        """The topic of one market. Raises SubscriptionFault if there is none."""
        wire_format = format_of(asked, formats)
        kind = asked.kind
        if kind == L2_BOOK:
            variant = BookVariant(asked.depth, asked.aggregation, snapshots_only=True)
            return market.book_stream(variant, wire_format)
        if kind == BBO:
            return market.bbo_stream(wire_format)
        if kind == TRADES:
            return market.trades_stream(wire_format)
        if kind == L4_BOOK:
            return market.orders_stream(wire_format, passes_statuses=True)
        if market.candles is None:
            raise SubscriptionFault("no candles are kept here: websocket.candle_minutes is 0")
        return market.candles.stream(asked.interval, wire_format)

    def contexts(self, asked: Asked) -> dict[str, str]:
        """The venue's topics of activeAssetCtx, and their coins. Raises SubscriptionFault."""
        if asked.is_every:
            raise SubscriptionFault("the venue tells asset contexts market by market: name the coins")
        if self.frames is None:
            raise SubscriptionFault("no asset contexts are told here")
        named = {context_topic(coin): coin for coin in asked.coins}
        for name in named:
            try:
                self.frames.check(name)
            except SelectionError as exc:
                raise SubscriptionFault(exc.reason) from exc
            except HyperstreamError as exc:
                raise SubscriptionFault(str(exc)) from exc
        return named

    def mids_topic(self, asked: Asked, formats: HyperliquidFormats) -> Topic:
        """The topic of allMids. Raises SubscriptionFault for an unknown dex, naming the nearest."""
        if not self.directory.is_ready:
            raise SubscriptionFault(_NOT_READY)
        if asked.dex and asked.dex not in (dexes := self.mids.dexes()):
            raise SubscriptionFault(unknown_dex(asked.dex, dexes))
        return self.mids.stream(asked.dex, formats.all_mids)


def format_of(asked: Asked, formats: HyperliquidFormats) -> HyperliquidFormat:
    """How a subscription's updates are spelled."""
    return {
        L2_BOOK: formats.l2_book,
        BBO: formats.bbo,
        TRADES: formats.trades,
        L4_BOOK: formats.l4_book,
        CANDLE: formats.candle,
        ALL_MIDS: formats.all_mids,
        ASSET_CONTEXT: formats.asset_context,
    }[asked.kind]


def unknown_dex(dex: str, dexes: Iterable[str]) -> str:
    """A sentence that names the nearest dex there is."""
    close = nearest(dex, dexes)
    hint = f"did you mean {close!r}?" if close else "the info request perpDexs lists what there is"
    return f"no dex with markets is called {dex[:40]!r}; {hint}"


def unknown_coin(coin: str, markets: Iterable[PublishedMarket]) -> str:
    """A sentence that names the nearest coin there is."""
    close = nearest(coin, (market.name.symbol for market in markets))
    hint = f"did you mean {close!r}?" if close else "the info request meta lists those there are"
    return f"no market is called {coin!r}; {hint}"


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that is most like this one whatever its case, empty if none is much.

    To compare one with six hundred takes milliseconds, in which everybody waits: those that are compared are
    of nearly its length with most of its letters, or the longer begins with the shorter.
    """
    wanted = name.lower()[:MAX_COIN_LETTERS]
    known = {other.lower(): other for other in names}
    if wanted in known:
        return known[wanted]
    letters, length = set(wanted), len(wanted)

    def shared(other: str) -> int:
        return len(letters.intersection(other)) - abs(len(other) - length)

    matcher = SequenceMatcher(b=wanted)
    best, best_likeness = "", (_LIKENESS, 0)
    longer = [other for other in known if wanted.startswith(other) or other.startswith(wanted)]
    for other in [*nlargest(_COMPARED, known, key=shared), *longer[:_COMPARED]]:
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() < best_likeness[0]:
            continue
        likeness = matcher.ratio(), _same_letters(wanted, other)
        if likeness >= best_likeness:
            best, best_likeness = known[other], likeness
    return best


def _same_letters(name: str, other: str) -> int:
    """How many letters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))
