"""What venues send beside what they document, in frames of the shape in which it was seen on the wire."""

from __future__ import annotations

import pytest

from hyperstream.errors import FormatError
from hyperstream.market.venue_ticker import TickerUpdate
from hyperstream.market.venues import Quote, VenueTrade
from hyperstream.wire.binance import BinanceDecoder
from hyperstream.wire.binance_futures import BinanceFuturesDecoder
from hyperstream.wire.bybit import BybitDecoder
from hyperstream.wire.venue_fields import Unknown

NOW = 1_790_134_713_000_000_000
TOP = "orderbook.1.ETHUSDT"


def top(kind: str, bids: str, asks: str, update_id: int = 7) -> bytes:
    return (
        f'{{"topic":"{TOP}","ts":1699764797519,"type":"{kind}","data":{{"s":"ETHUSDT","b":{bids},"a":{asks},'
        f'"u":{update_id},"seq":1253141792}}}}'
    ).encode()


def read_tops(*frames: bytes) -> list[tuple[str, str, str, str]]:
    decoder = BybitDecoder()
    decoder.follow(TOP)
    quotes = [decoder.decode(frame, NOW)[1] for frame in frames]
    return [
        (quote.bid, quote.bid_size, quote.ask, quote.ask_size) for quote in quotes if isinstance(quote, Quote)
    ]


# -- Binance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["0", "0.00", "0.00000000"])
def test_a_marker_of_binance_futures_is_no_trade(price: str) -> None:
    decoder = BinanceFuturesDecoder()
    decoder.follow("ethusdt@trade")
    marker = (
        '{"stream":"ethusdt@trade","data":{"e":"trade","E":1785780046072,"T":1785780046071,"s":"ETHUSDT",'
        f'"t":7950493454,"p":"{price}","q":"0","X":"NA","m":true,"st":1}}}}'
    )
    assert decoder.decode(marker, NOW) == ("ethusdt@trade", Unknown())
    trade = marker.replace(f'"p":"{price}","q":"0","X":"NA"', '"p":"0.05","q":"3","X":"MARKET"')
    _, payload = decoder.decode(trade, NOW)
    assert isinstance(payload, list)
    assert [item.price for item in payload if isinstance(item, VenueTrade)] == ["0.05"]


@pytest.mark.parametrize("more", ["", ',"i":"","r":""', ',"i":null,"r":null,"P":null'])
def test_a_mark_price_may_come_without_an_index_and_a_rate(more: str) -> None:
    decoder = BinanceFuturesDecoder()
    decoder.follow("ethusdt@markPrice@1s")
    data = f'{{"e":"markPriceUpdate","E":1617309477000,"s":"ETHUSDT","p":"59012.56","T":0{more}}}'
    _, payload = decoder.decode(f'{{"stream":"ethusdt@markPrice@1s","data":{data}}}', NOW)
    assert isinstance(payload, TickerUpdate)
    assert payload.fields == {"mark_price": "59012.56", "index_price": "", "funding_rate": ""}


def test_a_symbol_of_binance_may_be_written_in_any_script() -> None:
    decoder = BinanceDecoder()
    decoder.follow("币安人生usdt@bookTicker")
    frame = (
        '{"stream":"币安人生usdt@bookTicker","data":{"u":2,"s":"币安人生USDT","b":"0.1234",'
        '"B":"1.0","a":"0.1235","A":"2.0"}}'
    )
    _, payload = decoder.decode(frame.encode(), NOW)
    assert isinstance(payload, Quote)
    assert (payload.symbol, payload.bid) == ("币安人生USDT", "0.1234")


# -- Bybit --------------------------------------------------------------------------------------


def test_bybits_best_prices_may_come_as_changes() -> None:
    assert read_tops(
        top("snapshot", '[["1.50","2"]]', '[["1.60","3"]]'),
        top("delta", "[]", '[["1.58","0.5"],["1.60","0"]]'),
        top("delta", '[["1.50","0"],["1.49","8"]]', "[]"),
        top("delta", '[["1.49","9"]]', '[["1.58","0"]]'),
        top("delta", '[["1.48","0"]]', '[["1.61","1"]]'),
        top("snapshot", "[]", '[["1.70","1"]]'),
        top("delta", '[["1.40","1"]]', "[]"),
    ) == [
        ("1.50", "2", "1.60", "3"),
        ("1.50", "2", "1.58", "0.5"),
        ("1.49", "8", "1.58", "0.5"),
        ("1.49", "9", "", ""),
        ("1.49", "9", "1.61", "1"),
        ("", "", "1.70", "1"),
        ("1.40", "1", "1.70", "1"),
    ]


def test_a_change_of_bybits_best_prices_without_a_snapshot_is_an_error() -> None:
    decoder = BybitDecoder()
    decoder.follow(TOP)
    change = top("delta", "[]", '[["1.58","0.5"]]')
    with pytest.raises(FormatError, match="no snapshot before it"):
        decoder.decode(change, NOW)
    decoder.decode(top("snapshot", "[]", '[["1.60","3"]]'), NOW)
    decoder.decode(change, NOW)
    decoder.unfollow(TOP)
    decoder.follow(TOP)
    with pytest.raises(FormatError, match="no snapshot before it"):
        decoder.decode(change, NOW)
