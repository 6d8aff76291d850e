"""What the decoders of all exchanges share: checks of fields, and the messages that carry no market data.

A frame is parsed once and its fields are checked where they are read, cheaply: prices and sizes are
plain decimal strings, ids and times integers in range. Whatever else a frame may hold ends as one
``FormatError``; keys nobody knows are left alone, because venues add some every year.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from attrs import frozen

from hyperstream.errors import FormatError
from hyperstream.market.venue_book import BookUpdate
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import Quote, VenueBar, VenueFrame, VenueMids, VenueTrade

NS_PER_MS = 1_000_000
MAX_TIME_MS = (2**63 - 1) // NS_PER_MS
MAX_ID = 2**63 - 1
# What a parser of somebody else's bytes may stumble over; anything else is a bug of ours.
MALFORMED = (FormatError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)

_DECIMAL = r"[0-9]{1,24}(?:\.[0-9]{1,24})?"
_is_signed = re.compile(f"-?{_DECIMAL}|").fullmatch
# By how many there are: exactly so many decimals, so that no value can pass for two.
_are_decimals = [re.compile(" ".join([_DECIMAL] * count)).fullmatch for count in range(9)]

Levels = Sequence[Sequence[str]]
ItemT = TypeVar("ItemT")


@frozen
class Reply:
    """The venue's answer to a request: ``request`` is the id it was sent with, or the stream it names.

    ``stream`` is the stream a refusal names, ``""`` if it names none. ``is_repetition`` says that the
    request was superfluous: already subscribed, or not subscribed any more.
    """

    request: str
    is_accepted: bool
    detail: str = ""
    stream: str = ""
    is_repetition: bool = False


@frozen
class Pong:
    """The venue answers an application ping."""


@frozen
class ServerShutdown:
    """The server says that it will go away: connect anew now."""


@frozen
class Unknown:
    """A message of a stream nobody asked for (any more), or of a kind that carries nothing for us."""

    detail: str = ""


Control = Reply | Pong | ServerShutdown | Unknown
Payload = Quote | list[VenueTrade] | BookUpdate | TickerUpdate | list[VenueBar] | VenueMids | Control
PONG = Pong()
SERVER_SHUTDOWN = ServerShutdown()
UNKNOWN = Unknown()


class RawPayload:
    """What a frame holds, together with the frame itself, for those who want it untouched."""

    __slots__ = ("frame", "payload")

    def __init__(self, payload: Payload, frame: VenueFrame) -> None:
        self.payload = payload
        self.frame = frame


Message = tuple[str, Payload | RawPayload]
"""The stream a message belongs to (``""`` for control messages), and what it holds."""

ReadData = Callable[[Any, int], Payload]
"""Reads a stream's data, given when it was received."""


def require_decimals(*texts: Any) -> None:
    """Raise FormatError unless every value is a plain decimal string."""
    if not _are_decimals[len(texts)](" ".join(texts)):  # TypeError, if one is no string
        raise FormatError(f"not plain decimals: {texts!r:.200}")


def optional_decimal(text: Any) -> str:
    """Return a decimal string, which may be negative or ``""``; None is ``""`` too."""
    if text is None:
        return ""
    if type(text) is not str or not _is_signed(text):
        raise FormatError(f"not a decimal: {text!r:.80}")
    return text


def time_ns(milliseconds: Any) -> int:
    """Return a venue's time in ns since 1970; raises FormatError for what is no time."""
    if type(milliseconds) is int and 0 <= milliseconds <= MAX_TIME_MS:
        return milliseconds * NS_PER_MS
    raise FormatError(f"not a time in milliseconds: {milliseconds!r:.80}")


def whole(number: Any) -> int:
    """Return an id or count of the venue; raises FormatError for anything but an integer in range."""
    if type(number) is int and -1 <= number <= MAX_ID:
        return number
    raise FormatError(f"not an id: {number!r:.80}")


def name(text: Any) -> str:
    """Return a venue's string; raises FormatError for anything else."""
    if type(text) is str:
        return text
    raise FormatError(f"not a string: {text!r:.80}")


def flag(value: Any) -> bool:
    """Return true or false; raises FormatError for anything else."""
    if type(value) is bool:
        return value
    raise FormatError(f"neither true nor false: {value!r:.80}")


def levels(value: Any) -> Levels:
    """Return the levels of one side; what is in them is checked when they are applied."""
    if type(value) is list:
        return value
    raise FormatError(f"not a list of levels: {value!r:.80}")


def malformed(venue: str, frame: bytes | str, cause: BaseException) -> FormatError:
    """Return the error of a frame that cannot be read."""
    return FormatError(f"{venue} sent what cannot be read ({cause!r:.200}): {frame[:200]!r}")


def in_batches(items: Sequence[ItemT], size: int) -> Iterable[Sequence[ItemT]]:
    """Yield the items, at most ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
