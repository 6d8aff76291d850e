"""Hyperliquid's WebSocket channels: how updates are spelled for programs written for the venue.

``{"channel":"l2Book","data":{"coin":"BTC","time":1790232236546,"levels":[[{"px":"84143.0","sz":"10.25923","n":36},…],[…]]}}``

Shapes: Hyperliquid's documentation ("Subscriptions") and recorded frames; ``l4Book`` as the public
order_book_server sends it (l4book.py). All times are whole milliseconds, prices and sizes strings.

A format that *tells* adds what the venue does not: ``provenance`` beside ``data``, and channels of their own
for gaps, notices and merged values. Formats that do not tell send exactly what the venue would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from hyperstream.market.decimals import format_e8
from hyperstream.market.level import AnyLevel, Level
from hyperstream.market.trades import Trade
from hyperstream.market.updates import (
    BboUpdate,
    BookSnapshot,
    GapNote,
    NoticeNote,
    TradesUpdate,
    Update,
)
from hyperstream.market.venue_frames import FrameUpdate
from hyperstream.wire.json.frames import Seal

_MS = 1_000_000


class HyperliquidFormat:
    """What all channels share. ``seal`` makes frames; ``tells`` adds our own to the venue's."""

    channel: str

    def __init__(self, seal: Seal, *, tells: bool = False) -> None:
        self.seal = seal
        self.tells = tells

    def encode(self, update: Update) -> bytes:
        """The frame of an update."""
        return self.seal(
            b"".join(
                (b'{"channel":"%b","data":' % self.channel.encode(), *self.data(update), self.end(update))
            )
        )

    def data(self, update: Update) -> Sequence[bytes]:
        """The ``data`` of a message, in parts to be joined."""
        raise TypeError(f"{type(self).__name__} does not spell {type(update).__name__}")

    def end(self, update: Update) -> bytes:
        """What follows ``data``."""
        return b',"provenance":%b}' % orjson.dumps(provenance(update)) if self.tells else b"}"

    def gap(self, note: GapNote) -> bytes:
        """The frame that tells a gap; the venue has none, so who did not ask gets none."""
        if not self.tells:
            return b""
        return self._message(
            "gap",
            {
                "channel": self.channel,
                "coin": note.name.symbol,
                "epoch": note.epoch,
                "from_sequence": note.from_sequence,
                "to_sequence": note.to_sequence,
                "dropped": note.dropped,
                "reason": note.reason,
                "detail": note.detail,
            },
        )

    def notice(self, note: NoticeNote) -> bytes:
        """The frame of a notice: its resume points are what a subscription takes as ``resume``."""
        if not self.tells:
            return b""
        return self._message(
            "notice",
            {
                "channel": self.channel,
                "kind": note.kind,
                "deadline_time_ns": note.deadline_time_ns,
                "resume": {
                    point.symbol: {"epoch": point.epoch, "sequence": point.sequence} for point in note.resume
                },
                "detail": note.detail,
            },
        )

    def merged(self, frame: bytes, count: int) -> bytes:
        """The same frame, and how many earlier ones it replaced."""
        if not self.tells:
            return frame
        return frame + self._message("merged", {"channel": self.channel, "count": count})

    def _message(self, channel: str, data: Mapping[str, object]) -> bytes:
        return self.seal(orjson.dumps({"channel": channel, "data": data}))


def provenance(update: Update) -> dict[str, object]:
    """Where an update comes from: its place in the stream, its block, and the four times (ns)."""
    stamp = update.stamp
    return {
        "epoch": update.epoch,
        "sequence": update.sequence,
        "height": stamp.height,
        "block_time_ns": stamp.block_time_ns,
        "node_time_ns": stamp.node_time_ns,
        "read_time_ns": stamp.read_time_ns,
        "publish_time_ns": stamp.publish_time_ns,
        "doubtful": update.is_doubtful,
    }


class L2BookFormat(HyperliquidFormat):
    """``l2Book``: whole books, best first."""

    channel = "l2Book"

    def data(self, update: Update) -> Sequence[bytes]:
        """``{"coin","time","levels":[[bids],[asks]]}``."""
        if type(update) is not BookSnapshot:
            return super().data(update)
        return (l2_book(update),)


def l2_book(update: BookSnapshot) -> bytes:
    """A book as ``l2Book`` has it, on the socket and from ``/info``."""
    return b'{"coin":%b,"time":%d,"levels":[[%b],[%b]]}' % (
        orjson.dumps(update.name.symbol),
        update.stamp.block_time_ns // _MS,
        b",".join([level.json_bytes or level_json(level) for level in update.bids]),
        b",".join([level.json_bytes or level_json(level) for level in update.asks]),
    )


def level_json(level: AnyLevel) -> bytes:
    """``{"px":"84143.0","sz":"10.25923","n":36}``, made anew only when the level has changed.

    The node's prices hold nothing that JSON would escape.
    """
    cached = level.json_bytes
    if cached is None:
        count = len(level.orders) if type(level) is Level else level.order_count
        text = f'{{"px":"{level.price}","sz":"{format_e8(level.size_e8)}","n":{count}}}'
        level.json_bytes = cached = text.encode()
    return cached


class BboFormat(HyperliquidFormat):
    """``bbo``: the best bid and ask, null where a side is empty."""

    channel = "bbo"

    def data(self, update: Update) -> Sequence[bytes]:
        """``{"coin","time","bbo":[bid,ask]}``."""
        if type(update) is not BboUpdate:
            return super().data(update)
        bid, ask = update.bid, update.ask
        return (
            b'{"coin":%b,"time":%d,"bbo":[%b,%b]}'
            % (
                orjson.dumps(update.name.symbol),
                update.stamp.block_time_ns // _MS,
                level_json(bid) if bid is not None else b"null",
                level_json(ask) if ask is not None else b"null",
            ),
        )


class TradesFormat(HyperliquidFormat):
    """``trades``: the trades of a block; ``users`` are buyer and seller, whoever took."""

    channel = "trades"

    def data(self, update: Update) -> Sequence[bytes]:
        """A list of trades."""
        if type(update) is not TradesUpdate:
            return super().data(update)
        return (orjson.dumps([trade_json(trade) for trade in update.trades]),)


def trade_json(trade: Trade) -> dict[str, object]:
    """A trade as the venue tells it."""
    return {
        "coin": trade.symbol,
        "side": trade.side,
        "px": trade.price,
        "sz": trade.size,
        "time": trade.time_ms,
        "hash": trade.hash,
        "tid": trade.trade_id,
        "users": [trade.buyer, trade.seller],
    }


class AssetContextFormat(HyperliquidFormat):
    """``activeAssetCtx``: the venue's own message, as it came."""

    channel = "activeAssetCtx"

    def encode(self, update: Update) -> bytes:
        """The venue's message; where it came from stands behind what it says, as elsewhere."""
        if type(update) is not FrameUpdate:
            raise TypeError(f"{type(self).__name__} does not spell {type(update).__name__}")
        if not self.tells:
            return self.seal(update.data)
        return self.seal(update.data.rstrip()[:-1] + self.end(update))
