"""``hyperstream simulate``: things to point a reader at when the real ones are far away."""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import orjson
import trio
from attrs import frozen
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hyperstream.cli.fakes import as_click_error, stop_on_signal
from hyperstream.cli.simulate_exchange import exchange
from hyperstream.errors import ConfigurationError
from hyperstream.testing import PRESETS, Block, FakeNode, Fault, parse_fault, preset

PLAIN_SECONDS = 5.0
LIVE_SECONDS = 0.25


@click.group()
def command() -> None:
    """Imitate a node or an exchange, with trouble on request.

    \b
    Examples:  hyperstream simulate node --data-dir /tmp/hl/data --info-port 3001
               hyperstream simulate exchange binance --port 9443 --trouble some
    """


command.add_command(exchange)


class _FaultType(click.ParamType[Fault]):
    name = "fault"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        if isinstance(value, Fault):
            return value
        try:
            return parse_fault(str(value))
        except ConfigurationError as exc:
            self.fail(str(exc), param, ctx)


@command.command()
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to write."
)
@click.option("--blocks", type=click.IntRange(min=1), help="Stop after so many blocks.  [default: never]")
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    default=15.0,
    show_default=True,
    help="Blocks a second; 0: flat out.",
)
@click.option(
    "--layout",
    type=click.Choice(["by_block", "streaming", "both"]),
    default="by_block",
    show_default=True,
    help="How the node groups events.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same market.")
@click.option("--info-port", type=click.IntRange(0, 65_535), help="Serve /info here; 0 picks a port.")
@click.option(
    "--markets", type=click.IntRange(1, 5_000), help="How many markets.  [default: 8; mainnet: 600]"
)
@click.option("--symbols", help="Exactly these markets: BTC,ETH,@107,xyz:XYZ100.")
@click.option(
    "--load",
    "load_name",
    type=click.Choice(list(PRESETS)),
    default="quiet",
    show_default=True,
    help="How busy it is.",
)
@click.option("--resting-orders", type=click.IntRange(min=0), help="Orders in all books at the start.")
@click.option(
    "--fault",
    "faults",
    type=_FaultType(),
    multiple=True,
    help="Trouble, as name:probability or name@height. Repeatable.",
)
@click.option(
    "--truth",
    "truth_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the true books that changed, one JSON object a block.",
)
@click.option(
    "--truth-depth", type=click.IntRange(min=1), default=50, show_default=True, help="Levels a side."
)
def node(
    data_dir: Path,
    blocks: int | None,
    rate: float,
    layout: str,
    seed: int,
    info_port: int | None,
    markets: int | None,
    symbols: str | None,
    load_name: str,
    resting_orders: int | None,
    faults: tuple[Fault, ...],
    truth_path: Path | None,
    truth_depth: int,
) -> None:
    """Write a Hyperliquid node's files, block after block, from a seeded exchange.

    \b
    hyperstream simulate node --data-dir /tmp/hl/data --info-port 3001
    hyperstream simulate node --data-dir /tmp/hl/data --load mainnet --fault torn:0.05

    \b
    Faults: torn, stall, late, repeated, missing, rollover, truncated, recreated,
            vanished, garbage, divergence
    """
    if symbols is not None and markets is not None:
        raise click.UsageError("give --markets or --symbols, not both")
    load = preset(load_name)
    if resting_orders is not None:
        load = load.with_resting_orders(resting_orders)
    named = tuple(part.strip() for part in symbols.split(",")) if symbols is not None else None
    try:
        fake = FakeNode(
            data_dir,
            seed=seed,
            layout=layout,
            markets=named or markets or (600 if load_name == "mainnet" else 8),
            load=load,
            faults=faults,
        )
    except ConfigurationError as exc:
        raise click.UsageError(str(exc)) from exc
    run = _Run(blocks, rate, info_port, truth_path, truth_depth)
    gc.collect()
    gc.freeze()  # the resting orders are here to stay: do not walk them again and again
    try:
        trio.run(_simulate, fake, run)
    except (OSError, ExceptionGroup) as exc:
        told = as_click_error(exc)
        if told is None:
            raise
        raise told from exc


@frozen
class _Run:
    blocks: int | None
    rate: float
    info_port: int | None
    truth_path: Path | None
    truth_depth: int


async def _simulate(fake: FakeNode, run: _Run) -> None:
    started, first = time.monotonic(), fake.height
    try:
        async with AsyncExitStack() as stack:
            click.echo(f"data dir  {fake.data_dir}")
            click.echo(f"layout    {fake.layout}, {len(fake.symbols)} markets")
            if run.info_port is not None:
                url = await stack.enter_async_context(fake.serve_info(port=run.info_port))
                click.echo(f"info      {url}")
            sys.stdout.flush()
            truth = stack.enter_context(_truth_file(run.truth_path))
            nursery = await stack.enter_async_context(trio.open_nursery())
            nursery.start_soon(stop_on_signal, nursery.cancel_scope)
            nursery.start_soon(_show_progress, fake)

            def keep_truth(block: Block) -> None:
                if truth is not None:
                    truth.write(_true_books(fake, block, run.truth_depth))

            await fake.run(run.blocks, run.rate, keep_truth)
            nursery.cancel_scope.cancel()
    finally:
        fake.close()
    seconds = max(time.monotonic() - started, 1e-9)
    made = fake.height - first
    click.echo(
        f"stopped at height {fake.height}: {made} blocks and {fake.lines_written} lines "
        f"in {seconds:.1f} s, {fake.bytes_written / 1e6:.1f} MB"
    )


async def _show_progress(fake: FakeNode) -> None:
    """Show one calm line: redrawn on a terminal, repeated every few seconds elsewhere."""
    console = Console()
    if not console.is_terminal:
        async for line in _Progress(fake, PLAIN_SECONDS):
            click.echo(line)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        async for line in _Progress(fake, LIVE_SECONDS):
            live.update(Text(line), refresh=True)


class _Progress:
    """Says every so many seconds what the node did meanwhile."""

    def __init__(self, fake: FakeNode, seconds: float) -> None:
        self._fake = fake
        self._seconds = seconds
        self._time, self._height, self._lines = trio.current_time(), fake.height, fake.lines_written

    def __aiter__(self) -> "_Progress":
        return self

    async def __anext__(self) -> str:
        await trio.sleep(self._seconds)
        fake, now = self._fake, trio.current_time()
        elapsed = now - self._time
        blocks, events = fake.height - self._height, fake.lines_written - self._lines
        self._time, self._height, self._lines = now, fake.height, fake.lines_written
        return (
            f"height {fake.height}  {blocks / elapsed:.1f} blocks/s  {events / elapsed:.0f} lines/s  "
            f"lag {fake.lag_seconds * 1000:.0f} ms"
        )


@contextmanager
def _truth_file(path: Path | None) -> Iterator[BinaryIO | None]:
    if path is None:
        yield None
        return
    with path.open("wb", buffering=0) as file:
        yield file


def _true_books(fake: FakeNode, block: Block, depth: int) -> bytes:
    books = {}
    for symbol in block.symbols:
        book = fake.truth(symbol, depth)
        books[symbol] = {"bids": book.bids, "asks": book.asks}
    return orjson.dumps({"height": block.height, "books": books}, option=orjson.OPT_APPEND_NEWLINE)
