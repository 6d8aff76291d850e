"""Frames that no venue sends, and that a client must survive."""

from enum import Enum
from random import Random

import orjson

from hyperstream.testing.exchanges.frames import TEXT, binary_frame, header, reserved_frame, text_frame

HUGE_BYTES = 4 << 20
_WRONG_VALUES: tuple[object, ...] = (None, [], {}, True, -1, "?", 1e300, [[]])
_WRONG_MESSAGES = (
    b"null", b"42", b'"text"', b"[]", b"{}", b"[1,[2,{}]]", b'{"stream":"btcusdt@trade","data":null}',
    b'{"topic":5,"data":{}}', b'{"channel":"l2Book","data":[1]}', b'{"e":["trade"]}',
)  # fmt: skip


class Garbage(Enum):
    """Kinds. The first six are whole messages; the last three break the WebSocket itself."""

    RANDOM_BYTES = "random_bytes"  # a binary message
    BROKEN_JSON = "broken_json"
    WRONG_TYPES = "wrong_types"
    CUT_MESSAGE = "cut_message"  # the first half of the newest message
    HUGE_MESSAGE = "huge_message"  # four megabytes of JSON
    EMPTY_MESSAGE = "empty_message"
    BAD_UTF8 = "bad_utf8"
    RESERVED_FRAME = "reserved_frame"
    TORN_FRAME = "torn_frame"  # half a frame, then FIN


def garbage_frame(kind: Garbage, newest: bytes, rng: Random) -> bytes:
    """Return bytes to be written as they are. ``newest`` is the text sent last."""
    match kind:
        case Garbage.RANDOM_BYTES:
            return binary_frame(rng.randbytes(rng.randint(1, 300)))
        case Garbage.BROKEN_JSON:
            return text_frame(b'{"e":"depthUpdate","E":17,"s":"BTC' + b"]" * rng.randint(0, 3))
        case Garbage.WRONG_TYPES:
            return text_frame(_wrong_types(newest, rng))
        case Garbage.CUT_MESSAGE:
            text = newest or b'{"channel":"pong"}'
            return text_frame(text[: max(1, len(text) // 2)])
        case Garbage.HUGE_MESSAGE:
            return text_frame(b'{"huge":"' + b"x" * HUGE_BYTES + b'"}')
        case Garbage.EMPTY_MESSAGE:
            return text_frame(b"")
        case Garbage.BAD_UTF8:
            return text_frame(b'{"e":"\xff\xfe\xc3"}')
        case Garbage.RESERVED_FRAME:
            return reserved_frame()
        case Garbage.TORN_FRAME:
            return header(TEXT, 1_000) + b'{"e":"tra'


def _wrong_types(newest: bytes, rng: Random) -> bytes:
    """Return the newest message with every leaf made something else, or something short and odd."""
    if newest and rng.random() < 0.5:
        return orjson.dumps(_spoilt(orjson.loads(newest), rng))
    return rng.choice(_WRONG_MESSAGES)


def _spoilt(value: object, rng: Random) -> object:
    match value:
        case dict():
            return {key: _spoilt(inner, rng) if key != "stream" else inner for key, inner in value.items()}
        case list():
            return [_spoilt(inner, rng) for inner in value] or None
        case _:
            wrong = [other for other in _WRONG_VALUES if type(other) is not type(value)]
            return rng.choice(wrong)
