"""Prices, bars and indicator values as protobuf: proto/hyperstream/v1/price.proto.

Hundreds of indicators are sent many times a second, so what they have alike (the key, the names of their
values) is kept with their series, and an update is little more than a join.
"""

from __future__ import annotations

from struct import Struct

from hyperstream.market.bars import Bar
from hyperstream.market.price_updates import BarUpdate, IndicatorUpdate, PriceUpdate, SeriesName
from hyperstream.market.updates import NoticeNote, Update
from hyperstream.v1 import common_pb2, price_pb2
from hyperstream.wire.protobuf.fields import (
    bytes_field,
    string_field,
    tag_bytes,
    varint,
    varint_field,
)
from hyperstream.wire.protobuf.formats import ProtobufFormat
from hyperstream.wire.protobuf.parts import event_frame

PRICE, BAR, INDICATOR, ACKNOWLEDGEMENT, ERROR, ACTIVE = range(1, 7)
_EPOCH, _SEQUENCE = 4, 5  # of PriceUpdate and BarUpdate
_VALUE = tag_bytes(4)
_WARMING = b"\x28\x01"  # field 5, true
_FORMING = b"\x40\x01"  # field 8, true
_DOUBLE = Struct("<d")
_SIDES = (common_pb2.SIDE_ASK, common_pb2.SIDE_BID)


class PricesFormat(ProtobufFormat):
    """PriceStreamEvent: prices, bars, indicators."""

    gap_number = 7
    notice_number = 8
    heartbeat_number = 9
    merged_number = 10

    def encode(self, update: Update) -> bytes:
        """A PriceUpdate, BarUpdate or IndicatorUpdate."""
        if type(update) is IndicatorUpdate:
            return event_frame(INDICATOR, _indicator_message(update))
        if type(update) is PriceUpdate:
            return event_frame(PRICE, _price_message(update))
        if type(update) is BarUpdate:
            return event_frame(BAR, _bar_message(update))
        return super().encode(update)

    def notice(self, note: NoticeNote) -> bytes:
        """The frame of a notice; without resume points, because a new stream begins with what is newest."""
        message = common_pb2.Notice(
            kind=f"NOTICE_KIND_{note.kind}", deadline_time_ns=note.deadline_time_ns, detail=note.detail
        )
        return event_frame(self.notice_number, message.SerializeToString())

    def acknowledgement(self, message: price_pb2.Acknowledgement) -> bytes:
        """The frame of an acknowledgement."""
        return event_frame(ACKNOWLEDGEMENT, message.SerializeToString())

    def error(self, message: price_pb2.StreamError) -> bytes:
        """The frame of an error."""
        return event_frame(ERROR, message.SerializeToString())

    def refusal(self, key: str, status_name: str, reason: str) -> bytes:
        """The frame that says that a series ends, and why."""
        code = f"STREAM_ERROR_CODE_{status_name}"
        return self.error(price_pb2.StreamError(code=code, reason=reason, key=key))

    def active(self, message: price_pb2.ActiveSelections) -> bytes:
        """The frame of the answer to LIST."""
        return event_frame(ACTIVE, message.SerializeToString())


def _price_message(update: PriceUpdate) -> bytes:
    quote, trade, ticker, stamp = update.quote, update.trade, update.ticker, update.stamp
    parts = [
        _series_bytes(update.series),
        varint_field(_EPOCH, update.epoch),
        varint_field(_SEQUENCE, update.sequence),
    ]
    if quote is not None:
        parts += [
            string_field(6, quote.bid),
            string_field(7, quote.bid_size),
            string_field(8, quote.ask),
            string_field(9, quote.ask_size),
        ]
    if trade is not None:
        parts += [
            string_field(10, trade.price),
            string_field(11, trade.size),
            varint_field(12, _SIDES[trade.is_buyer_taker]),
            varint_field(13, trade.trade_time_ns),
        ]
    if ticker is not None:
        if trade is None:
            parts.append(string_field(10, ticker.last_price))
        parts += [
            string_field(14, ticker.mark_price),
            string_field(15, ticker.index_price),
            string_field(16, ticker.funding_rate),
            string_field(17, ticker.open_interest),
        ]
    parts += [
        varint_field(18, stamp.block_time_ns),
        varint_field(19, stamp.read_time_ns),
        varint_field(20, stamp.publish_time_ns),
    ]
    return b"".join(parts)


def _bar_message(update: BarUpdate) -> bytes:
    bar: Bar = update.bar
    message = price_pb2.BarUpdate(
        epoch=update.epoch,
        sequence=update.sequence,
        interval=update.series.interval,
        start_time_ns=bar.start_ns,
        end_time_ns=bar.end_ns,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        turnover=bar.turnover or "",
        trade_count=bar.trade_count or 0,
        closed=bar.is_closed,
        from_venue=bar.is_venue,
        incomplete=bar.is_partial,
        publish_time_ns=update.stamp.publish_time_ns,
    )
    return _series_bytes(update.series) + message.SerializeToString()


def _indicator_message(update: IndicatorUpdate) -> bytes:
    name, stamp, values = update.series, update.stamp, update.values
    parts = [
        name.protobuf_bytes or _key_bytes(name),
        varint_field(2, update.epoch),
        varint_field(3, update.sequence),
    ]
    if values is not None:
        for head, value in zip(name.output_bytes or _output_bytes(name), values, strict=True):
            parts.append(head)
            parts.append(_DOUBLE.pack(value))
    if update.have < update.need:
        parts += [_WARMING, varint_field(6, update.have), varint_field(7, update.need)]
    if update.is_forming:
        parts.append(_FORMING)
    parts += [
        varint_field(9, update.bar_start_ns),
        varint_field(10, update.bar_end_ns),
        varint_field(11, stamp.block_time_ns),
        varint_field(12, stamp.publish_time_ns),
    ]
    return b"".join(parts)


def _series_bytes(name: SeriesName) -> bytes:
    """Fields 1 to 3 of PriceUpdate and BarUpdate: key, venue, symbol."""
    cached = name.protobuf_bytes
    if cached is None:
        cached = name.protobuf_bytes = (
            string_field(1, name.symbol) + string_field(2, name.venue) + string_field(3, name.market)
        )
    return cached


def _key_bytes(name: SeriesName) -> bytes:
    """Field 1 of IndicatorUpdate."""
    cached = name.protobuf_bytes = string_field(1, name.symbol)
    return cached


def _output_bytes(name: SeriesName) -> tuple[bytes, ...]:
    """Each value's element of ``values`` but for the eight bytes of the double, which come last."""
    heads = []
    for output in name.outputs:
        body = bytes_field(b"\x0a", output.encode()) + b"\x11"
        heads.append(_VALUE + varint(len(body) + _DOUBLE.size) + body)
    cached = name.output_bytes = tuple(heads)
    return cached


PRICES = PricesFormat()
