"""``hyperstream demo``: a fake node, fake exchanges, the daemon and a live view in one process, offline.

Everything is the real thing but node and exchanges: the daemon tails files on disk, takes its snapshot
from an info server, listens to WebSockets, and the view subscribes over gRPC on the loopback interface.
"""

import io
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define, field
from rich.console import Console
from rich.live import Live

from hyperstream.app import Addresses, Daemon
from hyperstream.cli.comparison import Comparison, compare, equals_truth
from hyperstream.cli.demo_exchanges import price_labels, price_request, serve_exchanges, settings
from hyperstream.cli.demo_summary import summary
from hyperstream.cli.exits import leaves, run_to_exit_code
from hyperstream.cli.views.feed import Feed
from hyperstream.cli.views.numbers import SECOND
from hyperstream.cli.views.showcase import Showcase
from hyperstream.cli.watch.following import HEARTBEAT_SECONDS
from hyperstream.config import LogSettings
from hyperstream.errors import HyperstreamError, RpcError, ServerUnavailable
from hyperstream.logs import set_up
from hyperstream.servers.grpc.client import Client, connect
from hyperstream.servers.grpc.client_stream import EventStream
from hyperstream.testing import BUSY, Block, FakeNode
from hyperstream.v1 import price_pb2

SYMBOLS = ("BTC", "ETH", "HYPE", "@107", "xyz:XYZ100", "kPEPE")
BLOCKS_PER_SECOND = 14.0
LADDER_DEPTH = 50
COMPARED_DEPTH = 1000
READY_SECONDS = 20.0
SETTLE_SECONDS = 10.0
POLL_SECONDS = 0.05
FRAME_SECONDS = 0.125


