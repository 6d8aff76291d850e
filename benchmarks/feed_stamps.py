"""Frames of Binance's combined stream that carry the time at which they are written.

A quote's and a trade's size is the clock's time in seconds, with eight decimals: it comes through the daemon
untouched, so whoever gets the update knows when its frame was written.
"""

from typing import Any

import orjson

from hyperstream.testing.exchanges.frames import text_frame

NS = 1_000_000_000
STEP_NS = 10  # sizes have eight decimals
PRICE_STEPS = 1_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT")
KINDS = ("bookTicker", "trade", "bookTicker", "trade", "bookTicker")


def stamp(time_ns: int) -> str:
    """Spell a time as a size: seconds, with eight decimals."""
    return f"{time_ns // NS}.{time_ns % NS // STEP_NS:08d}"


def stamp_ns(size: str) -> int:
    """Return the time that a size spells, 0 for none."""
    seconds, _, rest = size.partition(".")
    return int(seconds) * NS + int(rest.ljust(9, "0")) if seconds else 0


def spell_frame(number: int, symbol: str, time_ns: int) -> bytes:
    """Return the frame of this number: a quote or a trade, as the combined stream has them."""
    kind = KINDS[number % len(KINDS)]
    price, size = f"{30_000 + number % PRICE_STEPS}.50000000", stamp(time_ns)
    if kind == "trade":
        time_ms = time_ns // 1_000_000
        data = (
            f'"e":"trade","E":{time_ms},"s":"{symbol}","t":{number},"p":"{price}","q":"{size}",'
            f'"T":{time_ms},"m":{"true" if number % 2 else "false"},"M":true'
        )
    else:
        data = (
            f'"u":{number},"s":"{symbol}","b":"{price}","B":"{size}","a":"{price[:-8]}60000000","A":"{size}"'
        )
    return text_frame(f'{{"stream":"{symbol.lower()}@{kind}","data":{{{data}}}}}'.encode())


def frame_time_ns(frame: str | bytes) -> int:
    """Return when a frame was written."""
    data: Any = orjson.loads(frame)["data"]
    return stamp_ns(data["q"] if "q" in data else data["B"])
