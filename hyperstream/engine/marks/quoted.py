"""What one venue tells of a market: wanted from its feed while the mark is, and read for each mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import define

from hyperstream.engine.prices.newest import NewestTopics
from hyperstream.hub.latest import LatestMarket
from hyperstream.market.perp_symbols import PerpName
from hyperstream.market.venues import Channel, FeedTopic, Quote, Ticker, VenueInstrument

_NS = 1_000_000_000
_PERPETUAL = "perpetual"

_Value = TypeVar("_Value", Quote, Ticker)


@define(eq=False)
class Quoted:
    """One market at one venue. ``names`` are what it may be called there, the likeliest first.

    It is looked for whenever the venue has a new list, and wanted once it is there; what was told more than
    ``stale_seconds`` ago is not used. ``absence`` says why there was nothing, when reading has returned None.
    """

    prices: NewestTopics
    venue: str
    channel: Channel
    names: Sequence[PerpName]
    stale_seconds: float
    is_perp: bool = True
    topic: FeedTopic | None = None
    name: PerpName | None = None
    absence: str = ""
    _list: Mapping[str, VenueInstrument] | None = None

    def quote(self, now_ns: int) -> Quote | None:
        """The best bid and ask."""
        cells = self._cells()
        return self._fresh(cells.price.current if cells is not None else None, now_ns)

    def ticker(self, now_ns: int) -> Ticker | None:
        """What the venue computes."""
        cells = self._cells()
        return self._fresh(cells.ticker.current if cells is not None else None, now_ns)

    @property
    def may_still_come(self) -> bool:
        """Whether it has told nothing yet, or will be looked for when the venue has listed its markets."""
        cells = self._cells()
        if self.topic is None:
            return self.venue in self.prices.enabled and self.prices.listed(self.venue) is None
        if self.prices.refusal(self.topic):
            return False
        cell = None if cells is None else cells.ticker if self.channel is Channel.TICKER else cells.price
        return cell is None or cell.value is None

    def _cells(self) -> LatestMarket | None:
        if self.topic is None and not self._find():
            return None
        return self.prices.latest.find(self.venue, self._symbol)

    def _fresh(self, value: _Value | None, now_ns: int) -> _Value | None:
        """The value, unless it is too old."""
        if self.topic is None:
            return None
        if value is None:
            nothing = f"nothing current has been told of {self._symbol}"
            self.absence = self.prices.refusal(self.topic) or nothing
            return None
        age_seconds = (now_ns - value.receive_time_ns) / _NS
        if age_seconds > self.stale_seconds:
            self.absence = f"nothing has been told of {self._symbol} for {age_seconds:.0f} s"
            return None
        return value

    @property
    def _symbol(self) -> str:
        return self.name.symbol if self.name is not None else self.names[0].symbol

    def _find(self) -> bool:
        """Look for the market in the venue's list, and want it if it is there."""
        if self.venue not in self.prices.enabled:
            self.absence = (
                f"the feed is switched off here; the setting feeds.{self.venue}.enabled switches it on"
            )
            return False
        listed = self.prices.listed(self.venue)
        if listed is None:
            self.absence = "the venue's list of markets is not there yet"
            return False
        if listed is not self._list:
            self._list = listed
            self.name = next((name for name in self.names if self._is_traded(listed.get(name.symbol))), None)
        if self.name is None:
            what = "perpetual of this coin in USDT" if self.is_perp else "market of this name"
            self.absence = f"the venue has no {what}"
            return False
        topic = FeedTopic(self.venue, self.channel, self.name.symbol)
        if not self.prices.want(topic):
            self.absence = "prices are kept of too many markets; prices.max_markets may be raised"
            return False
        self.topic = topic
        return True

    def _is_traded(self, instrument: VenueInstrument | None) -> bool:
        if instrument is None or not instrument.is_active:
            return False
        return not self.is_perp or _PERPETUAL in instrument.kind.lower()

    def release(self) -> None:
        """Nobody follows the mark any more."""
        if self.topic is not None:
            self.prices.release(self.topic)
            self.topic = None
