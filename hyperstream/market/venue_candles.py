"""Bars of a venue that never says when one is closed."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve, field

from hyperstream.market.venues import VenueBar


@define(eq=False)
class BarCloser:
    """Closes a bar when a later one begins: Hyperliquid marks no candle as final.

    A bar older than the newest is a repetition and dropped.
    """

    _forming: VenueBar | None = field(default=None, init=False)

    def close(self, bars: Sequence[VenueBar]) -> list[VenueBar]:
        """Return the bars, each preceded by the one before it, closed, where it begins a new one."""
        found: list[VenueBar] = []
        for bar in bars:
            forming = self._forming
            if forming is not None and bar.start_time_ns < forming.start_time_ns:
                continue
            if forming is not None and bar.start_time_ns > forming.start_time_ns:
                found.append(evolve(forming, is_closed=True, receive_time_ns=bar.receive_time_ns))
            found.append(bar)
            self._forming = bar
        return found

    def reset(self) -> None:
        """Forget the forming bar: the stream was interrupted, and its end was not seen."""
        self._forming = None