@define(eq=False)
class Demo:
    """One run: the node, what is shown of it, and what the summary needs."""

    node: FakeNode
    seed: int
    seconds: float
    showcase: Showcase
    console: Console
    is_screen: bool
    comparisons: list[Comparison] = field(factory=list)
    is_stream_equal: bool = False
    blocks: int = 0
    messages: int = 0
    message_bytes: int = 0
    exit_code: int | None = None
    trouble: BaseException | None = None
    drain_ns: int = 0
    _is_draining: bool = False
    _priced: trio.Event = field(factory=trio.Event)
    _enough: trio.Event = field(factory=trio.Event)
    _node_scope: trio.CancelScope = field(factory=trio.CancelScope)
    _daemon_ended: trio.Event = field(factory=trio.Event)

    async def run(self) -> int:
        """Run from the first block to the drained daemon; return the exit code."""
        try:
            await self._run()
        except* HyperstreamError as errors:
            self.trouble = leaves(errors)[0]
        return 0 if self.is_good else 1

    async def _run(self) -> None:
        self.showcase.started_ns = time.time_ns()
        async with (
            self.node.serve_info("127.0.0.1", 0) as url,
            serve_exchanges(self.seed) as feeds,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._wait_signals, nursery.cancel_scope, name="signals")
            nursery.start_soon(self._draw if self.is_screen else self._tell, name="view")
            nursery.start_soon(self._make_blocks, name="node")
            daemon = Daemon(settings(self.node.data_dir, url, feeds))
            addresses: Addresses = await nursery.start(self._run_daemon, daemon, name="daemon")
            assert addresses.grpc is not None
            host, port = addresses.grpc
            async with connect(f"{host}:{port}") as client:
                await self._wait_books(client)
                await self._show(client, daemon)
            with trio.fail_after(SETTLE_SECONDS):
                await self._daemon_ended.wait()
            nursery.cancel_scope.cancel(reason="the demo is over")

    async def _show(self, client: Client, daemon: Daemon) -> None:
        view = self.showcase
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            beat = HEARTBEAT_SECONDS
            async with trio.open_nursery() as receiving:
                prices = await enter(client.stream_prices())
                prices.request(price_request(beat))
                receiving.start_soon(self._receive, client, prices, self._take_price, name="on_price")
                await self._wait_prices()
                streams: list[tuple[EventStream[Any], Callable[[Any, int], None]]] = [
                    (
                        await enter(
                            client.subscribe_orderbook(
                                SYMBOLS[:1], depth=LADDER_DEPTH, heartbeat_seconds=beat
                            )
                        ),
                        view.on_book,
                    ),
                    (await enter(client.subscribe_bbo(SYMBOLS, heartbeat_seconds=beat)), view.on_bbo),
                    (await enter(client.subscribe_trades(["*"], heartbeat_seconds=beat)), view.on_trades),
                ]
                for stream, take in streams:
                    receiving.start_soon(self._receive, client, stream, take, name=take.__name__)
                view.phase = "live"
                view.ends_ns = time.time_ns() + int(self.seconds * SECOND)
                with trio.move_on_after(self.seconds):
                    await self._enough.wait()
                self._node_scope.cancel(reason="the demo's time is up")
                view.phase = "comparing the books with the node's"
                await self._compare(client)
                view.phase = "draining the daemon"
                self._is_draining = True
                self.drain_ns = time.time_ns()
                daemon.drain("the demo is over")
                receiving.cancel_scope.deadline = trio.current_time() + SETTLE_SECONDS

    async def _make_blocks(self) -> None:
        with self._node_scope:
            await self.node.run(rate=BLOCKS_PER_SECOND, on_block=self._count)

    def _count(self, _block: Block) -> None:
        self.blocks += 1
        self.showcase.blocks.add(1, time.time_ns())

    async def _run_daemon(
        self, daemon: Daemon, task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED
    ) -> None:
        async with trio.open_nursery() as nursery:
            task_status.started(await nursery.start(daemon.run, name="run"))
        self.exit_code = int(daemon.lifecycle.exit_code())
        self.drain_ns = time.time_ns() - self.drain_ns
        if not self._is_draining:
            raise ServerUnavailable(f"the daemon ended by itself with exit code {self.exit_code}")
        self._daemon_ended.set()

    async def _receive(
        self, client: Client, stream: EventStream[Any], take: Callable[[Any, int], None]
    ) -> None:
        try:
            while True:
                events = await stream.receive_batch()
                now_ns = time.time_ns()
                for event in events:
                    take(event, now_ns)
                traffic = client.statistics()
                self.showcase.received.add(traffic.message_bytes - self.message_bytes, now_ns)
                self.messages, self.message_bytes = traffic.messages, traffic.message_bytes
        except trio.EndOfChannel:
            if not self._is_draining:
                raise ServerUnavailable("the daemon ended a stream without being asked") from None
        except ServerUnavailable:
            if not self._is_draining:
                raise

    async def _wait_books(self, client: Client) -> None:
        """Wait until every market has a book: the daemon has taken its snapshot."""
        self.showcase.phase = "the daemon takes its snapshot"
        with trio.move_on_after(READY_SECONDS):
            while True:
                try:
                    markets = (await client.get_markets(SYMBOLS)).markets
                    if all(market.bid_level_count and market.ask_level_count for market in markets):
                        return
                except RpcError as error:
                    if error.status_name not in ("UNAVAILABLE", "NOT_FOUND"):
                        raise
                await trio.sleep(POLL_SECONDS)
        raise ServerUnavailable(f"the daemon has no books after {READY_SECONDS:.0f} s")

    def _take_price(self, event: price_pb2.PriceStreamEvent, now_ns: int) -> None:
        self.showcase.on_price(event, now_ns)
        if event.HasField("price"):
            self._priced.set()

    async def _wait_prices(self) -> None:
        """Wait until the exchanges have told prices; without them the demo goes on."""
        self.showcase.phase = "the daemon listens to the exchanges"
        with trio.move_on_after(READY_SECONDS):
            await self._priced.wait()

    async def _compare(self, client: Client) -> None:
        """Compare every book with the truth, once the daemon has applied the last block."""
        book = self.showcase.ladder.book
        with trio.move_on_after(SETTLE_SECONDS):
            while True:
                if (await client.get_markets()).height >= self.node.height:
                    break
                await trio.sleep(POLL_SECONDS)
        for symbol in SYMBOLS:
            snapshot = await client.get_orderbook(symbol, depth=COMPARED_DEPTH)
            self.comparisons.append(compare(snapshot, self.node.truth(symbol, COMPARED_DEPTH)))
        with trio.move_on_after(SETTLE_SECONDS):
            while not self.is_stream_equal:
                truth = self.node.truth(book.symbol, LADDER_DEPTH)
                self.is_stream_equal = equals_truth(book.bids, book.asks, truth)
                await trio.sleep(POLL_SECONDS)

    async def _wait_signals(self, scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if self._enough.is_set() or number == signal.SIGHUP:  # the terminal has gone
                    scope.cancel(reason="asked to end at once")
                self._enough.set()

    async def _draw(self) -> None:
        with Live(
            console=self.console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            while True:
                width, height = self.console.size
                live.update(self.showcase.render(width, height, time.time_ns()), refresh=True)
                await trio.sleep(FRAME_SECONDS)

    async def _tell(self) -> None:
        while True:
            await trio.sleep(1)
            click.echo(self.showcase.line(time.time_ns()))

    @property
    def is_good(self) -> bool:
        """Whether everything came out as promised."""
        is_equal = bool(self.comparisons) and all(one.is_equal for one in self.comparisons)
        feed = self.showcase.feed
        is_whole = not feed.gaps and not feed.holes
        return is_equal and self.is_stream_equal and is_whole and self.exit_code == 0


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=20.0,
    show_default=True,
    help="How long to show the live view.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same market.")
@click.pass_context
def command(context: click.Context, /, seconds: float, seed: int) -> None:
    """Show all of it at work: fake node, fake exchanges, daemon, live view. No network, no node.

    Ctrl-C ends early. Exit code 0 when every book equals the node's and nothing was missed.

    \b
    Example:  hyperstream demo
              hyperstream demo --seconds 60 --seed 7
    """
    console = Console()
    is_screen = console.is_terminal and not console.is_dumb_terminal
    logs = io.StringIO()
    set_up(LogSettings(level="error"), stream=logs if is_screen else sys.stderr)
    with tempfile.TemporaryDirectory(prefix="hyperstream-demo-") as directory:
        data_dir = Path(directory) / "data"
        data_dir.mkdir()
        node = FakeNode(data_dir, seed=seed, markets=SYMBOLS, load=BUSY)
        showcase = Showcase(SYMBOLS[0], Feed(""), price_labels())
        demo = Demo(node, seed, seconds, showcase, console, is_screen)
        exit_code = run_to_exit_code(demo.run)
        node.close()
    if is_screen:
        sys.stderr.write(logs.getvalue())
    if demo.trouble is None:
        for line in summary(demo):
            click.echo(line)
    else:
        click.echo(f"Error: {demo.trouble}", err=True)
    context.exit(exit_code)
