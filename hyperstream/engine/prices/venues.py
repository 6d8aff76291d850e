"""The venues: which there are, how their feeds are doing, and what they list."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from attrs import define, field

from hyperstream.errors import SelectionError
from hyperstream.hub.price_directory import VenueReport
from hyperstream.market.venues import VENUES, FeedStatus, VenueInstrument, VenueListed

OFF, CONNECTING, CONNECTED = "off", "connecting", "connected"
LONGEST_SYMBOL = 100
# Looking for the nearest name takes a millisecond per hundred: enough to find it, not to be a burden.
_COMPARED = 300


class Listing(Protocol):
    """The markets of a venue."""

    @property
    def is_listed(self) -> bool:
        """Whether they are known yet."""

    def has(self, symbol: str) -> bool:
        """Whether there is such a market."""

    def symbols(self) -> Iterable[str]:
        """All of them."""

    def instruments(self) -> Iterable[VenueInstrument]:
        """All of them, described."""


@define(eq=False)
class FeedListing:
    """What a feed has listed."""

    by_symbol: dict[str, VenueInstrument] | None = None

    @property
    def is_listed(self) -> bool:
        """Whether the feed has."""
        return self.by_symbol is not None

    def has(self, symbol: str) -> bool:
        """Whether there is such a market."""
        return self.by_symbol is not None and symbol in self.by_symbol

    def symbols(self) -> Iterable[str]:
        """All of them."""
        return self.by_symbol or ()

    def instruments(self) -> Iterable[VenueInstrument]:
        """All of them, described."""
        return self.by_symbol.values() if self.by_symbol is not None else ()


@define(eq=False)
class Venue:
    """One venue. ``state`` is connecting, connected, down or off."""

    name: str
    listing: Listing
    state: str = OFF
    detail: str = ""
    state_time_ns: int = 0


@define(eq=False)
class Venues:
    """Every venue, those switched off as well. ``enabled`` are the others; ``node_listing`` is the node's."""

    enabled: Collection[str]
    node_listing: Listing | None
    now_ns: int
    by_name: dict[str, Venue] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_name = {}
        for name in VENUES:
            is_node = self.node_listing is not None and name == "node"
            listing = self.node_listing if is_node and self.node_listing is not None else FeedListing()
            venue = self.by_name[name] = Venue(name, listing, state_time_ns=self.now_ns)
            if name in self.enabled:
                venue.state = CONNECTED if is_node else CONNECTING

    def on_status(self, status: FeedStatus) -> None:
        """A feed told how it is doing."""
        venue = self.by_name.get(status.venue)
        if venue is not None:
            venue.state, venue.detail, venue.state_time_ns = status.state, status.detail, status.time_ns

    def on_listed(self, listed: VenueListed) -> None:
        """A feed told its markets."""
        venue = self.by_name.get(listed.venue)
        if venue is not None:
            venue.listing = FeedListing({each.symbol: each for each in listed.instruments})

    def listed(self, name: str) -> Mapping[str, VenueInstrument] | None:
        """What a feed has listed, by symbol; None before it has."""
        listing = self.by_name[name].listing
        return listing.by_symbol if isinstance(listing, FeedListing) else None

    def reports(self) -> list[VenueReport]:
        """Every venue as it is described to clients."""
        return [
            VenueReport(
                venue.name,
                venue.state,
                venue.detail,
                venue.state_time_ns,
                venue.listing.is_listed,
                venue.listing.instruments(),
            )
            for venue in self.by_name.values()
        ]

    def locate(self, venue: str, symbol: str) -> str:
        """The venue meant; see PriceDirectory.locate."""
        if not symbol:
            raise SelectionError("INVALID_ARGUMENT", "symbol", "name a market; GetInstruments lists them")
        if len(symbol) > LONGEST_SYMBOL:
            raise SelectionError("INVALID_ARGUMENT", "symbol", f"has more than {LONGEST_SYMBOL} characters")
        return self._first_with(symbol) if not venue else self._named(venue, symbol)

    def _named(self, name: str, symbol: str) -> str:
        venue = self.by_name.get(name)
        if venue is None:
            close = difflib.get_close_matches(name[:LONGEST_SYMBOL].lower(), self.by_name, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(self.by_name)}"
            raise SelectionError("NOT_FOUND", "venue", f"there is no venue {name[:LONGEST_SYMBOL]!r}; {hint}")
        if name not in self.enabled:
            setting = "node.enabled" if name == "node" else f"feeds.{name}.enabled"
            raise SelectionError(
                "UNAVAILABLE", "venue", f"{name} is switched off here; the setting {setting} switches it on"
            )
        if venue.listing.is_listed and not venue.listing.has(symbol):
            raise SelectionError("NOT_FOUND", "symbol", _unknown(symbol, [venue]))
        return name

    def _first_with(self, symbol: str) -> str:
        enabled = [venue for venue in self.by_name.values() if venue.name in self.enabled]
        for venue in enabled:
            if venue.listing.has(symbol):
                return venue.name
        unlisted = [venue.name for venue in enabled if not venue.listing.is_listed]
        if unlisted:
            raise SelectionError(
                "UNAVAILABLE",
                "symbol",
                f"no venue listed so far has {symbol!r}, and {', '.join(unlisted)} have not listed "
                "theirs yet; name the venue, or try again in a few seconds",
            )
        raise SelectionError("NOT_FOUND", "symbol", _unknown(symbol, enabled))


def _unknown(symbol: str, venues: Sequence[Venue]) -> str:
    """The sentence about a symbol that none of these has, with the nearest that one of them has."""
    where = venues[0].name if len(venues) == 1 else "no venue that is switched on"
    for venue in venues:
        close = _nearest(symbol, venue.listing)
        if close:
            owner = "" if len(venues) == 1 else f" of {venue.name}"
            hint = f"did you mean {close!r}{owner}?"
            break
    else:
        hint = "GetInstruments lists those there are"
    verb = "has no market" if len(venues) == 1 else "has a market"
    return f"{where} {verb} {symbol!r}; {hint}"


def _nearest(symbol: str, listing: Listing) -> str:
    """The name most like this one, among those that begin alike; empty if none is like it."""
    lower = symbol.lower()
    alike = {known.lower(): known for known in listing.symbols() if known[:1].lower() == lower[:1]}
    if lower in alike:
        return alike[lower]
    if len(alike) > _COMPARED:
        alike = {key: known for key, known in alike.items() if key[:2] == lower[:2]}
    close = difflib.get_close_matches(lower, list(islice(alike, _COMPARED)), n=1, cutoff=0.6)
    return alike[close[0]] if close else ""
