"""What time it is at a venue: bars end by the venue's clock, and not by ours."""

from __future__ import annotations

from attrs import define

from hyperstream.market.venues import VenueBar


@define(eq=False)
class VenueClock:
    """Estimates the venue's time from ours and from the times that the newest of its messages carry.

    The difference is the lesser of those seen at the last two looks: one message with a time far ahead
    moves nothing, and one that comes late only puts off what waits for a time.
    """

    _difference_ns: int | None = None
    _before_ns: int | None = None
    _event_ns: int = 0
    _receive_ns: int = 0

    def see(self, event_time_ns: int, receive_time_ns: int) -> None:
        """A message of the venue's carried this time; 0 is none."""
        if event_time_ns:
            self._event_ns, self._receive_ns = event_time_ns, receive_time_ns

    def see_bar(self, bar: VenueBar) -> None:
        """A bar carries no time of its own, but is told while it forms, or soon after it closed."""
        earliest, latest = bar.start_time_ns, bar.end_time_ns
        if bar.is_closed:
            earliest, latest = latest, 2 * latest - earliest
        self.see(min(max(bar.receive_time_ns, earliest), latest), bar.receive_time_ns)

    def now(self, now_ns: int) -> int:
        """The venue's time when ours is this."""
        if self._receive_ns:
            self._before_ns, self._difference_ns = self._difference_ns, self._event_ns - self._receive_ns
            self._event_ns = self._receive_ns = 0
        if self._difference_ns is None:
            return now_ns
        if self._before_ns is None:
            return now_ns + self._difference_ns
        return now_ns + min(self._before_ns, self._difference_ns)
