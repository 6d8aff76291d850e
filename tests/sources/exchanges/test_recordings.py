"""Sequences of frames as venues were recorded to send them, through the real feeds to the prices engine.

Symbols and numbers are made up; the order of the frames, their keys and their oddities are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from attrs import define, field
from trio.testing import MockClock

from hyperstream.market.price_updates import price_name
from hyperstream.market.venues import (
    BINANCE,
    BINANCE_FUTURES,
    BYBIT,
    HYPERLIQUID,
    Channel,
    FeedGap,
    FeedTopic,
    Quote,
    Ticker,
    TopicRefused,
    VenueBar,
    VenueBook,
    VenueTrade,
)
from tests.engine.prices.price_world import PriceWorld
from tests.sources.exchanges.scripted import Scripted, scripted

SPOT_SNAPSHOT = {
    "lastUpdateId": 720857,
    "bids": [["0.00577300", "16.19600000"], ["0.00577200", "8.40900000"], ["0.00577000", "4.00000000"]],
    "asks": [["0.00577900", "3.10000000"], ["0.00578000", "34.41000000"], ["0.00578800", "26.00000000"]],
}
# U, u, bids, asks, as they came after one another: the first two are older than the snapshot.
SPOT_CHANGES: list[tuple[int, int, str, str]] = [
    (720851, 720855, "0.00576900:7", ""),
    (720856, 720857, "", "0.00578800:26"),
    (720858, 720861, "0.00577000:12.9 0.00576700:2.6", "0.00578500:0.697"),
    (720862, 720862, "0.00577300:48.024", ""),
    (720863, 720863, "0.00570400:5.246", ""),
    (720864, 720864, "", "0.00577900:0"),
    (720865, 720866, "0.00577300:16.196", "0.00578000:37.51"),
    (720867, 720869, "0.00576900:0 0.00512300:0", ""),
    (720870, 720870, "0.00577350:3", "0.00577360:1.5"),
]
FUTURES_SNAPSHOT = {
    "lastUpdateId": 9605926,
    "E": 1626992741264,
    "T": 1626992741261,
    "bids": [["7.6110", "6"], ["7.6080", "161"], ["7.5840", "3665"]],
    "asks": [["7.6120", "297"], ["7.6170", "534"]],
}
# U, u, pu: ids are shared by all symbols, so only pu links them. The snapshot falls upon a U.
FUTURES_CHANGES: list[tuple[int, int, int, str, str]] = [
    (9599090, 9600917, 9598061, "7.5040:813 7.6090:0 7.6110:2", "7.6150:1563"),
    (9601193, 9602861, 9600917, "7.5980:1433", "7.6170:534"),
    (9603343, 9604824, 9602861, "7.6100:0 7.6110:6", "7.6180:1632"),
    (9605926, 9607423, 9604824, "7.5600:478 7.5840:2164", "7.6170:1324 7.6200:674"),
    (9607950, 9609417, 9607423, "7.5840:3665 7.6080:202", "7.6170:534"),
    (9609903, 9611095, 9609417, "7.6115:1", "7.6120:0"),
    (9616612, 9617450, 9611095, "3.8060:0", "7.6160:3533"),
]


@define
class NaiveBook:
    """The venue's rule in its plainest form: set each level, zero removes."""

    levels: tuple[dict[str, str], dict[str, str]] = field(factory=lambda: ({}, {}))

    def set(self, *sides: Iterable[Sequence[str]]) -> None:
        for held, changes in zip(self.levels, sides, strict=True):
            for price, size in changes:
                held[price] = size
                if not float(size):
                    del held[price]

    def sides(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        bids, asks = (sorted(side.items(), key=lambda level: float(level[0])) for side in self.levels)
        return bids[::-1], asks


def levels(text: str, places: int) -> list[list[str]]:
    """``price:size`` as Binance spells them: spot pads sizes to eight places."""
    pairs = (level.split(":") for level in text.split())
    return [[price, f"{float(size):.{places}f}"] for price, size in pairs]


def frame(stream: str, **data: Any) -> str:
    return orjson.dumps({"stream": stream, "data": data}).decode()


def listed(*symbols: str) -> dict[str, Any]:
    """An exchangeInfo in which the last symbol cannot be read."""
    more = {"baseAsset": "A", "quoteAsset": "B", "status": "TRADING"}
    return {"symbols": [*({"symbol": symbol, **more} for symbol in symbols), {"pair": "?"}]}


def newest_book(here: Scripted) -> VenueBook:
    return [item for item in here.items if isinstance(item, VenueBook)][-1]


def told(here: Scripted, kind: type) -> list[Any]:
    return [item for item in here.items if isinstance(item, kind)]


def price_told(here: Scripted, symbol: str) -> Any:
    """What the prices engine tells of a market after everything the feed handed over."""
    world = PriceWorld(standing=[(here.venue, symbol)])
    follower = world.follow(price_name(here.venue, symbol, is_every_tick=False))
    for batch in here.batches:
        world.engine.apply(batch)
    return follower.prices()[-1]


async def test_a_recorded_book_of_binance_spot_equals_a_naive_one_after_every_frame(
    autojump_clock: MockClock,
) -> None:
    symbol, topics = "AAABTC", [FeedTopic(BINANCE, Channel.BOOK, "AAABTC")]
    answers = {"/api/v3/exchangeInfo": listed(symbol), "/api/v3/depth": SPOT_SNAPSHOT}
    naive = NaiveBook()
    naive.set(SPOT_SNAPSHOT["bids"], SPOT_SNAPSHOT["asks"])  # type: ignore[arg-type]
    async with scripted(BINANCE, topics, answers) as here:
        for number, (first, last, bids, asks) in enumerate(SPOT_CHANGES):
            sides = levels(bids, 8), levels(asks, 8)
            change = frame(
                "aaabtc@depth@100ms", e="depthUpdate", E=1628952396268, s=symbol, U=first, u=last,
                b=sides[0], a=sides[1],
            )  # fmt: skip
            await here.say([change])
            if number == 2:
                await here.until(lambda: told(here, VenueBook), "a snapshot")
            if last > 720857:
                naive.set(*sides)
            if number >= 2:
                book = newest_book(here)
                assert (list(book.bids), list(book.asks), book.update_id) == (*naive.sides(), last)
        (statistics,) = here.feed.statistics().books
        assert (statistics.is_synced, statistics.breaks) == (True, 0)
        assert not told(here, FeedGap)


async def test_a_recorded_book_of_binance_futures_equals_a_naive_one_after_every_frame(
    autojump_clock: MockClock,
) -> None:
    symbol, topics = "AAAUSDT", [FeedTopic(BINANCE_FUTURES, Channel.BOOK, "AAAUSDT")]
    answers = {"/fapi/v1/exchangeInfo": listed(symbol), "/fapi/v1/depth": FUTURES_SNAPSHOT}
    naive = NaiveBook()
    naive.set(FUTURES_SNAPSHOT["bids"], FUTURES_SNAPSHOT["asks"])  # type: ignore[arg-type]
    async with scripted(BINANCE_FUTURES, topics, answers) as here:
        for number, (first, last, previous, bids, asks) in enumerate(FUTURES_CHANGES):
            sides = levels(bids, 0), levels(asks, 0)
            change = frame(
                "aaausdt@depth@100ms", e="depthUpdate", E=1626992741037, T=1626992741024, s=symbol, ps=symbol,
                U=first, u=last, pu=previous, b=sides[0], a=sides[1], st=1,
            )  # fmt: skip
            await here.say([change])
            if number == 3:
                await here.until(lambda: told(here, VenueBook), "a snapshot")
            if last >= 9605926:
                naive.set(*sides)
            if number >= 3:
                book = newest_book(here)
                assert (list(book.bids), list(book.asks), book.update_id) == (*naive.sides(), last)
        assert not told(here, FeedGap)


async def test_markers_among_the_trades_of_binance_futures_are_no_prices(autojump_clock: MockClock) -> None:
    symbol = "AAAUSDT"
    topics = [FeedTopic(BINANCE_FUTURES, channel, symbol) for channel in (Channel.QUOTES, Channel.TRADES)]
    trades = [(1, "63884.20", "0.010", "MARKET"), (2, "0", "0", "NA"), (3, "63884.30", "0.5", "MARKET")]
    async with scripted(
        BINANCE_FUTURES, topics, {"/fapi/v1/exchangeInfo": listed(symbol)}, trades="trade"
    ) as here:
        quote = {"u": 11, "b": "63884.10", "B": "3", "a": "63884.30", "A": "1", "T": 1785, "E": 1786, "st": 1}
        await here.say([frame("aaausdt@bookTicker", e="bookTicker", s=symbol, ps=symbol, **quote)])
        await here.say(
            [
                frame("aaausdt@trade", e="trade", E=1785, T=1785 + t, s=symbol, t=t, p=p, q=q, X=x, m=True)
                for t, p, q, x in trades
            ]
        )
        assert [trade.trade_id for trade in told(here, VenueTrade)] == ["1", "3"]
        assert [quote.bid for quote in told(here, Quote)] == ["63884.10"]
        price = price_told(here, symbol)
        assert (price.last_price, price.bid_price, price.ask_size) == ("63884.30", "63884.10", "1")


async def test_recorded_frames_of_bybit_with_what_nobody_asked_for_between_them(
    autojump_clock: MockClock,
) -> None:
    symbol = "AAAUSDT"
    channels = (Channel.QUOTES, Channel.TRADES, Channel.TICKER)
    topics = [FeedTopic(BYBIT, channel, symbol) for channel in channels]
    topics += [FeedTopic(BYBIT, Channel.BOOK, symbol, "50"), FeedTopic(BYBIT, Channel.BARS, symbol, "15m")]
    answers = {"/v5/market/instruments-info": {"retCode": 0, "result": {"list": [{"symbol": symbol}, 7]}}}
    async with scripted(BYBIT, topics, answers) as here:
        await here.say(
            [
                '{"topic":"orderbook.50.AAAUSDT","ts":1731,"type":"snapshot","data":{"s":"AAAUSDT","b":[["75.74","1"],'
                '["75.63","2"]],"a":[["75.75","3"],["75.89","4"]],"u":700,"seq":47},"cts":1730}',
                '{ "topic": "lt.EOS3LUSDT", "ts": 1672, "type": "snapshot", "data": { "nav": "0.41" } }',
                '{"topic":"orderbook.50.AAAUSDT","type":"delta","ts":1732,"data":{"s":"AAAUSDT","b":[["75.64","5"],'
                '["75.63","0"]],"a":[],"u":701,"seq":99},"cts":1731}',
                '{"topic":"orderbook.1.AAAUSDT","type":"snapshot","ts":1733,"data":{"s":"AAAUSDT","b":[["75.74","1"]],'
                '"a":[["75.75","3"]],"u":123,"seq":456}}',
                '{"topic":"orderbook.1.AAAUSDT","ts":1734,"type":"delta","data":{"s":"AAAUSDT","b":[],"a":[["75.75",'
                '"0"],["75.89","4"]],"u":124,"seq":457}}',
                '{"topic":"tickers.AAAUSDT","type":"snapshot","data":{"symbol":"AAAUSDT","lastPrice":"61.00",'
                '"markPrice":"61.25","openInterest":"58.02","fundingRate":"0.00008055","preOpenPrice":""},"ts":1715}',
                '{"topic":"tickers.AAAUSDT","type":"delta","data":{"symbol":"AAAUSDT","markPrice":"61.06",'
                '"bid1Price":"61.90"},"cs":176,"ts":1716}',
                '{"topic":"publicTrade.AAAUSDT","ts":1690,"type":"snapshot","data":[{"i":"2200","T":1690,"p":"3.6279",'
                '"v":"1.3637","S":"Sell","s":"AAAUSDT","BT":false}]}',
                '{"topic":"kline.15.AAAUSDT","data":[{"start":1789443000000,"end":1789443899999,"interval":"15",'
                '"open":"77.5","close":"77.9","high":"78","low":"77","volume":"12.5","turnover":"971.2",'
                '"confirm":true,"timestamp":1789443832000}],"ts":1789443832010,"type":"snapshot"}',
                '{"topic":"kline.15.AAAUSDT","data":[]}',
                '{"op":"pong","args":["1753340040127"],"conn_id":"d157"}',
            ]
        )
        book = newest_book(here)
        assert (list(book.bids), list(book.asks)) == (
            [("75.74", "1"), ("75.64", "5")],
            [("75.75", "3"), ("75.89", "4")],
        )
        assert [(quote.bid, quote.ask) for quote in told(here, Quote)] == [
            ("75.74", "75.75"),
            ("75.74", "75.89"),
        ]
        assert [(tick.last_price, tick.mark_price) for tick in told(here, Ticker)] == [
            ("61.00", "61.25"),
            ("61.00", "61.06"),
        ]
        assert [(bar.close, bar.is_closed) for bar in told(here, VenueBar)] == [("77.9", True)]
        price = price_told(here, symbol)
        assert (price.last_price, price.ask_price, price.mark_price) == ("3.6279", "75.89", "61.06")
        assert sum(line.router.undecodable for line in here.feed.statistics().connections) == 0


async def test_recorded_frames_of_hyperliquid_of_perps_of_a_dex_and_of_spot(
    autojump_clock: MockClock,
) -> None:
    coins = ("BTC", "xyz:XYZ100", "@107")
    channels = (Channel.QUOTES, Channel.TRADES, Channel.TICKER, Channel.BOOK)
    topics = [FeedTopic(HYPERLIQUID, channel, coin) for coin in coins for channel in channels]
    answers = {
        "meta": {"universe": [{"name": "BTC", "szDecimals": 5, "isDelisted": None}]},
        "perpDexs": [None, {"name": "xyz"}],
        "meta xyz": {"universe": [{"name": "xyz:XYZ100", "szDecimals": 4}], "collateralToken": 0},
        "spotMeta": {
            "tokens": [
                {"index": 0, "name": "USDC", "szDecimals": 8},
                {"index": 150, "name": "HYPE", "szDecimals": 2},
            ],
            "universe": [{"index": 107, "tokens": [150, 0]}, {"index": 108, "tokens": [999, 0]}],
        },
    }
    replayed = (
        '{"channel":"trades","data":[{"coin":"BTC","side":"B","px":"85827.0","sz":"0.02721","time":1791278878126,'
        '"hash":"0x0000","tid":188095306343783,"users":["0x04","0x05"]},{"coin":"BTC","side":"A","px":"85826.0",'
        '"sz":"0.00897","time":1791278878127,"hash":"0x7e3e","tid":250009747508244,"users":["0x04","0x05"]}]}'
    )
    async with scripted(HYPERLIQUID, topics, answers) as here:
        await here.say(
            [
                replayed,
                replayed,
                '{"channel":"bbo","data":{"coin":"BTC","time":1785251522090,"bbo":[{"px":"63457.0","sz":"0.1",'
                '"n":1},null]}}',
                '{"channel":"l2Book","data":{"coin":"@107","time":1785251521889,"levels":[[{"px":"92.1","sz":"2.6",'
                '"n":2}],[]]}}',
                '{"channel":"activeSpotAssetCtx","data":{"coin":"@107","ctx":{"prevDayPx":"93.124","markPx":"92.949",'
                '"midPx":null,"circulatingSupply":"298462370.4079165459","coin":"@107","dayBaseVlm":"0.0"}}}',
                '{"channel":"activeAssetCtx","data":{"coin":"xyz:XYZ100","ctx":{"funding":"-0.00000625",'
                '"openInterest":"7049.6874","premium":null,"oraclePx":"31252.0","markPx":"31249.0","midPx":null,'
                '"impactPxs":null}}}',
                '{"channel":"outcomeMetaUpdates","data":[{"outcomeSettled":2638}]}',
                '{"channel":"bbo","data":{"coin":"#330","time":1,"bbo":[null,null]}}',
                '{"channel":"error","data":"Already unsubscribed: {\\"type\\":\\"bbo\\",\\"coin\\":\\"X\\"}"'
                "}",
                '{"channel":"pong"}',
            ]
        )
        assert [trade.price for trade in told(here, VenueTrade)] == ["85827.0", "85826.0"]
        assert [(quote.bid, quote.ask) for quote in told(here, Quote)] == [("63457.0", "")]
        assert [list(book.bids) for book in told(here, VenueBook)] == [[("92.1", "2.6")]]
        assert [(tick.symbol, tick.mark_price, tick.funding_rate) for tick in told(here, Ticker)] == [
            ("@107", "92.949", ""),
            ("xyz:XYZ100", "31249.0", "-0.00000625"),
        ]
        assert sum(line.router.undecodable for line in here.feed.statistics().connections) == 0
        assert not told(here, TopicRefused)
        price = price_told(here, "BTC")
        assert (price.last_price, price.bid_price, price.ask_price) == ("85826.0", "63457.0", "")
