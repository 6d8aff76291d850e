"""What a fake venue lists: names, ticks, lots, and how prices and sizes are spelled.

Price levels are plausible, not current. Ticks and lots follow the size of the price, which is
close to what Binance and Bybit list for the large coins; Hyperliquid's rules are
``testing/listings.py``'s.
"""

import zlib
from collections.abc import Callable, Sequence

from attrs import field, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.market.decimals import SCALE, format_e8
from hyperstream.testing.listings import SPOT, market_spec
from hyperstream.testing.tickers import KNOWN_PERPS

QUOTES = ("USDT", "USDC", "BTC")
DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")

_PRICES: dict[str, float] = {}
for _entry in KNOWN_PERPS.split():
    _name, _, _price = _entry.split("/")
    _PRICES[_name] = float(_price)

Spelling = Callable[[int], str]


def fixed(places: int) -> Spelling:
    """Return a speller that always writes so many decimals: ``fixed(2)`` of 25 is ``25.00``."""
    unit = 10 ** (8 - places)

    def spell(value_e8: int) -> str:
        whole, rest = divmod(value_e8, SCALE)
        return f"{whole}.{rest // unit:0{places}d}" if places else str(whole)

    return spell


@frozen
class Instrument:
    """One market of a venue. Prices and sizes in units of 10^-8.

    ``lowest_e8`` and ``highest_e8`` bound the fair price, so that the tick never changes.
    ``spell_price`` and ``spell_size`` write them as the venue does.
    """

    symbol: str
    base: str
    quote: str
    tick_e8: int
    lot_e8: int
    start_price_e8: int
    spell_price: Spelling = field(repr=False, eq=False)
    spell_size: Spelling = field(repr=False, eq=False)

    @property
    def lowest_e8(self) -> int:
        """The fair price stays above this."""
        return int(max(self.start_price_e8 // 2, 10 ** (len(str(self.start_price_e8)) - 1)))

    @property
    def highest_e8(self) -> int:
        """The fair price stays below this."""
        return int(min(self.start_price_e8 * 2, 10 ** len(str(self.start_price_e8))))

    def price(self, price_e8: int) -> str:
        """Spell a price."""
        return self.spell_price(price_e8)

    def size(self, size_e8: int) -> str:
        """Spell a size."""
        return self.spell_size(size_e8)


def usdt_instrument(
    symbol: str, *, finer_ticks: int = 0, lot_shift: int = 0, padded: bool = False
) -> Instrument:
    """Return the instrument of a symbol such as ``BTCUSDT``; the same name always gives the same one.

    The tick is 10^-5 of the price's decade, ``finer_ticks`` decades less; the lot is worth
    between 10 and 100 units of quote, ``lot_shift`` decades less. ``padded`` spells eight decimals
    (Binance spot); otherwise prices have the tick's decimals and at least two.
    """
    quote = next((quote for quote in QUOTES if symbol.endswith(quote) and symbol != quote), None)
    if quote is None or not symbol.isalnum() or symbol != symbol.upper():
        raise ConfigurationError(f"not a symbol: {symbol!r}; write BTCUSDT, in capitals, with its quote")
    base = symbol.removesuffix(quote)
    price = _price_of(base)
    decade = len(str(int(price))) - 1 if price >= 1 else -len(str(int(1 / price)))
    tick_places = min(8, max(0, 5 - decade + finer_ticks))
    size_places = min(8, max(0, decade - 1 + lot_shift))
    tick = 10 ** (8 - tick_places)
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_e8=tick,
        lot_e8=10 ** (8 - size_places),
        start_price_e8=round(price * SCALE) // tick * tick,
        spell_price=fixed(8 if padded else max(2, tick_places)),
        spell_size=fixed(8 if padded else size_places),
    )


def hyperliquid_instrument(coin: str) -> Instrument:
    """Return the instrument of a coin: ``BTC``, ``@107``, ``PURR/USDC``, ``xyz:XYZ100``."""
    spec = market_spec(coin)
    base = spec.base_token if spec.kind == SPOT else coin
    start = spec.start_price_e8
    return Instrument(coin, base, "USDC", spec.tick_e8(start), spec.lot_e8, start, format_e8, format_e8)


def each_once(symbols: Sequence[str]) -> tuple[str, ...]:
    """Check that symbols are named once, and at least one."""
    if isinstance(symbols, str) or not symbols or len(set(symbols)) != len(symbols):
        raise ConfigurationError(f"name each symbol once, and at least one: {symbols!r}")
    return tuple(symbols)


def _price_of(base: str) -> float:
    for name in (base, f"k{base.removeprefix('1000')}"):
        if name in _PRICES:
            return _PRICES[name]
    draw = zlib.crc32(base.encode())  # not hash(): that differs from run to run
    return float(f"{(draw % 90_000 + 10_000) / 10_000 * 10.0 ** (draw // 90_000 % 5 - 2):.5g}")
