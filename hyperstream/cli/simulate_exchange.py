"""``hyperstream simulate exchange``: a venue to point feeds at, and the story of its clients."""

import time
from collections.abc import Callable
from typing import Any

import click
import trio
from attrs import frozen

from hyperstream.cli.fakes import as_click_error, stop_on_signal
from hyperstream.cli.venue_narration import VenueNarrator, narration
from hyperstream.cli.venue_state import VenueWatch
from hyperstream.errors import ConfigurationError
from hyperstream.testing.exchanges import (
    Activity,
    FakeBinance,
    FakeBybit,
    FakeHyperliquid,
    FakeVenue,
    trouble_rates,
)
from hyperstream.testing.exchanges.trouble_rates import PRESETS

VENUES: dict[str, Callable[..., FakeVenue]] = {
    "binance": FakeBinance,
    "hyperliquid": FakeHyperliquid,
    "bybit": FakeBybit,
}
STEPS_PER_SECOND = 50.0


@frozen
class _Run:
    host: str
    port: int
    seconds: float | None
    has_bad_certificate: bool


@click.command()
@click.argument("venue", type=click.Choice(list(VENUES)))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="Port; 0 picks one."
)
@click.option("--symbols", help="Exactly these markets: BTCUSDT,ETHUSDT or BTC,@107,xyz:AAPL.")
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 20_000),
    default=25.0,
    show_default=True,
    help="Changes a second of each market's book; a tenth as many trades.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same market.")
@click.option(
    "--trouble",
    type=click.Choice(list(PRESETS)),
    default="none",
    show_default=True,
    help="How often connections break, frames are garbage, updates are skipped and so on.",
)
@click.option(
    "--bad-certificate", is_flag=True, help="Speak TLS with a certificate that nobody should trust."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after so long.  [default: never]")
def exchange(
    venue: str,
    host: str,
    port: int,
    symbols: str | None,
    rate: float,
    seed: int,
    trouble: str,
    bad_certificate: bool,
    seconds: float | None,
) -> None:
    """Imitate an exchange's WebSocket streams and the REST they need.

    \b
    hyperstream simulate exchange binance --port 9443
    hyperstream simulate exchange hyperliquid --symbols BTC,ETH,@107 --trouble some
    hyperstream simulate exchange bybit --rate 200 --trouble much --seed 7
    """
    activity = Activity(changes_per_second=rate, trades_per_second=rate / 10)
    options: dict[str, Any] = {} if symbols is None else {"symbols": _split(symbols)}
    try:
        fake = VENUES[venue](
            seed=seed,
            activity=activity,
            start_ms=time.time_ns() // 1_000_000,
            trouble=trouble_rates(trouble),
            **options,
        )
    except ConfigurationError as exc:
        raise click.UsageError(str(exc)) from exc
    try:
        trio.run(_simulate, fake, _Run(host, port, seconds, bad_certificate))
    except (OSError, ExceptionGroup) as exc:
        told = as_click_error(exc)
        if told is None:
            raise
        raise told from exc


def _split(symbols: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in symbols.split(","))


async def _simulate(fake: FakeVenue, run: _Run) -> None:
    watch = VenueWatch(fake)
    async with fake.serve(run.host, run.port, tls="bad" if run.has_bad_certificate else None) as urls:
        with narration() as narrator:
            narrator.listening(fake.name, urls)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stop_on_signal, nursery.cancel_scope)
                nursery.start_soon(_tell, watch, narrator)
                if run.seconds is not None:
                    nursery.cancel_scope.deadline = trio.current_time() + run.seconds
                await fake.run(STEPS_PER_SECOND)
            for line in watch.news():
                narrator.news(line)
            narrator.summary(watch.state())


async def _tell(watch: VenueWatch, narrator: VenueNarrator) -> None:
    """Tell what happens, and now and then how things are."""
    told_at = trio.current_time()
    while True:
        await trio.sleep(narrator.look_seconds)
        for line in watch.news():
            narrator.news(line)
        if trio.current_time() - told_at >= narrator.progress_seconds:
            told_at = trio.current_time()
            narrator.progress(watch.state())
