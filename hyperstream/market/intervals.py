"""Bar intervals: how long a bar is and where it begins, always in UTC.

A bar that holds time t begins at floor((t - anchor) / length) * length + anchor. The anchor is
1970-01-01 00:00, and Monday 1970-01-05 for weeks, as on Binance, Bybit and Hyperliquid. A month
has no fixed length and is not an interval.
"""

from __future__ import annotations

import re

from attrs import field, frozen

from hyperstream.errors import FormatError

SECOND_NS = 1_000_000_000

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONDAY_NS = 4 * 86_400 * SECOND_NS
_LONGEST_SECONDS = 366 * 86_400
_TEXT = re.compile(r"([1-9][0-9]{0,8})([smhdw])")


@frozen
class Interval:
    """The length of a bar. Equal lengths are equal however they were spelled: ``60s`` is ``1m``.

    ``7d`` is not ``1w``: the first counts from a Thursday, the second from a Monday.
    """

    duration_ns: int
    anchor_ns: int = field(default=0, repr=False)

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read ``"1s"``, ``"5m"``, ``"4h"``, ``"1d"``, ``"1w"``: a whole number and s, m, h, d or w.

        Raises FormatError for anything else, and for more than 366 days.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise FormatError(
                f"not an interval: {text!r}; write a whole number and s, m, h, d or w, such as 1m or 4h"
            )
        seconds = int(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST_SECONDS:
            raise FormatError(f"the interval {text} is longer than 366 days")
        return cls(seconds * SECOND_NS, _MONDAY_NS if match[2] == "w" else 0)

    @property
    def text(self) -> str:
        """The one spelling: the largest unit that fits."""
        seconds = self.duration_ns // SECOND_NS
        if self.anchor_ns:
            return f"{seconds // _SECONDS['w']}w"
        unit = next(unit for unit in "dhms" if seconds % _SECONDS[unit] == 0)
        return f"{seconds // _SECONDS[unit]}{unit}"

    def start_of(self, time_ns: int) -> int:
        """Return where the bar that holds this time begins, in nanoseconds since 1970 UTC."""
        return (time_ns - self.anchor_ns) // self.duration_ns * self.duration_ns + self.anchor_ns

    def is_made_of(self, finer: Interval) -> bool:
        """Whether each bar of this length is a whole number of bars of the finer length."""
        return self.duration_ns % finer.duration_ns == 0 and finer.start_of(self.anchor_ns) == self.anchor_ns

    def __str__(self) -> str:
        return self.text
