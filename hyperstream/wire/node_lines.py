"""The envelope every line of a node's by-block and streaming files has.

``{"local_time":"2026-05-05T17:39:16.001926658","block_time":"…","block_number":985148182,"events":[…]}``

Source of the format: the node's README and "L1 data schemas" of Hyperliquid's documentation,
checked against recorded files. Times are naive, UTC, with 0 to 9 fractional digits; a ``Z`` behind them,
as other writers of such files put it, says the same.
"""

from calendar import timegm
from typing import NamedTuple

import orjson

from hyperstream.errors import FormatError

EVENTS = b'"events":['
_HEIGHT = b'"block_number":'
_LOCAL_TIME = b'"local_time":"'
_BLOCK_TIME = b'"block_time":"'
_KEYS = ("local_time", "block_time", "block_number", "events")
NS = 1_000_000_000


class Envelope(NamedTuple):
    """Height and times (ns since 1970 UTC) of a line; ``events_at`` is the offset after ``"events":[``."""

    height: int
    block_time_ns: int
    node_time_ns: int
    events_at: int


class TimeParser:
    """Parses the node's times, remembering the second it saw last: lines come in order."""

    def __init__(self) -> None:
        self._second = b""
        self._second_ns = 0

    def parse_ns(self, text: bytes) -> int:
        """Return ``b"2026-05-05T17:39:16.001926658"`` as ns since 1970; raises FormatError."""
        second = text[:19]
        if second != self._second:
            self._second_ns = _parse_second(second) * NS
            self._second = second
        fraction = text[20:]
        if not fraction.isdigit():
            if len(text) == 19 or text[19:] == b"Z":
                return self._second_ns
            fraction = fraction.removesuffix(b"Z")
        if text[19:20] != b"." or len(fraction) > 9 or not fraction.isdigit():
            raise FormatError(f"not a time of the node: {text!r}")
        return self._second_ns + int(fraction.ljust(9, b"0"))


def _parse_second(text: bytes) -> int:
    """``b"2026-05-05T17:39:16"`` as seconds since 1970."""
    digits = text[0:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19]
    if len(text) != 19 or not digits.isdigit() or text[4:20:3] != b"--T::":
        raise FormatError(f"not a time of the node: {text!r}")
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    is_date = year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31
    if not (is_date and hour < 24 and minute < 60 and second < 61):
        raise FormatError(f"not a time of the node: {text!r}")
    return timegm((year, month, day, hour, minute, second))


_times = TimeParser()


def parse_time_ns(text: bytes) -> int:
    """Return a time of the node as ns since 1970; raises FormatError."""
    return _times.parse_ns(text)


def parse_envelope(line: bytes) -> Envelope:
    """Return the head of a line without parsing its events; raises FormatError.

    The three fields stand before ``events`` in every known version of the node; their order
    among themselves does not matter.
    """
    events_at = line.find(EVENTS)
    if events_at < 0:
        raise FormatError(f"no events in the line: {line[:120]!r}")
    try:
        return Envelope(
            height=int(_field(line, _HEIGHT, b",", events_at)),
            block_time_ns=_times.parse_ns(_field(line, _BLOCK_TIME, b'"', events_at)),
            node_time_ns=_times.parse_ns(_field(line, _LOCAL_TIME, b'"', events_at)),
            events_at=events_at + len(EVENTS),
        )
    except ValueError as exc:
        raise FormatError(f"no block number in the line: {line[:120]!r}") from exc


def respelled(line: bytes) -> bytes:
    """Return a whole line in the node's spelling, whatever blanks and order of keys it had.

    The JSON readers and writers that recordings pass through put blanks where the node puts none. Raises
    FormatError if it is no envelope at all.
    """
    try:
        envelope = orjson.loads(line)
        return orjson.dumps({key: envelope[key] for key in _KEYS}, option=orjson.OPT_APPEND_NEWLINE)
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise FormatError(f"no envelope with {', '.join(_KEYS)}: {line[:120]!r}") from exc


def _field(line: bytes, key: bytes, end: bytes, before: int) -> bytes:
    start = line.find(key, 0, before)
    if start < 0:
        raise FormatError(f"no {key.decode()[:-1]} in the line: {line[:120]!r}")
    start += len(key)
    stop = line.find(end, start, before + 1)
    if stop < 0:
        raise FormatError(f"{key.decode()[:-1]} does not end in the line: {line[:120]!r}")
    return line[start:stop]
