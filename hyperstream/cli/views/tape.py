"""Trades as they happen, newest on top."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from attrs import define, field, frozen
from rich.console import Group, RenderableType
from rich.text import Text

from hyperstream.cli.views.books import plain_control
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.grid import Column, Grid
from hyperstream.cli.views.ladder import ASK, BID
from hyperstream.cli.views.numbers import Places, clock_time, compact, duration, fixed
from hyperstream.cli.views.rates import Rate
from hyperstream.market.decimals import SCALE, DecimalCache
from hyperstream.v1 import common_pb2, orderbook_pb2

KEPT_TRADES = 500
_decimal = DecimalCache()


@frozen
class Printed:
    """A trade on the tape; price and size are integers of 10^-8."""

    symbol: str
    trade_time_ns: int
    is_buy: bool
    price_e8: int
    size_e8: int
    is_liquidation: bool

    @property
    def notional(self) -> float:
        """Price times size, in quote units, for showing."""
        return self.price_e8 * self.size_e8 / SCALE**2


_COLUMNS = (
    Column("time (UTC)", 12, from_width=62),
    Column("market", 10),
    Column("side", 4),
    Column("price", 9, right=True),
    Column("size", 9, right=True),
    Column("notional", 8, right=True, from_width=48),
    Column("", 11, from_width=74),
)


@define(eq=False)
class TapeView:
    """The last trades of all markets subscribed, and what they add up to."""

    feed: Feed
    started_ns: int = 0
    tape: deque[Printed] = field(factory=lambda: deque(maxlen=KEPT_TRADES))
    trades: Rate = field(factory=Rate)
    symbols: set[str] = field(factory=set)
    buys: int = 0
    sells: int = 0
    buy_volume: float = 0.0
    sell_volume: float = 0.0
    _places: dict[str, Places] = field(factory=dict)
    _grid: Grid = field(factory=lambda: Grid(_COLUMNS))

    def apply(self, event: orderbook_pb2.TradesEvent, now_ns: int) -> bool:
        """Take an event; never asks for a new subscription: trades missed stay missed, and counted."""
        kind = event.WhichOneof("event")
        if kind == "heartbeat":
            self.feed.on_heartbeat(event.heartbeat, now_ns)
        elif kind == "notice":
            self.feed.on_notice(event.notice, now_ns)
        elif kind == "gap":
            self.feed.on_gap(event.gap, now_ns)
        elif kind == "trades":
            self.feed.on_event(now_ns, event.trades.height)
            self._take(event.trades, now_ns)
        return False

    def expect_fresh_start(self) -> None:
        """The connection went: nothing on the tape becomes wrong by that."""

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return the screen: totals, tape, footer."""
        return Group(self.totals(now_ns), self.table(width, height - 2), self.feed.footer(now_ns))

    def totals(self, now_ns: int) -> Text:
        """Return the line of totals."""
        count = self.buys + self.sells
        text = Text(f"{count:,} trades", "bold", no_wrap=True, overflow="ellipsis")
        text.append(f"  {self.trades.per_second(now_ns):.1f}/s")
        text.append("  volume ", "dim").append(compact(self.buy_volume + self.sell_volume), "bold")
        text.append("  buys ", "dim").append(f"{self.buys:,} ({compact(self.buy_volume)})", BID)
        text.append("  sells ", "dim").append(f"{self.sells:,} ({compact(self.sell_volume)})", ASK)
        return text

    def table(self, width: int, height: int) -> RenderableType:
        """Return the newest trades alone, in exactly this many lines, with the columns that fit."""
        self._grid.gap = 1 if width < _COLUMNS[0].from_width else 2
        shown = islice(self.tape, max(0, height - 1))
        return self._grid.lay_out([self._cells(printed) for printed in shown], width, height)

    def lines(self, event: orderbook_pb2.TradesEvent) -> list[str]:
        """Return what plain output says about an event just applied: a line per trade."""
        if event.WhichOneof("event") != "trades":
            return plain_control(event)
        return [
            f"{clock_time(trade.trade_time_ns)} {event.trades.symbol} "
            f"{_side(trade.side == common_pb2.SIDE_BID)} {trade.price} x {trade.size}"
            f"{' liquidation' if trade.liquidation else ''}"
            for trade in event.trades.trades
        ]

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        return (
            f"{self.buys + self.sells} trades ({self.buys} buys, {self.sells} sells) of "
            f"{len(self.symbols)} markets in {duration(now_ns - self.started_ns)}, volume "
            f"{compact(self.buy_volume + self.sell_volume)}, missed {self.feed.missed()}"
        )

    def _take(self, batch: orderbook_pb2.TradeBatch, now_ns: int) -> None:
        places = self._places.setdefault(batch.symbol, Places())
        self.symbols.add(batch.symbol)
        for printed in _printed(batch):
            places.see(printed.price_e8, printed.size_e8)
            self.tape.appendleft(printed)
            self.trades.add(1, now_ns)
            if printed.is_buy:
                self.buys += 1
                self.buy_volume += printed.notional
            else:
                self.sells += 1
                self.sell_volume += printed.notional

    def _cells(self, printed: Printed) -> list[Text]:
        places = self._places[printed.symbol]
        style = BID if printed.is_buy else ASK
        return [
            Text(clock_time(printed.trade_time_ns), "dim"),
            Text(printed.symbol, "bold"),
            Text(_side(printed.is_buy), style),
            Text(fixed(printed.price_e8, places.price), style),
            Text(fixed(printed.size_e8, places.size)),
            Text(compact(printed.notional), "dim"),
            Text("liquidation" if printed.is_liquidation else "", "bold magenta"),
        ]


def _printed(batch: orderbook_pb2.TradeBatch) -> Iterable[Printed]:
    for trade in batch.trades:
        yield Printed(
            batch.symbol,
            trade.trade_time_ns,
            trade.side == common_pb2.SIDE_BID,
            _decimal[trade.price],
            _decimal[trade.size],
            trade.liquidation,
        )


def _side(is_buy: bool) -> str:
    return "buy" if is_buy else "sell"
