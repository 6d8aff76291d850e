"""Which perpetual of another venue is Hyperliquid's: the same coin, under the venue's name and in its unit.

Hyperliquid writes ``kPEPE`` for a thousand; Binance and Bybit write multiples as digits, before the coin or
behind it: ``1000PEPEUSDT``, ``SHIB1000USDT``. A perpetual is looked for under each of these names.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

QUOTE = "USDT"
_MULTIPLES = (1, 1_000, 10_000, 1_000_000)


@frozen
class PerpName:
    """A name to look for; a price of it times ``times`` over ``parts`` is one of Hyperliquid's."""

    symbol: str
    times: int = 1
    parts: int = 1

    def scaled(self, price_e12: int) -> int:
        """The venue's price in Hyperliquid's unit."""
        return price_e12 * self.times // self.parts


def perp_names(coin: str) -> Iterator[PerpName]:
    """The names under which other venues may list a coin's perpetual, those in the same unit first."""
    base, unit = (coin[1:], 1_000) if coin[:1] == "k" and coin[1:].isupper() else (coin, 1)
    for multiple in sorted(_MULTIPLES, key=lambda multiple: (multiple != unit, multiple)):
        if multiple == 1:
            yield PerpName(f"{base}{QUOTE}", unit)
        else:
            times, parts = (1, 1) if multiple == unit else (unit, multiple)
            yield PerpName(f"{multiple}{base}{QUOTE}", times, parts)
            yield PerpName(f"{base}{multiple}{QUOTE}", times, parts)
