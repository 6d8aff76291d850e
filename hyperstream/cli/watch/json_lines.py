"""Events as JSON lines: the proto's field names, integers as numbers, ``"event"`` first.

Everything a message can say is there, also when it has its default, so a script never asks
whether a key exists. A field that is absent (an unknown market_id, the bid of an empty
side) is null. Enumerations are the names of the proto.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from hyperstream.cli.client_book import BookLevel, ClientBook
from hyperstream.market.decimals import format_e8

Reader = Callable[[Any], Any]


def event_line(event: Any) -> bytes:
    """Return an ``…Event`` message as a line: its body's fields, then those beside it (``merged``)."""
    kind = event.WhichOneof("event")
    fields = {"event": kind, **_fields(getattr(event, kind))}
    beside = {name: read(event) for name, read in _readers(event.DESCRIPTOR) if name not in _bodies(event)}
    return orjson.dumps(fields | beside, option=orjson.OPT_APPEND_NEWLINE)


def book_line(book: ClientBook, market_id: int | None) -> bytes:
    """Return a rebuilt book as a line: the fields of a snapshot, ``"event": "book"``."""
    return orjson.dumps(
        {
            "event": "book",
            "market_id": market_id,
            "symbol": book.symbol,
            "epoch": book.epoch,
            "sequence": book.sequence,
            "height": book.height,
            "block_time_ns": book.block_time_ns,
            "node_time_ns": book.node_time_ns,
            "read_time_ns": book.read_time_ns,
            "publish_time_ns": book.publish_time_ns,
            "bids": [_level(level) for level in book.bids],
            "asks": [_level(level) for level in book.asks],
            "doubtful": book.is_doubtful,
            "mark_price": book.mark_price,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def missed_line(book: ClientBook, previous_sequence: int) -> bytes:
    """Return the line for a hole the server did not announce; a new snapshot has been asked for."""
    fields = {
        "event": "missed",
        "symbol": book.symbol,
        "epoch": book.epoch,
        "sequence": book.sequence,
        "previous_sequence": previous_sequence,
    }
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _level(level: BookLevel) -> dict[str, str | int]:
    return {
        "price": format_e8(level.price_e8),
        "size": format_e8(level.size_e8),
        "order_count": level.order_count,
    }


def _fields(message: Message) -> dict[str, Any]:
    return {name: read(message) for name, read in _readers(message.DESCRIPTOR)}


def _bodies(event: Message) -> set[str]:
    return {field.name for field in event.DESCRIPTOR.oneofs_by_name["event"].fields}


@cache
def _readers(descriptor: Descriptor) -> list[tuple[str, Reader]]:
    return [(field.name, _reader(field)) for field in descriptor.fields]


def _reader(field: FieldDescriptor) -> Reader:
    name = field.name
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            return lambda message: dict(getattr(message, name))
        if field.is_repeated:
            return lambda message: [_fields(item) for item in getattr(message, name)]
        return lambda message: _fields(getattr(message, name)) if message.HasField(name) else None
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda message: names.get(getattr(message, name), getattr(message, name))
    if field.is_repeated:
        return lambda message: list(getattr(message, name))
    if field.has_presence:
        return lambda message: getattr(message, name) if message.HasField(name) else None
    return lambda message: getattr(message, name)
