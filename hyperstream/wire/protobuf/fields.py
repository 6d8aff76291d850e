"""Protobuf's encoding of single fields (protobuf.dev, "Encoding").

A field is a tag, ``number << 3 | wire type``, and a value; numbers are little-endian base-128
varints. A message inside a message is a length and its bytes, so encoded parts can be joined.
"""

_SMALL = [bytes((n,)) for n in range(0x80)] + [bytes((n & 0x7F | 0x80, n >> 7)) for n in range(0x80, 0x4000)]


_TIMES, _TOO_LONG = 1 << 56, 1 << 63  # between them a varint has nine bytes


def varint(value: int) -> bytes:
    """Encode a non-negative integer; raises ValueError for a negative one."""
    if 0 <= value < 0x4000:
        return _SMALL[value]
    if _TIMES <= value < _TOO_LONG:  # unrolled for times in ns, of which every block has some
        low = value & 0x0FFF_FFFF
        high = value >> 28 & 0x0FFF_FFFF
        return bytes(
            (
                low & 0x7F | 0x80, low >> 7 & 0x7F | 0x80, low >> 14 & 0x7F | 0x80, low >> 21 | 0x80,
                high & 0x7F | 0x80, high >> 7 & 0x7F | 0x80, high >> 14 & 0x7F | 0x80, high >> 21 | 0x80,
                value >> 56,
            )
        )  # fmt: skip
    if value < 0:
        raise ValueError(f"a varint cannot be negative: {value}")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag_varint(number: int) -> bytes:
    """The tag of a field with a varint."""
    return varint(number << 3)


def tag_bytes(number: int) -> bytes:
    """The tag of a field with a length: a string, a message, packed numbers."""
    return varint(number << 3 | 2)


def bytes_field(tag: bytes, value: bytes) -> bytes:
    """A string or message field; ``tag`` comes from tag_bytes."""
    return b"%b%b%b" % (tag, varint(len(value)), value)


def varint_field(number: int, value: int) -> bytes:
    """An integer field; nothing for zero, which is the default."""
    return tag_varint(number) + varint(value) if value else b""


def string_field(number: int, value: str) -> bytes:
    """A string field; nothing for the empty string."""
    return bytes_field(tag_bytes(number), value.encode()) if value else b""
