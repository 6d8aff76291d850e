"""Tickers put together from messages that tell only what changed."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from hyperstream.market.venues import Ticker

TICKER_FIELDS = ("last_price", "mark_price", "index_price", "funding_rate", "open_interest")


@define(eq=False)
class TickerUpdate:
    """Some of a ticker's fields, by their names in ``Ticker``; a snapshot tells all there are."""

    symbol: str
    is_snapshot: bool
    fields: Mapping[str, str]
    event_time_ns: int
    receive_time_ns: int


@define(eq=False)
class MergedTicker:
    """The newest known value of every field of a market's ticker.

    A field that is absent from an update is unchanged; ``""`` is a value ("not applicable").
    """

    venue: str
    symbol: str
    _fields: dict[str, str] = field(factory=lambda: dict.fromkeys(TICKER_FIELDS, ""))
    _event_time_ns: int = 0

    def merge(self, update: TickerUpdate) -> Ticker:
        """Return the ticker after an update; a snapshot replaces everything known before."""
        if update.is_snapshot:
            self.reset()
        self._fields.update(update.fields)
        self._event_time_ns = max(self._event_time_ns, update.event_time_ns)
        return Ticker(
            self.venue,
            self.symbol,
            **self._fields,
            event_time_ns=self._event_time_ns,
            receive_time_ns=update.receive_time_ns,
        )

    def reset(self) -> None:
        """Forget what is known: the stream was interrupted."""
        self._fields = dict.fromkeys(TICKER_FIELDS, "")
        self._event_time_ns = 0
