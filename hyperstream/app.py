"""The whole daemon on one page: every channel, every service, and who closes what.

supervise                 one force scope: drain, then force (lifecycle.py)
├─ signals                first SIGTERM or SIGINT drains, the second forces; SIGHUP reloads keys, certificates
├─ watchdog               tells systemd: ready, alive, how it does, ending
└─ services               ends by itself once the intakes are shut and the channels ran dry
   ├─ node                tails the node's files, fetches snapshots           → items
   ├─ engine              items → books → hub
   ├─ feeds               exchanges, a task each                              → feed items
   ├─ prices              feed items → prices, bars, indicators → hub         → demands
   ├─ clock               late statuses, unused topics, repairs; batches of prices, mark prices
   ├─ grpc                the only asyncio loop of the process
   ├─ websocket           the gateway, for programs written for a venue's socket
   ├─ http                health, metrics, status; ends last
   └─ drain               shuts the intakes, then ends the streams
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Mapping, Sequence

import structlog
import trio
from attrs import define, field, frozen

from hyperstream.activation import inherited_sockets, listening_there
from hyperstream.config import Settings
from hyperstream.engine.candles import CandleKeeper
from hyperstream.engine.collector import relax_collector
from hyperstream.engine.engine import Engine
from hyperstream.engine.marks.keeper import MarkKeeper
from hyperstream.engine.prices.engine import PriceEngine
from hyperstream.engine.topics import MarketFormats
from hyperstream.engine.venue_topics import FrameBoards
from hyperstream.errors import ConfigurationError
from hyperstream.figures import DaemonFigures, DaemonStatistics
from hyperstream.hub.hub import Hub
from hyperstream.lifecycle import Lifecycle
from hyperstream.market.updates import NOTICE_DRAINING, NoticeNote
from hyperstream.market.venues import (
    NODE,
    FeedDemand,
    FeedItem,
)
from hyperstream.servers.grpc.server import GrpcServer
from hyperstream.servers.http.server import HttpServer
from hyperstream.servers.websocket.content import Content
from hyperstream.servers.websocket.server import WebSocketServer
from hyperstream.slow_steps import SlowStepLog
from hyperstream.sources.exchanges.feeds import Feeds, enabled_venues, standing_markets
from hyperstream.sources.node.source import NodeSource
from hyperstream.watchdog import Progress, Watchdog
from hyperstream.wire.node_blocks import NodeItem, RepairRequest
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK, ORDERS, TRADES
from hyperstream.wire.protobuf.marks import MARK_PRICES
from hyperstream.wire.protobuf.prices import PRICES

log = structlog.get_logger("hyperstream.app")

# Batches, each what one read of a socket brought: when so many wait, feeds stop reading.
FEED_BATCHES = 256


@frozen
class Addresses:
    """Where the daemon listens."""

    grpc: tuple[str, int]
    websocket: tuple[str, int] | None
    http: tuple[str, int] | None


@define(eq=False)
class Daemon:
    """One daemon. ``run`` returns the exit code; ``drain`` and ``force`` end it as signals would.

    ``sockets`` listen already, by the server that is to have them.
    """

    settings: Settings
    sockets: Mapping[str, socket.socket] = field(factory=dict)
    lifecycle: Lifecycle = field(init=False)
    hub: Hub = field(init=False)
    engine: Engine = field(init=False)
    prices: PriceEngine = field(init=False)
    marks: MarkKeeper = field(init=False)
    _steps: SlowStepLog = field(factory=SlowStepLog)
    _grpc: GrpcServer = field(init=False)
    _websocket: WebSocketServer | None = None
    _http: HttpServer | None = None
    _figures: DaemonFigures = field(init=False)
    _watchdog: Watchdog = field(init=False)
    _node: NodeSource = field(init=False)
    _feeds: Feeds = field(init=False)
    _send_repair: trio.MemorySendChannel[RepairRequest] = field(init=False)
    _send_items: trio.MemorySendChannel[NodeItem] = field(init=False)
    _items: trio.MemoryReceiveChannel[NodeItem] = field(init=False)
    _send_feed_items: trio.MemorySendChannel[list[FeedItem]] = field(init=False)
    _feed_items: trio.MemoryReceiveChannel[list[FeedItem]] = field(init=False)
    _send_demand: trio.MemorySendChannel[FeedDemand] = field(init=False)
    _demands: trio.MemoryReceiveChannel[FeedDemand] = field(init=False)

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        node = settings.node
        self._send_items, self._items = trio.open_memory_channel[NodeItem](node.channel_blocks)
        self._send_feed_items, self._feed_items = trio.open_memory_channel[list[FeedItem]](FEED_BATCHES)
        # No more wait here than there are topics: each is wanted or not.
        self._send_demand, self._demands = trio.open_memory_channel[FeedDemand](math.inf)
        self._send_repair, repairs = trio.open_memory_channel[RepairRequest](math.inf)
        can_repair = node.snapshot != "none"
        self.lifecycle = Lifecycle(settings.lifecycle.drain_seconds, time.time_ns, self.reload)
        self.hub = Hub(time.time())
        self.engine = Engine(
            hub=self.hub,
            formats=MarketFormats(ORDERBOOK, BBO, TRADES, ORDERS),
            now_ns=time.time_ns,
            request_repair=self._request_repair if can_repair else None,
            wanted=frozenset(node.markets),
            status_wait_seconds=node.status_wait_seconds,
            snapshot_chunk_orders=settings.grpc.snapshot_chunk_orders,
        )
        self._node = NodeSource(node, self._send_items, repairs)
        self._feeds = Feeds(settings.feeds, self._send_feed_items, self._demands)
        self.prices = PriceEngine(
            self.hub,
            PRICES,
            time.time_ns,
            settings.prices,
            enabled_venues(settings.feeds) | ({NODE} if node.enabled else frozenset()),
            self._demand,
            self.engine if node.enabled else None,
            standing_markets(settings.feeds),
        )
        self.marks = MarkKeeper(self.hub, MARK_PRICES, time.time_ns, self.engine, self.prices.newest)
        self._grpc = GrpcServer(
            settings.grpc,
            self.engine,
            self.hub,
            time.time_ns,
            self.prices,
            settings.prices.max_series_per_stream,
            self.sockets.get("grpc"),
            self.marks,
        )
        if settings.websocket.enabled:
            if settings.websocket.candle_minutes:
                CandleKeeper(settings.websocket.candle_minutes).follow(self.engine)
            frames = FrameBoards.of(self.hub, self.prices)
            self.prices.on_frame, self.prices.on_news = frames.on_frame, frames.on_news
            kept, boards = self._node.kept_answer, frames.boards
            content = Content(settings.websocket, self.engine, self.hub, kept, boards, node.enabled)
            others, listener = settings.grpc.max_connections, self.sockets.get("websocket")
            self._websocket = WebSocketServer(settings.websocket, self.hub, content, others, listener)

        parts = (settings, self.lifecycle, self.hub, self.engine, self.statistics, time.time_ns)
        self._figures = DaemonFigures(*parts)
        if settings.http.enabled:
            self._http = HttpServer(settings.http, self._figures, self.sockets.get("http"))
        self._watchdog = Watchdog(self._progress, self._figures.summary)

    async def run(
        self,
        *,
        obey_signals: bool = False,
        task_status: trio.TaskStatus[Addresses] = trio.TASK_STATUS_IGNORED,
    ) -> int:
        """Run until drained or forced; started with the addresses once every listener is open."""
        with self._steps, self.lifecycle.force_scope:
            async with trio.open_nursery() as supervise:
                if obey_signals:
                    await supervise.start(self.lifecycle.obey_signals, name="signals")
                async with trio.open_nursery() as services:
                    intake, clock = trio.CancelScope(), trio.CancelScope()
                    intake_of_feeds = trio.CancelScope()
                    engine_done, prices_done = trio.Event(), trio.Event()
                    grpc = await services.start(self._grpc.run, name="grpc")
                    websocket = None
                    if self._websocket is not None:
                        websocket = await services.start(self._websocket.run, name="websocket")
                    http = None
                    if self._http is not None:
                        http = await services.start(self._http.run, name="http")
                    services.start_soon(self._run_node, intake, name="node")
                    services.start_soon(self._run_feeds, intake_of_feeds, name="feeds")
                    services.start_soon(self._run_engine, engine_done, name="engine")
                    services.start_soon(self._run_prices, prices_done, name="prices")
                    services.start_soon(self._run_clock, clock, name="clock")
                    dry = (engine_done, prices_done)
                    intakes = (intake, intake_of_feeds)
                    services.start_soon(self._drain, intakes, dry, clock, name="drain")
                    await supervise.start(self._watchdog.run, name="watchdog")
                    task_status.started(Addresses(grpc, websocket, http))
                supervise.cancel_scope.cancel(reason="all services have ended")
        code = self.lifecycle.exit_code()
        log.info("stopped", exit_code=int(code))
        return int(code)

    def _progress(self) -> Progress:
        """How far the engine has come."""
        return Progress(self.engine.items, self._items.statistics().current_buffer_used)

    def _request_repair(self, request: RepairRequest) -> None:
        """Ask the node source for a snapshot; once it has been shut, nothing can be repaired."""
        if not self.lifecycle.is_draining:
            self._send_repair.send_nowait(request)

    def _demand(self, demand: FeedDemand) -> None:
        """Tell the feeds what is wanted; once they have been shut, nothing is."""
        if not self.lifecycle.is_draining:
            self._send_demand.send_nowait(demand)

    async def _run_node(self, intake: trio.CancelScope) -> None:
        with intake:
            if self.settings.node.enabled:
                await self._node.run()
            else:
                await trio.sleep_forever()
        self._send_items.close()

    async def _run_feeds(self, intake: trio.CancelScope) -> None:
        with intake:
            await self._feeds.run()
        self._send_feed_items.close()

    async def _run_engine(self, done: trio.Event) -> None:
        relax_collector()
        await self.engine.run(self._items)
        done.set()

    async def _run_prices(self, done: trio.Event) -> None:
        await self.prices.run(self._feed_items)
        done.set()

    async def _run_clock(self, clock: trio.CancelScope) -> None:
        with clock:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.engine.tick, name="engine tick")
                nursery.start_soon(self.prices.tick, name="prices tick")
                nursery.start_soon(self.marks.tick, name="marks tick")
                if self._websocket is not None:
                    nursery.start_soon(self._websocket.content.run, name="websocket tick")
                if self.settings.node.enabled:
                    await self.engine.wait_ready()
                self._grpc.set_serving(not self.lifecycle.is_draining)

    async def _drain(
        self, intakes: Sequence[trio.CancelScope], dry: Sequence[trio.Event], clock: trio.CancelScope
    ) -> None:
        """Send the last batch, shut the intakes, let the channels run dry, end the streams: in this order."""
        await self.lifecycle.wait_draining()
        self._watchdog.stopping()
        self.prices.catch_up(self._feed_items)
        self._grpc.close_intake()
        if self._websocket is not None:
            self._websocket.close_intake()
        deadline_ns = self.lifecycle.deadline_ns
        detail = "hyperstream is shutting down; connect again and resume from the last events"
        self.hub.notify_all(NoticeNote(NOTICE_DRAINING, deadline_ns, (), detail))
        for intake in intakes:
            intake.cancel(reason="draining")
        for event in dry:
            await event.wait()
        clock.cancel(reason="draining")
        self.prices.flush()
        self.hub.finish()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._grpc.drain, name="drain grpc")
            if self._websocket is not None:
                nursery.start_soon(self._websocket.drain, name="drain websocket")
        self.prices.latest.close("the daemon ends")
        if self._http is not None:
            self._http.close()

    def drain(self, reason: str) -> None:
        """Begin to end: what the first signal does."""
        self.lifecycle.drain(reason)

    def reload(self) -> None:
        """Read certificates and API keys again: what SIGHUP does. Streams go on, whatever is wrong."""
        servers: list[GrpcServer | WebSocketServer] = [self._grpc]
        if self._websocket is not None:
            servers.append(self._websocket)
        for server in servers:
            try:
                server.reload()
            except ConfigurationError as exc:
                log.error("certificates and keys stay as they were", problem=str(exc))
            else:
                log.info("certificates and keys were read again")

    def force(self, reason: str) -> None:
        """End at once: what the second signal does."""
        self.lifecycle.force(reason)

    def statistics(self) -> DaemonStatistics:
        """Every part's figures now."""
        return DaemonStatistics(
            engine=self.engine.statistics(),
            hub=self.hub.statistics(),
            grpc=self._grpc.statistics(),
            websocket=self._websocket.statistics() if self._websocket is not None else None,
            node=self._node.statistics(),
            feeds=self._feeds.statistics(),
            prices=self.prices.statistics(),
            marks=self.marks.statistics(),
            steps=self._steps.statistics(),
        )


async def run(settings: Settings) -> int:
    """Run the daemon in the foreground, obeying signals; returns the exit code.

    Raises ConfigurationError if it cannot listen where it should.
    """
    sockets = inherited_sockets(os.environ)
    return await Daemon(listening_there(settings, sockets), sockets).run(obey_signals=True)
