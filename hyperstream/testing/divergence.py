"""Makes a block's diffs contradict the truth."""

from random import Random

import orjson

from hyperstream.testing import lines
from hyperstream.testing.exchange import Events, Exchange
from hyperstream.testing.faults import DIVERGENCES, Divergence
from hyperstream.testing.lines import spell
from hyperstream.testing.orders import Order, User

UNKNOWN_OID = 7
_STRANGER = User("0x" + "00" * 19 + "07")


def diverge(events: Events, exchange: Exchange, fault: Divergence, rng: Random) -> str | None:
    """Spoil the diffs in place; return the coin concerned, or None when there was nothing to spoil."""
    kind = fault.kind or rng.choice(DIVERGENCES)
    if kind == "dropped_diff":
        return _drop(events, rng)
    candidates = [symbol for symbol in events.changed if exchange.markets[symbol].book.live]
    if not candidates:
        return None
    symbol = rng.choice(candidates)
    known = rng.choice(exchange.markets[symbol].book.live)
    if kind == "impossible_size":
        absurd = rng.choice(("-1.0", "many", "", "1e9", spell[known.size * 1_000 + 1]))
        change = f'{{"update":{{"origSz":"{spell[known.size]}","newSz":"{absurd}"}}}}'
        events.diffs.append(lines.diff(symbol, known, change))
        return symbol
    stranger = Order(UNKNOWN_OID + rng.getrandbits(16), _STRANGER, known.is_bid, known.px, known.size)
    change = lines.REMOVE if kind == "unknown_remove" else lines.update(known.size, known.size // 2)
    events.diffs.append(lines.diff(symbol, stranger, change))
    return symbol


def _drop(events: Events, rng: Random) -> str | None:
    candidates = [index for index, text in enumerate(events.diffs) if '{"update"' not in text]
    if not candidates:
        return None
    dropped = events.diffs.pop(rng.choice(candidates))
    coin: str = orjson.loads(dropped)["coin"]
    return coin
