"""One object per streaming call: how its updates, gaps, notices and heartbeats are spelled.

A *frame* is one element of the response's repeated ``events``, tag and length included; frames
joined are a response message.
"""

from __future__ import annotations

from hyperstream.market.updates import (
    BboUpdate,
    BookDelta,
    BookSnapshot,
    GapNote,
    NoticeNote,
    OrdersChunk,
    OrdersDelta,
    TradesUpdate,
    Update,
)
from hyperstream.v1 import common_pb2
from hyperstream.wire.protobuf.fields import string_field, tag_varint, varint, varint_field
from hyperstream.wire.protobuf.orders import orders_chunk_message, orders_delta_message
from hyperstream.wire.protobuf.parts import (
    event_frame,
    gone_level_bytes,
    head_bytes,
    level_bytes,
    levels_bytes,
)
from hyperstream.wire.protobuf.trades import trades_message

_DOUBTFUL = b"\x60\x01"  # field 12, true
_MARK_PRICE = 13
_PREVIOUS_SEQUENCE = 14


class ProtobufFormat:
    """What the formats of all calls share: the numbers of the event's oneof differ."""

    gap_number: int
    notice_number: int
    heartbeat_number: int
    merged_number: int | None = None

    def encode(self, update: Update) -> bytes:
        """The frame of an update."""
        raise TypeError(f"{type(self).__name__} does not spell {type(update).__name__}")

    def gap(self, note: GapNote) -> bytes:
        """The frame that tells a gap."""
        message = common_pb2.Gap(
            market_id=note.name.market_id,
            symbol=note.name.symbol,
            epoch=note.epoch,
            from_sequence=note.from_sequence,
            to_sequence=note.to_sequence,
            dropped=note.dropped,
            reason=f"GAP_REASON_{note.reason}",
            detail=note.detail,
        )
        return event_frame(self.gap_number, message.SerializeToString())

    def notice(self, note: NoticeNote) -> bytes:
        """The frame of a notice."""
        message = common_pb2.Notice(
            kind=f"NOTICE_KIND_{note.kind}",
            deadline_time_ns=note.deadline_time_ns,
            resume=[
                common_pb2.ResumePoint(symbol=point.symbol, epoch=point.epoch, sequence=point.sequence)
                for point in note.resume
            ],
            detail=note.detail,
        )
        return event_frame(self.notice_number, message.SerializeToString())

    def heartbeat(self, publish_time_ns: int, height: int) -> bytes:
        """The frame of a heartbeat."""
        return event_frame(self.heartbeat_number, varint_field(1, publish_time_ns) + varint_field(2, height))

    def merged(self, frame: bytes, count: int) -> bytes:
        """The same frame, saying that it replaced ``count`` others."""
        if self.merged_number is None:
            raise TypeError(f"{type(self).__name__} has no merged field")
        length_end = 1
        while frame[length_end] & 0x80:
            length_end += 1
        event = frame[length_end + 1 :] + tag_varint(self.merged_number) + varint(count)
        return b"\x0a" + varint(len(event)) + event


class OrderbookFormat(ProtobufFormat):
    """OrderbookEvent: snapshot, delta."""

    gap_number = 3
    notice_number = 4
    heartbeat_number = 5
    merged_number = 6

    def encode(self, update: Update) -> bytes:
        """A BookSnapshot or BookDelta."""
        if type(update) is BookDelta:
            parts = [head_bytes(update), *levels_bytes(update.bids, update.asks)]
            parts += [gone_level_bytes(key, 1) for key in update.gone_bids]
            parts += [gone_level_bytes(key, -1) for key in update.gone_asks]
            if update.is_doubtful:
                parts.append(_DOUBTFUL)
            parts.append(varint_field(_PREVIOUS_SEQUENCE, update.sequence - 1))
            return event_frame(2, b"".join(parts))
        if type(update) is BookSnapshot:
            return event_frame(1, snapshot_message(update))
        return super().encode(update)


def snapshot_message(update: BookSnapshot) -> bytes:
    """An OrderbookSnapshot message."""
    parts = [head_bytes(update), *levels_bytes(update.bids, update.asks)]
    if update.is_doubtful:
        parts.append(_DOUBTFUL)
    parts.append(string_field(_MARK_PRICE, update.mark_price))
    return b"".join(parts)


class BboFormat(ProtobufFormat):
    """BboEvent. Bid and ask have the numbers of a book's bids and asks, so levels are shared."""

    gap_number = 2
    notice_number = 3
    heartbeat_number = 4
    merged_number = 5

    def encode(self, update: Update) -> bytes:
        """A BboUpdate."""
        if type(update) is not BboUpdate:
            return super().encode(update)
        bid, ask = update.bid, update.ask
        return event_frame(
            1,
            b"%b%b%b%b"
            % (
                head_bytes(update),
                level_bytes(bid, 1) if bid is not None else b"",
                level_bytes(ask, -1) if ask is not None else b"",
                _DOUBTFUL if update.is_doubtful else b"",
            ),
        )


class TradesFormat(ProtobufFormat):
    """TradesEvent."""

    gap_number = 2
    notice_number = 3
    heartbeat_number = 4

    def encode(self, update: Update) -> bytes:
        """A TradesUpdate."""
        if type(update) is not TradesUpdate:
            return super().encode(update)
        return event_frame(1, head_bytes(update) + trades_message(update.trades))


class OrdersFormat(ProtobufFormat):
    """OrdersEvent: snapshot chunk, delta."""

    gap_number = 3
    notice_number = 4
    heartbeat_number = 5

    def encode(self, update: Update) -> bytes:
        """An OrdersChunk or OrdersDelta."""
        if type(update) is OrdersDelta:
            return event_frame(2, head_bytes(update) + orders_delta_message(update))
        if type(update) is OrdersChunk:
            return event_frame(1, head_bytes(update) + orders_chunk_message(update))
        return super().encode(update)


ORDERBOOK = OrderbookFormat()
BBO = BboFormat()
TRADES = TradesFormat()
ORDERS = OrdersFormat()
