"""Hypothesis strategies: blocks of diffs that a venue could have written."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hyperstream.market.decimals import format_e8

Event = dict[str, Any]
PRICES = {"B": range(95, 100), "A": range(100, 105)}


class Venue:
    """Remembers what rests, so that every diff drawn is possible and no book is ever crossed."""

    def __init__(self, draw: st.DrawFn, symbols: tuple[str, ...] = ("BTC",)) -> None:
        self.draw: Any = draw
        self.symbols = symbols
        self.next_oid = 1
        self.resting: list[list[Any]] = []  # [oid, symbol, side, price, size]

    def event(self, row: list[Any], change: object) -> Event:
        oid, symbol, side, price, _ = row
        user = f"0x{oid % 3:040x}"
        px = format_e8(price * 10**8)
        return {"user": user, "oid": oid, "coin": symbol, "side": side, "px": px, "raw_book_diff": change}

    def new(self) -> list[Event]:
        side = self.draw(st.sampled_from("BA"))
        price = self.draw(st.sampled_from(PRICES[side]))
        size = self.draw(st.integers(1, 50)) * 10**6
        row = [self.next_oid, self.draw(st.sampled_from(self.symbols)), side, price, size]
        self.next_oid += 1
        change: dict[str, Any] = {"sz": format_e8(size)}
        peers = [other[0] for other in self.resting if other[1:4] == row[1:4]]
        if peers and self.draw(st.booleans()):
            change["insertBefore"] = self.draw(st.sampled_from(peers))
        self.resting.append(row)
        return [self.event(row, {"new": change})]

    def shrink(self) -> list[Event]:
        row = self.draw(st.sampled_from(self.resting))
        before, after = row[4], self.draw(st.integers(0, row[4] // 10**6 - 1)) * 10**6
        row[4] = after
        events = [self.event(row, {"update": {"origSz": format_e8(before), "newSz": format_e8(after)}})]
        if not after:
            events.append(self.event(row, "remove"))
            self.resting.remove(row)
        return events

    def remove(self) -> list[Event]:
        row = self.draw(st.sampled_from(self.resting))
        self.resting.remove(row)
        return [self.event(row, "remove")]

    def block(self) -> list[Event]:
        events: list[Event] = []
        for _ in range(self.draw(st.integers(0, 12))):
            kinds = [self.new, self.new, self.shrink, self.remove] if self.resting else [self.new]
            events += self.draw(st.sampled_from(kinds))()
        return events


@st.composite
def blocks(draw: st.DrawFn, symbols: tuple[str, ...] = ("BTC",), max_blocks: int = 8) -> list[list[Event]]:
    """Some blocks of possible diffs."""
    venue = Venue(draw, symbols)
    return [venue.block() for _ in range(draw(st.integers(1, max_blocks)))]
