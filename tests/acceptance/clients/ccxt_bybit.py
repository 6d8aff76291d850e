"""ccxt in its pro form, as a client of Bybit pointed at the gateway: watches a book, trades and a ticker.

    ccxt_bybit.py WEBSOCKET_URL SYMBOL

Prints each a line. The list of markets would come from the venue itself, so it is handed in.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import ccxt  # type: ignore[import-not-found]
import ccxt.pro  # type: ignore[import-not-found]


def market(symbol: str) -> dict[str, object]:
    """A linear perpetual as ccxt keeps it."""
    base = symbol.removesuffix("USDT")
    return {
        "id": symbol,
        "symbol": f"{base}/USDT:USDT",
        "base": base,
        "quote": "USDT",
        "settle": "USDT",
        "baseId": base,
        "quoteId": "USDT",
        "settleId": "USDT",
        "type": "swap",
        "swap": True,
        "spot": False,
        "future": False,
        "option": False,
        "active": True,
        "contract": True,
        "linear": True,
        "inverse": False,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": {},
        "info": {},
    }


async def forever(watch: Callable[[], Awaitable[dict[str, object]]]) -> None:
    """Print what is watched; a connection that breaks is made anew by the next call."""
    while True:
        try:
            print(json.dumps(await watch()), flush=True)
        except ccxt.NetworkError:
            await asyncio.sleep(0.2)


async def main() -> None:
    """Watch until killed."""
    url, symbol = sys.argv[1:]
    exchange = ccxt.pro.bybit({"newUpdates": True})
    exchange.urls["api"]["ws"]["public"]["linear"] = url
    exchange.set_markets([market(symbol)])
    unified = str(market(symbol)["symbol"])

    async def book() -> dict[str, object]:
        told = await exchange.watch_order_book(unified, 50)
        return {"book": [told["bids"][:5], told["asks"][:5]]}

    async def trades() -> dict[str, object]:
        return {"trades": [trade["id"] for trade in await exchange.watch_trades(unified)]}

    async def ticker() -> dict[str, object]:
        return {"ticker": (await exchange.watch_ticker(unified))["last"]}

    await asyncio.gather(forever(book), forever(trades), forever(ticker))


asyncio.run(main())
