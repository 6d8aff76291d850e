"""A block's diffs in portions: the markets that somebody waits for before those that nobody looks at.

Parsing a line of a by-block file, some hundred kilobytes, takes longer than applying what one
subscriber follows. So the line is cut into its events as bytes, each is put to its market's lot, and a
lot is parsed when its turn has come. What is parsed is small then and leaves the processor's caches
to the books.

``{"local_time":…,"events":[{"user":"0x…","oid":412036451270,"coin":"BTC",…},{"user":…}]}``

The cut relies on how the node spells its lines, and is made only if the line shows nothing else:

1. there is no backslash in it, so a quotation mark is one, and ``"coin":"`` is a key;
2. between ``},{`` and ``},{`` it holds ``"coin":"`` exactly once.

A lot is checked again when it is parsed: as many objects as pieces, each of a market of that lot. If
anything is otherwise the whole line is parsed, and what has not been handed out yet goes out at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from hyperstream.errors import FormatError
from hyperstream.wire.node_lines import EVENTS

Event = dict[str, Any]

_COIN = b'"coin":"'
_BETWEEN = b"},{"
_BEGINS, _ENDS = b"[{", b"}]"
_NOT_BEFORE = len(b'"user":"0x",')  # in an event, its first brace taken off


def parse_diffs(line: bytes) -> list[Event]:
    """Return every diff of a node's line; raises FormatError if it is none."""
    try:
        events = orjson.loads(line)["events"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise FormatError("not a JSON envelope") from exc
    if not isinstance(events, list) or (events and set(map(type, events)) != {dict}):
        raise FormatError("the events are not what this source holds")
    return events


class Lots:
    """Which markets' diffs go together. Lot ``n`` holds those of ``groups[n]``; the last one, all others'."""

    __slots__ = ("_everyone", "_number", "groups")

    def __init__(self, groups: Sequence[Iterable[str]]) -> None:
        self.groups = tuple(frozenset(group) for group in groups)
        self._number = {symbol.encode(): n for n, group in enumerate(self.groups) for symbol in group}
        self._everyone = frozenset().union(*self.groups)

    def of_line(self, line: bytes) -> Iterator[list[Event]]:
        """Yield the diffs of a line, one list for each lot; those of a market are in their order.

        If the line cannot be cut one list holds all of them and the others none. Raises FormatError when
        the line turns out to be unreadable, which may be after some lots.
        """
        cut = self._cut(line)
        if cut is None:
            yield parse_diffs(line)
            yield from ([] for _ in self.groups)
            return
        for number, pieces in enumerate(cut):
            events = self._parse(pieces, number)
            if events is None:
                yield [event for event in parse_diffs(line) if self._number_of(event) >= number]
                yield from ([] for _ in self.groups[number:])
                return
            yield events

    def of_events(self, events: list[Event]) -> Iterator[list[Event]]:
        """The same for diffs that are parsed already."""
        lots: list[list[Event]] = [[] for _ in range(len(self.groups) + 1)]
        for event in events:
            lots[self._number_of(event)].append(event)
        yield from lots

    def _cut(self, line: bytes) -> list[list[bytes]] | None:
        """Put the events of a line, their outer braces taken off, to their lots; None if that is not safe."""
        begin = line.find(EVENTS) + len(EVENTS) - 1
        if not (line.startswith(_BEGINS, begin) and line.endswith(_ENDS + b"}")) or b"\\" in line:
            return None
        pieces = line[begin + len(_BEGINS) : -len(_ENDS) - 1].split(_BETWEEN)
        if line.count(_COIN) != len(pieces):
            return None
        last, width = len(self.groups), len(_COIN)
        lots: list[list[bytes]] = [[] for _ in range(last + 1)]
        number_of = self._number.get
        for piece in pieces:
            at = piece.find(_COIN, _NOT_BEFORE)
            if at < 0:
                return None
            at += width
            lots[number_of(piece[at : piece.find(b'"', at)], last)].append(piece)
        return lots

    def _parse(self, pieces: list[bytes], number: int) -> list[Event] | None:
        """Parse a lot; None if it does not hold what it was put together for."""
        if not pieces:
            return []
        try:
            events: list[Event] = orjson.loads(_BEGINS + _BETWEEN.join(pieces) + _ENDS)
            symbols = {event["coin"] for event in events}
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None
        if number < len(self.groups):
            is_its_own = symbols <= self.groups[number]
        else:
            is_its_own = symbols.isdisjoint(self._everyone)
        return events if is_its_own and len(events) == len(pieces) else None

    def _number_of(self, event: Any) -> int:
        """The number of an event's lot: the last for whatever names no market."""
        coin = event.get("coin") if type(event) is dict else None
        last = len(self.groups)
        return self._number.get(coin.encode(), last) if type(coin) is str else last
