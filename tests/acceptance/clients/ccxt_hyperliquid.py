"""ccxt in its pro form, pointed at the gateway: watches a book and trades, and prints each a line.

    ccxt_hyperliquid.py BASE_URL COIN

Its list of markets comes from requests that a node does not answer (``metaAndAssetCtxs``): it is handed in.
"""

import asyncio
import json
import sys

import ccxt  # type: ignore[import-not-found]
import ccxt.pro  # type: ignore[import-not-found]


def market(coin: str) -> dict[str, object]:
    """A market as ccxt keeps it."""
    return {
        "id": "0",
        "symbol": f"{coin}/USDC:USDC",
        "base": coin,
        "baseName": coin,
        "quote": "USDC",
        "settle": "USDC",
        "baseId": "0",
        "type": "swap",
        "swap": True,
        "spot": False,
        "active": True,
        "contract": True,
        "linear": True,
        "precision": {"amount": 0.00001, "price": 0.1},
        "limits": {},
        "info": {"name": coin},
    }


async def watch_books(exchange: ccxt.pro.hyperliquid, symbol: str) -> None:
    """Print books; a connection that breaks is made anew by the next call."""
    while True:
        try:
            book = await exchange.watch_order_book(symbol)
        except ccxt.NetworkError:
            await asyncio.sleep(0.2)
            continue
        print(json.dumps({"book": [book["bids"][:5], book["asks"][:5]]}), flush=True)


async def watch_trades(exchange: ccxt.pro.hyperliquid, symbol: str) -> None:
    """Print trades, likewise."""
    while True:
        try:
            trades = await exchange.watch_trades(symbol)
        except ccxt.NetworkError:
            await asyncio.sleep(0.2)
            continue
        for trade in trades:
            told = {name: trade[name] for name in ("id", "price", "amount", "side")}
            print(json.dumps({"trade": told}), flush=True)


async def main() -> None:
    """Watch until killed."""
    base_url, coin = sys.argv[1:]
    exchange = ccxt.pro.hyperliquid({"newUpdates": True})
    exchange.urls["api"]["public"] = base_url
    exchange.urls["api"]["ws"]["public"] = base_url.replace("http", "ws") + "/ws"
    exchange.set_markets([market(coin)])
    symbol = f"{coin}/USDC:USDC"
    await asyncio.gather(watch_books(exchange, symbol), watch_trades(exchange, symbol))


asyncio.run(main())
