"""Parts of messages that many updates share, encoded once and kept where they belong."""

from collections.abc import Sequence
from functools import lru_cache

from hyperstream.market.decimals import format_e8
from hyperstream.market.level import AnyLevel, Level
from hyperstream.market.updates import BlockStamp, MarketName, Update
from hyperstream.wire.protobuf.fields import bytes_field, string_field, tag_bytes, varint, varint_field

BIDS = 10
ASKS = 11
_TAG = {1: tag_bytes(BIDS), -1: tag_bytes(ASKS)}
_TAG_TEXT = {sign: tag.decode() for sign, tag in _TAG.items()}
# What one byte says, as text: a length or a count below 128.
_CHARACTER = tuple(map(chr, range(0x80)))
_SEQUENCE = b"\x20"  # field 4 of every head, a varint
# Up to here every length in a level is one byte; a venue's prices and sizes have some 20 characters.
_MAX_SHORT = 100


def level_bytes(level: AnyLevel, sign: int) -> bytes:
    """A level as an element of ``bids`` (sign 1) or ``asks`` (-1), tag included; cached in it."""
    cached = level.protobuf_bytes
    if cached is None:
        count = len(level.orders) if type(level) is Level else level.order_count
        price, size = level.price, format_e8(level.size_e8)
        price_length, size_length = len(price), len(size)
        if price_length + size_length <= _MAX_SHORT and count < len(_CHARACTER) and price.isascii():
            # Formatting text and encoding it is twice as fast as formatting bytes.
            cached = (
                f"{_TAG_TEXT[sign]}{_CHARACTER[price_length + size_length + 6]}"
                f"\x0a{_CHARACTER[price_length]}{price}\x12{_CHARACTER[size_length]}{size}\x18{_CHARACTER[count]}"
            ).encode()
        else:
            body = bytes_field(b"\x0a", price.encode()) + bytes_field(b"\x12", size.encode())
            cached = bytes_field(_TAG[sign], body + b"\x18" + varint(count))
        level.protobuf_bytes = cached
    return cached


def gone_level_bytes(key: int, sign: int) -> bytes:
    """A level of size "0": the one with this key is no more."""
    price = format_e8(abs(key)).encode()
    body = b"\x0a%c%b\x12\x010" % (len(price), price)
    return b"%b%c%b" % (_TAG[sign], len(body), body)


def levels_bytes(bids: Sequence[AnyLevel], asks: Sequence[AnyLevel]) -> list[bytes]:
    """The bids and asks of a message."""
    parts = [level.protobuf_bytes or level_bytes(level, 1) for level in bids]
    parts += [level.protobuf_bytes or level_bytes(level, -1) for level in asks]
    return parts


def name_bytes(name: MarketName) -> bytes:
    """Fields 1 and 2 of every head: market_id (present if known, zero included) and symbol."""
    cached = name.protobuf_bytes
    if cached is None:
        identifier = b"" if name.market_id is None else b"\x08" + varint(name.market_id)
        cached = name.protobuf_bytes = identifier + string_field(2, name.symbol)
    return cached


def stamp_bytes(stamp: BlockStamp) -> bytes:
    """Fields 5 to 9 of every head: height and the four times."""
    cached = stamp.protobuf_bytes
    if cached is None:
        times = (stamp.block_time_ns, stamp.node_time_ns, stamp.read_time_ns, stamp.publish_time_ns)
        cached = varint_field(5, stamp.height) + b"".join(
            varint_field(number, time_ns) for number, time_ns in enumerate(times, start=6)
        )
        stamp.protobuf_bytes = cached
    return cached


_epoch_bytes = lru_cache(maxsize=16_384)(varint)  # one for each topic


def head_bytes(update: Update) -> bytes:
    """Fields 1 to 9, which all updates have alike."""
    name = update.name
    stamp = update.stamp
    return b"%b\x18%b%b%b%b" % (
        name.protobuf_bytes or name_bytes(name),
        _epoch_bytes(update.epoch),
        _SEQUENCE,
        varint(update.sequence),
        stamp.protobuf_bytes or stamp_bytes(stamp),
    )


def event_frame(number: int, message: bytes) -> bytes:
    """A message as one element of a response's ``events``, under its number in the event's oneof."""
    event = bytes_field(tag_bytes(number), message)
    return bytes_field(b"\x0a", event)
