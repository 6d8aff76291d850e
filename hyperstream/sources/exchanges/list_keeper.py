"""Keeping a venue's list current."""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio
from attrs import define, field

from hyperstream.errors import FormatError
from hyperstream.log_once import LogOnce
from hyperstream.sources.exchanges.listing import Listing
from hyperstream.sources.exchanges.rest import LONGEST_WAIT_SECONDS, RestClient, RestError
from hyperstream.sources.exchanges.venue import Venue

log = structlog.get_logger("hyperstream.sources.exchanges")


@define(eq=False)
class ListKeeper:
    """Fetches a venue's list, again every hour, and again and again while it is not to be had.

    ``on_news`` is called when it has changed, ``on_late`` once when it has not come for long.
    """

    venue: Venue
    listing: Listing
    rest: RestClient
    on_news: Callable[[], None]
    on_late: Callable[[], None]
    _causes: LogOnce = field(factory=lambda: LogOnce(log, trio.current_time), init=False)

    async def run(self) -> None:
        """Keep the list current until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fetch, name=f"{self.venue.name}: fetch the list")
            await trio.sleep(self.venue.timing.unchecked)
            if not self.listing.is_known:
                self.on_late()

    async def _fetch(self) -> None:
        failures = 0
        while True:
            odd: list[str] = []
            try:
                instruments = await self.venue.list_instruments(self.rest, odd)
            except (RestError, FormatError) as exc:
                self._causes.warning(
                    "the list of symbols is not to be had, asking again",
                    exc.cause if isinstance(exc, RestError) else "format",
                    venue=self.venue.name,
                    error=str(exc),
                )
                wait = self.venue.timing.rest_wait * 2.0 ** min(failures, 16)
                failures += 1
                await trio.sleep(min(wait, LONGEST_WAIT_SECONDS))
                continue
            failures = 0
            if odd:
                self._causes.warning(
                    "some of the list of symbols cannot be read and is left out",
                    "members",
                    venue=self.venue.name,
                    members=len(odd),
                    first=odd[0],
                )
            if self.listing.replace(instruments):
                self.on_news()
            await trio.sleep(self.venue.timing.listing)
