"""Which markets the fake exchange lists: names, lot sizes, ticks, asset ids.

The names, decimals and price levels are plausible, not current. Hyperliquid's rules
("Tick and lot size" in its documentation) decide what a valid price is: at most five
significant figures, at most ``6 - szDecimals`` decimals for a perpetual and
``8 - szDecimals`` for a spot pair, and any integer.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import cycle

from attrs import frozen

from hyperstream.errors import ConfigurationError
from hyperstream.market.decimals import SCALE
from hyperstream.testing.tickers import DEX_COINS, DEX_PRICES, KNOWN_PERPS, OTHER_PERPS

PERP, SPOT, DEX = "perp", "spot", "dex"

DEXES = ("xyz", "flx", "vntl", "hyna", "km", "abcd", "cash", "para", "ventu", "unit")
_SPOT_TOKENS = {0: "PURR", 107: "HYPE", 142: "UBTC", 151: "UETH", 156: "USOL", 166: "USDT0", 188: "UPUMP"}
_SPOT_PRICES = {107: 39.418, 142: 81320.0, 151: 2394.1, 156: 148.3, 166: 0.99981, 188: 0.0041231}
_SYMBOL = re.compile(r"(?:[a-z0-9]{2,8}:)?[A-Za-z0-9]{1,20}|@[1-9][0-9]{0,4}|PURR/USDC", re.ASCII)

_TABLE: dict[str, tuple[int, float]] = {}
for _entry in KNOWN_PERPS.split():
    _name, _decimals, _price = _entry.split("/")
    _TABLE[_name] = (int(_decimals), float(_price))


@frozen
class MarketSpec:
    """One market: its coin name in the files, lot decimals and the price it starts from (10^-8)."""

    symbol: str
    kind: str
    sz_decimals: int
    start_price_e8: int

    @property
    def dex(self) -> str | None:
        """The HIP-3 dex the coin belongs to, or None."""
        return self.symbol.partition(":")[0] if self.kind == DEX else None

    @property
    def lot_e8(self) -> int:
        """The smallest size step, in units of 10^-8."""
        return int(10 ** (8 - self.sz_decimals))

    @property
    def base_token(self) -> str:
        """What a spot pair's buyer pays fees in; the coin itself elsewhere."""
        if self.kind != SPOT:
            return self.symbol
        return spot_token(spot_index(self.symbol))

    def tick_e8(self, price_e8: int) -> int:
        """Return the distance between valid prices at a price, both in 10^-8."""
        most_decimals = max(0, (8 if self.kind == SPOT else 6) - self.sz_decimals)
        finest = 10 ** (8 - most_decimals)
        significant = 10 ** max(0, len(str(price_e8)) - 5)
        tick: int = min(SCALE, max(finest, significant))
        return tick

    def is_valid_price(self, price_e8: int) -> bool:
        """Whether the venue would accept the price."""
        return price_e8 > 0 and price_e8 % self.tick_e8(price_e8) == 0


def spot_index(symbol: str) -> int:
    """Return the universe index of a spot pair: ``PURR/USDC`` is 0, ``@n`` is n."""
    return 0 if symbol == "PURR/USDC" else int(symbol[1:])


def spot_token(index: int) -> str:
    """Return the name of the base token of spot pair ``index``."""
    return _SPOT_TOKENS.get(index, f"TOK{index}")


def market_spec(symbol: str) -> MarketSpec:
    """Return the specification of a named market; the same name always gives the same one."""
    if not _SYMBOL.fullmatch(symbol):
        raise ConfigurationError(f"not a coin name: {symbol!r}; write BTC, PURR/USDC, @107 or xyz:XYZ100")
    if symbol == "PURR/USDC":
        return _spec(symbol, SPOT, 0, 0.21418)
    if symbol.startswith("@"):
        price = _SPOT_PRICES.get(spot_index(symbol)) or _invented_price(symbol)
        return _spec(symbol, SPOT, _decimals_for(price), price)
    dex, _, coin = symbol.rpartition(":")
    if coin in _TABLE:
        decimals, price = _TABLE[coin]
    else:
        price = DEX_PRICES.get(coin) or _invented_price(coin)
        decimals = _decimals_for(price)
    return _spec(symbol, DEX if dex else PERP, decimals, price)


def choose_markets(markets: int | Sequence[str]) -> tuple[MarketSpec, ...]:
    """Return a mix of ``markets`` markets of every kind, or exactly the named ones."""
    if not isinstance(markets, int):
        if len(set(markets)) != len(markets) or not markets:
            raise ConfigurationError("name each market once, and at least one")
        return tuple(market_spec(symbol) for symbol in markets)
    if markets < 1:
        raise ConfigurationError(f"markets must be at least 1, not {markets}")
    chosen: list[MarketSpec] = []
    sources = {PERP: _perps(), SPOT: _spots(), DEX: _dex_coins()}
    for kind in cycle((PERP, PERP, DEX, PERP, SPOT, DEX, PERP, SPOT)):
        symbol = next(sources[kind], None)
        if symbol is not None:
            chosen.append(market_spec(symbol))
        if len(chosen) == markets:
            return tuple(chosen)
    raise AssertionError("unreachable: spot pairs never run out")


def _perps() -> Iterator[str]:
    yield from _TABLE
    yield from OTHER_PERPS.split()


def _spots() -> Iterator[str]:
    yield "PURR/USDC"
    yield from (f"@{index}" for index in _SPOT_PRICES)
    yield from (f"@{index}" for index in range(1, 100_000) if index not in _SPOT_PRICES)


def _dex_coins() -> Iterator[str]:
    coins = DEX_COINS.split()
    for rank, coin in enumerate(coins):  # the first dexes list the most
        yield from (f"{dex}:{coin}" for dex in DEXES[: 2 if rank < 20 else len(DEXES)])
    for coin in coins[:20]:
        yield from (f"{dex}:{coin}" for dex in DEXES[2:])


def _spec(symbol: str, kind: str, decimals: int, price: float) -> MarketSpec:
    rough = MarketSpec(symbol, kind, decimals, round(price * SCALE))
    tick = rough.tick_e8(rough.start_price_e8)
    return MarketSpec(symbol, kind, decimals, max(1, rough.start_price_e8 // tick) * tick)


def _invented_price(name: str) -> float:
    draw = zlib.crc32(name.encode())  # not hash(): that differs from run to run
    return float(f"{(draw % 90_000 + 10_000) / 10_000 * 10.0 ** (draw // 90_000 % 5 - 2):.5g}")


def _decimals_for(price: float) -> int:
    for decimals, least in ((5, 20_000), (4, 1_000), (3, 200), (2, 20), (1, 2)):
        if price >= least:
            return decimals
    return 0
