"""Mark prices as protobuf: proto/hyperstream/v1/mark_price.proto."""

from __future__ import annotations

from functools import lru_cache

from hyperstream.market.mark_updates import Mark, MarkUpdate
from hyperstream.market.updates import Update
from hyperstream.market.venue_decimals import format_e12
from hyperstream.v1 import mark_price_pb2
from hyperstream.wire.protobuf.formats import ProtobufFormat
from hyperstream.wire.protobuf.parts import event_frame, head_bytes


class MarkPriceFormat(ProtobufFormat):
    """MarkPriceEvent."""

    gap_number = 2
    notice_number = 3
    heartbeat_number = 4
    merged_number = 5

    def encode(self, update: Update) -> bytes:
        """A MarkUpdate."""
        if type(update) is not MarkUpdate:
            return super().encode(update)
        rest = _rest(update.mark, is_doubtful=update.is_doubtful)
        return event_frame(1, head_bytes(update) + rest.SerializeToString())


def _rest(mark: Mark, *, is_doubtful: bool) -> mark_price_pb2.MarkPrice:
    """What a MarkPrice has beside its head."""
    message = mark_price_pb2.MarkPrice(
        price=mark.price,
        doubtful=is_doubtful,
        venue_price=mark.venue_price,
        difference_basis_points=mark.difference_basis_points,
        averaging_since_time_ns=mark.averaging_since_ns,
    )
    for each in mark.inputs:
        told = message.inputs.add(
            kind=f"MARK_PRICE_INPUT_KIND_{each.kind.name}", price=_spelled(each.price_e12)
        )
        for part in each.parts:
            told.parts.add(
                name=part.name,
                value=_spelled(part.price_e12),
                read_time_ns=part.read_time_ns,
                weight=part.weight,
            )
    for absence in mark.absent:
        message.absent.add(source=absence.source, reason=absence.reason)
    return message


@lru_cache(maxsize=20_000)  # from one second to the next most prices stay
def _spelled(value_e12: int) -> str:
    return format_e12(value_e12) if value_e12 >= 0 else f"-{format_e12(-value_e12)}"


MARK_PRICES = MarkPriceFormat()
