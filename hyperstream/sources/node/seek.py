"""Where in a directory of hourly files the block after a given height begins.

Heights rise along the files, so the file is chosen by its first line and the line by bisection of
byte offsets. A restarted node may have written some blocks twice; then any line found has the
property that everything above the height stands at or after it, because the repetition is complete.
Plain blocking reads of a few megabytes: run it in a thread.
"""

import os
from pathlib import Path

from attrs import frozen

from hyperstream.errors import FormatError
from hyperstream.sources.node.hours import Hour, list_hours
from hyperstream.sources.node.reader import ENVELOPE
from hyperstream.wire.node_lines import parse_envelope

_HEAD_BYTES = 512
_SCAN_BYTES = 256 * 1024


@frozen
class Place:
    """Where to start: byte ``offset`` of ``hour``.

    ``height`` is that of the line there, None at the end of the files. ``has_earlier`` says
    whether a line at or below the height asked for stands before.
    """

    hour: Hour
    offset: int
    height: int | None
    has_earlier: bool


def find_place(directory: Path, height: int) -> Place | None:
    """Return the first line above ``height``, or the end of the newest file; None without files."""
    above: Place | None = None  # in the oldest file so far that holds nothing at or below the height
    for hour in reversed(list_hours(directory)):
        try:
            descriptor = os.open(directory / hour.file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # pruned while we look
        try:
            place = _place_in(descriptor, hour, height)
        finally:
            os.close(descriptor)
        if place.has_earlier:
            if place.height is None and above is not None:
                return Place(above.hour, 0, above.height, has_earlier=True)
            return place
        if above is None or place.height is not None:
            above = place
    return above


def _place_in(descriptor: int, hour: Hour, height: int) -> Place:
    """Return the first line above ``height`` in one file, or its end."""
    size = os.fstat(descriptor).st_size
    line = _line_at_or_after(descriptor, 0, size)
    if line is None:
        return Place(hour, 0, None, has_earlier=False)
    offset, found = line
    if found > height:
        return Place(hour, 0, found, has_earlier=False)
    # A line at ``low`` is not above the height; every line at or after ``high`` is, or there is none.
    low, high = offset, size
    place = Place(hour, _end_of_lines(descriptor, size), None, has_earlier=True)
    while high - low > 1:
        middle = (low + high) // 2
        line = _line_at_or_after(descriptor, middle, size)
        if line is None or line[0] >= high:
            high = middle
        elif line[1] > height:
            place = Place(hour, line[0], line[1], has_earlier=True)
            high = middle
        else:
            low = line[0]
    return place


def _line_at_or_after(descriptor: int, offset: int, size: int) -> tuple[int, int] | None:
    """Return offset and height of the first readable complete line that begins at or after ``offset``."""
    at: int | None = offset if offset == 0 else _after_newline(descriptor, offset - 1, size)
    while at is not None and at < size:
        end = _after_newline(descriptor, at, size)
        if end is None:
            return None
        found = _height(os.pread(descriptor, min(_HEAD_BYTES, end - at), at))
        if found is not None:
            return at, found
        at = end
    return None


def _after_newline(descriptor: int, offset: int, size: int) -> int | None:
    """Return the offset after the first newline at or after ``offset``, None if there is none."""
    while offset < size:
        data = os.pread(descriptor, _SCAN_BYTES, offset)
        if not data:
            return None
        at = data.find(b"\n")
        if at >= 0:
            return offset + at + 1
        offset += len(data)
    return None


def _end_of_lines(descriptor: int, size: int) -> int:
    """Return the offset after the last newline."""
    end = size
    while end > 0:
        begin = max(0, end - _SCAN_BYTES)
        at = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0


def _height(head: bytes) -> int | None:
    if head.find(ENVELOPE, 1) >= 0:  # torn by a crash: the next line will do
        return None
    try:
        return parse_envelope(head).height
    except FormatError:
        return None
