"""``candle``: bars from trades.

``{"t":1790232180000,"T":1790232239999,"s":"BTC","i":"1m","o":"84143.0","c":…,"h":…,"l":…,"v":"14.27847","n":114}``
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from hyperstream.market.candles import Candle, CandleUpdate
from hyperstream.market.decimals import format_e8
from hyperstream.market.updates import Update
from hyperstream.wire.json.hyperliquid import HyperliquidFormat


class CandleFormat(HyperliquidFormat):
    """A candle as it stands."""

    channel = "candle"

    def data(self, update: Update) -> Sequence[bytes]:
        """One candle."""
        if type(update) is not CandleUpdate:
            return super().data(update)
        return (orjson.dumps(candle_json(update.name.symbol, update.interval, update.candle)),)


def candle_json(symbol: str, interval: str, candle: Candle) -> dict[str, object]:
    """A candle as the venue tells it, on the socket and from ``/info``."""
    return {
        "t": candle.start_ms,
        "T": candle.end_ms - 1,
        "s": symbol,
        "i": interval,
        "o": format_e8(candle.open_e8),
        "c": format_e8(candle.close_e8),
        "h": format_e8(candle.high_e8),
        "l": format_e8(candle.low_e8),
        "v": format_e8(candle.volume_e8),
        "n": candle.trade_count,
    }
