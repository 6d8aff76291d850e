"""``hyperstream watch``: look at what a server streams.

following    one subscription kept open, with backoff
output       a live screen, plain lines, JSON lines
json_lines   messages as JSON
session      one run of the command, and how it ends
price_request what watch prices asks for
merged       two subscriptions in one view
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import click
from rich.console import Console

from hyperstream.cli.exits import run_to_exit_code
from hyperstream.cli.views.bbo import BboView
from hyperstream.cli.views.books import BooksView
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.marks import MarksView
from hyperstream.cli.views.orders import OrdersView
from hyperstream.cli.views.prices import PricesView
from hyperstream.cli.views.stops import StopsView
from hyperstream.cli.views.tape import TapeView
from hyperstream.cli.views.view import View
from hyperstream.cli.watch.following import HEARTBEAT_SECONDS, Subscribe
from hyperstream.cli.watch.merged import merged
from hyperstream.cli.watch.price_request import PriceChoices, stream_prices
from hyperstream.cli.watch.session import Choices, Session
from hyperstream.servers.grpc.client import Client
from hyperstream.servers.grpc.client_stream import EventStream
from hyperstream.v1 import common_pb2

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_DEPTH = 50

Resume = Sequence[common_pb2.ResumePoint]
Stream = AbstractAsyncContextManager[EventStream[Any]]
Command = TypeVar("Command", bound=Callable[..., Any])


def _common(function: Command) -> Command:
    """Add the argument and the options that every topic has."""
    decorators: tuple[Callable[[Any], Any], ...] = (
        click.argument("symbols", metavar="SYMBOL...", nargs=-1, required=True),
        click.option(
            "--target",
            metavar="HOST:PORT",
            default=DEFAULT_TARGET,
            show_default=True,
            envvar="HYPERSTREAM_TARGET",
            show_envvar=True,
            help="The server's gRPC address.",
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line and event."),
        click.option(
            "--reconnect/--no-reconnect",
            default=None,
            help="Come back after a loss. Default: on a terminal yes, otherwise no.",
        ),
        click.option("--count", type=click.IntRange(min=1), help="End after this many events (or lines)."),
        click.option(
            "--seconds", type=click.FloatRange(min=0, min_open=True), help="End after this many seconds."
        ),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


@click.group()
def command() -> None:
    """Look at books, trades, orders, stops, prices, marks and indicators as a server streams them.

    On a terminal a live view; otherwise, or with --json, a line per event. Symbols are
    written as the node writes them: BTC, @107, PURR/USDC, xyz:XYZ100; "*" is every market.
    Ctrl-C ends. Exit codes: 0 ended as asked, 1 failed, 2 usage.

    \b
    Try:  hyperstream watch book BTC ETH
          hyperstream watch trades '*' --json | head
          hyperstream watch prices BTCUSDT --indicator rsi:14
    """


@command.command()
@_common
@click.option(
    "--depth", type=click.IntRange(1, 1000), default=DEFAULT_DEPTH, show_default=True, help="Levels a side."
)
@click.option("--significant-figures", type=click.IntRange(2, 5), help="Aggregate prices to 2 to 5 figures.")
@click.option(
    "--mantissa", type=click.Choice(["2", "5"]), help="Step of the last figure, with 5 significant figures."
)
@click.option("--full", "is_full", is_flag=True, help="With --json: the whole rebuilt book at each change.")
@click.pass_context
def book(
    context: click.Context,
    /,
    symbols: tuple[str, ...],
    depth: int,
    significant_figures: int | None,
    mantissa: str | None,
    is_full: bool,
    as_json: bool,
    **rest: Any,
) -> None:
    """Order books as ladders.

    \b
    Example:  hyperstream watch book BTC --depth 20
              hyperstream watch book ETH --significant-figures 4
              hyperstream watch book BTC --json --full --count 1
    """
    if mantissa is not None and significant_figures != 5:
        raise click.UsageError("--mantissa goes with --significant-figures 5 only")
    if is_full and not as_json:
        raise click.UsageError("--full goes with --json only")

    def subscribe(client: Client, resume: Resume) -> Stream:
        return client.subscribe_orderbook(
            symbols,
            depth=depth,
            significant_figures=significant_figures or 0,
            mantissa=int(mantissa or 0),
            heartbeat_seconds=HEARTBEAT_SECONDS,
            resume=resume,
        )

    choices = Choices(as_json=as_json, is_full=is_full, **rest)
    _run(context, choices, BooksView(Feed(choices.target), depth), subscribe)


@command.command()
@_common
@click.pass_context
def bbo(context: click.Context, /, symbols: tuple[str, ...], **rest: Any) -> None:
    """Best bid and ask of each market.

    \b
    Example:  hyperstream watch bbo BTC ETH @107
              hyperstream watch bbo '*'
    """

    def subscribe(client: Client, resume: Resume) -> Stream:
        return client.subscribe_bbo(symbols, heartbeat_seconds=HEARTBEAT_SECONDS, resume=resume)

    choices = Choices(**rest)
    _run(context, choices, BboView(Feed(choices.target)), subscribe)


@command.command()
@_common
@click.pass_context
def trades(context: click.Context, /, symbols: tuple[str, ...], **rest: Any) -> None:
    """Trades as they happen.

    \b
    Example:  hyperstream watch trades BTC
              hyperstream watch trades '*' --json --seconds 60 > trades.jsonl
    """

    def subscribe(client: Client, resume: Resume) -> Stream:
        return client.subscribe_trades(symbols, heartbeat_seconds=HEARTBEAT_SECONDS, resume=resume)

    choices = Choices(**rest)
    _run(context, choices, TapeView(Feed(choices.target)), subscribe, does_resume=True)


@command.command()
@_common
@click.pass_context
def orders(context: click.Context, /, symbols: tuple[str, ...], **rest: Any) -> None:
    """Every order resting and every change of one.

    \b
    Example:  hyperstream watch orders BTC
              hyperstream watch orders xyz:XYZ100 --json --count 100
    """

    def subscribe(client: Client, resume: Resume) -> Stream:
        return client.subscribe_orders(symbols, heartbeat_seconds=HEARTBEAT_SECONDS, resume=resume)

    choices = Choices(**rest)
    _run(context, choices, OrdersView(Feed(choices.target)), subscribe)


@command.command()
@_common
@click.pass_context
def mark(context: click.Context, /, symbols: tuple[str, ...], **rest: Any) -> None:
    """Mark prices, each with what made it.

    Computed by the server once a second, as the venue does it; beside it the venue's own and the
    difference in hundredths of a percent, where the server listens to Hyperliquid.

    \b
    Example:  hyperstream watch mark BTC ETH kPEPE
              hyperstream watch mark '*'
              hyperstream watch mark BTC --json --count 10 | jq '.price, .difference_basis_points'
    """

    def subscribe(client: Client, resume: Resume) -> Stream:
        return client.subscribe_mark_prices(symbols, heartbeat_seconds=HEARTBEAT_SECONDS, resume=resume)

    choices = Choices(**rest)
    _run(context, choices, MarksView(Feed(choices.target)), subscribe)


@command.command()
@_common
@click.pass_context
def stops(context: click.Context, /, symbols: tuple[str, ...], **rest: Any) -> None:
    """Stop and take-profit orders that wait for their price.

    On a terminal the nearest to the middle price come first, those that a rise would trigger above those
    that a fall would. Size "position": the TP/SL of a whole position.

    \b
    Example:  hyperstream watch stops BTC
              hyperstream watch stops '*' --json | jq -c 'select(.event == "delta")'
    """
    choices = Choices(**rest)
    is_screen = not choices.as_json and sys.stdout.isatty()

    def subscribe(client: Client, resume: Resume) -> Stream:
        waiting = client.subscribe_stop_orders(symbols, heartbeat_seconds=HEARTBEAT_SECONDS, resume=resume)
        if not is_screen:
            return waiting
        return merged(waiting, client.subscribe_bbo(symbols, heartbeat_seconds=HEARTBEAT_SECONDS))

    _run(context, choices, StopsView(Feed(choices.target)), subscribe)


@command.command()
@_common
@click.option(
    "--venue",
    default="",
    help="binance, binance_futures, bybit, hyperliquid or node.  [default: the first that has it]",
)
@click.option(
    "--indicator",
    "indicators",
    metavar="NAME[:VALUES][@INTERVAL]",
    multiple=True,
    help="rsi:14, macd:12,26,9, ema:20@1m (on bars), spread; as often as wanted.",
)
@click.option(
    "--bars", metavar="INTERVAL", multiple=True, help="Bars as well: 1s, 1m, 4h, 1d; as often as wanted."
)
@click.option("--every-tick", is_flag=True, help="Each tick by itself instead of the newest of each batch.")
@click.pass_context
def prices(
    context: click.Context,
    /,
    symbols: tuple[str, ...],
    venue: str,
    indicators: tuple[str, ...],
    bars: tuple[str, ...],
    every_tick: bool,
    **rest: Any,
) -> None:
    """Prices of exchanges and of the node, with indicators.

    Symbols are written as the venue writes them. Without an @INTERVAL an indicator is computed
    trade by trade (or from the book), with one on the bars of that interval.

    \b
    Example:  hyperstream watch prices BTCUSDT --indicator rsi:14 --indicator ema:20
              hyperstream watch prices BTC ETH --venue hyperliquid --indicator macd@1m --bars 1m
              hyperstream watch prices BTCUSDT --indicator spread --json --count 100
    """
    wanted = PriceChoices(symbols, venue, indicators, bars, every_tick)
    request = wanted.request(HEARTBEAT_SECONDS)
    choices = Choices(**rest)
    view = PricesView(Feed(choices.target), wanted.labels())
    _run(context, choices, view, lambda client, _: stream_prices(client, request))


def _run(
    context: click.Context, choices: Choices, view: View, subscribe: Subscribe, *, does_resume: bool = False
) -> None:
    session = Session(choices, view, subscribe, Console(), sys.stdout.buffer, does_resume)
    context.exit(run_to_exit_code(session.run))
