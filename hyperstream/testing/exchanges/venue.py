"""What all fake venues are: markets that step, topics, sessions, one port, trouble.

    fake = FakeBinance(seed=1, symbols=("BTCUSDT",))
    async with fake.serve() as urls:       # ports, or fake.open_stream() for a memory stream
        fake.step(100)                     # a plain call: 100 ms of the venue's clock
        await fake.flushed()               # the kernel has what the step said
        fake.truth("BTCUSDT").best

The venue's clock moves only by ``step``; ``run`` steps in Trio's time. Pings, idle limits and
lifetimes are Trio's time, so a test's clock moves them. A limit of 0 is none, for clients that come
and go more often than the real venue would bear.
"""

import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Literal

import trio
from attrs import define, field, frozen
from wsproto import WSConnection

from hyperstream.errors import ConfigurationError
from hyperstream.testing.exchanges import gate
from hyperstream.testing.exchanges.board import Board
from hyperstream.testing.exchanges.certificate import bad_certificate
from hyperstream.testing.exchanges.flow import Activity, MarketFlow, UpdateIds
from hyperstream.testing.exchanges.instruments import Instrument
from hyperstream.testing.exchanges.session import Session
from hyperstream.testing.exchanges.trouble import Trouble
from hyperstream.testing.exchanges.trouble_rates import NONE, TroubleRates
from hyperstream.testing.http import Answer, Question

START_MS = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC
DEFAULT_RATE = 50.0
BACKLOG = 1024

Tls = ssl.SSLContext | Literal["bad"] | None
OpenSession = Callable[..., Session]


@frozen(kw_only=True)
class Urls:
    """Where a venue listens; what a venue does not have is empty.

    ``settings`` are the daemon's settings that point it here.
    """

    stream: str  # Binance spot (combined streams), Hyperliquid, Bybit linear
    spot: str = ""  # Bybit spot
    public: str = ""  # Binance futures, public streams (combined)
    market: str = ""  # Binance futures, market streams (combined)
    rest: str  # http://host:port
    info: str = ""  # Hyperliquid's POST /info
    settings: dict[str, str] = field(factory=dict)


@define(eq=False)
class Statistics:
    """What a venue saw and did; only ever counts up."""

    connections: int = 0
    broken_connections: int = 0
    requests: int = 0
    refused_handshakes: int = 0
    sessions: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    messages_withheld: int = 0
    slow_sessions: int = 0
    protocol_errors: int = 0
    expelled_sessions: int = 0  # ended by a rule of the venue: too many messages, no pong, idle, too old


class FakeVenue(ABC):
    """A venue: subclasses speak its language."""

    name = "venue"
    compresses = False  # whether permessage-deflate is accepted

    def __init__(
        self,
        *,
        seed: int | str = 1,
        activity: Activity | None = None,
        start_ms: int = START_MS,
        trouble: TroubleRates = NONE,
    ) -> None:
        self.seed = seed
        self.activity = activity or Activity()
        self.now_ms = start_ms
        self.flows: list[MarketFlow] = []
        self.labels: dict[str, MarketFlow] = {}  # by "<product> <symbol>", for showing
        self.board = Board()
        self.sessions: list[Session] = []
        self.statistics = Statistics()
        self.trouble = Trouble(self, Random(f"trouble {self.name} {seed}"), trouble)
        self._nursery: trio.Nursery | None = None
        self._tls: ssl.SSLContext | None = None
        self._open_connections = 0

    # -- what a venue defines ---------------------------------------------------------------

    @abstractmethod
    def open_session(self, question: Question) -> OpenSession | Answer:
        """Return the class of session a handshake gets, or why it gets none."""

    @abstractmethod
    def rest(self, question: Question) -> Answer:
        """Answer an HTTP request."""

    @abstractmethod
    def urls(self, address: str, *, is_tls: bool) -> Urls:
        """Return where to find what, given ``host:port``."""

    # -- the market -------------------------------------------------------------------------

    def add_market(
        self, instrument: Instrument, ids: UpdateIds, *, salt: str = "", anchor: MarketFlow | None = None
    ) -> MarketFlow:
        """List an instrument."""
        rng = Random(f"{self.name} {self.seed} {salt} {instrument.symbol}")
        flow = MarketFlow(instrument, rng, self.activity, self.now_ms, ids, anchor)
        self.flows.append(flow)
        self.labels[f"{salt} {flow.symbol}".strip()] = flow
        return flow

    def step(self, ms: int = 20, *, is_quiet: bool = False) -> None:
        """Advance the venue's clock; with ``is_quiet`` the markets stand still and only cadences run."""
        if ms < 1:
            raise ConfigurationError(f"a step takes at least 1 ms, not {ms}")
        self.now_ms += ms
        steps = {flow: flow.step(self.now_ms, is_quiet=is_quiet) for flow in self.flows}
        now = trio.current_time() if trio.lowlevel.in_trio_run() else 0.0
        self.board.advance(steps, self.now_ms, self.trouble, now)
        self.stepped()
        if not is_quiet:
            self.trouble.roll(ms / 60_000)

    def stepped(self) -> None:  # noqa: B027 - most venues do nothing
        """Do what a venue does after each step."""

    def settle(self, ms: int = 10_000) -> None:
        """Let every cadence beat at least once without anything happening: then all has been told."""
        for _ in range(10):
            self.step(max(1, ms // 10), is_quiet=True)

    async def run(self, rate: float = DEFAULT_RATE, steps: int | None = None) -> None:
        """Step in real time: ``rate`` steps a second, for ever or so many; late steps are made up for."""
        if not 0 < rate <= 1_000:
            raise ConfigurationError(f"rate must be above 0 and at most 1000 steps a second, not {rate}")
        ms = round(1_000 / rate)
        started, done = trio.current_time(), 0
        while steps is None or done < steps:
            done += 1
            await trio.sleep_until(started + done * ms / 1_000)
            self.step(ms)

    # -- clients ----------------------------------------------------------------------------

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0, *, tls: Tls = None) -> AsyncIterator[Urls]:
        """Listen while the block runs; yields where. ``tls="bad"`` shows a certificate nobody trusts."""
        self._tls = bad_certificate() if tls == "bad" else tls

        async def admit(stream: trio.SocketStream) -> None:
            peer = str(stream.socket.getpeername()[0]) if stream.socket.fileno() >= 0 else ""
            await self._admit(stream, peer)

        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(trio.serve_listeners, admit, listeners)
                bound = listeners[0].socket.getsockname()[1]
                yield self.urls(f"{host}:{bound}", is_tls=self._tls is not None)
                nursery.cancel_scope.cancel(reason="the fake exchange is no longer served")
        finally:
            self._nursery = None

    @property
    def open_connections(self) -> int:
        """How many connections are open, handshakes and requests included."""
        return self._open_connections

    async def _admit(self, stream: trio.abc.Stream, peer: str) -> None:
        self._open_connections += 1
        try:
            await gate.admit(self, stream, peer, self._tls)
        finally:
            self._open_connections -= 1

    def open_stream(self) -> trio.abc.HalfCloseableStream:
        """Connect without a network: the client's end of a memory stream, speaking HTTP from here on."""
        if self._nursery is None:
            raise RuntimeError("the fake exchange is not being served: enter serve() first")
        from trio.testing import memory_stream_pair  # not above: it loads pytest where there is one

        client, server = memory_stream_pair()
        self._nursery.start_soon(self._admit, server, "memory", name="connection from memory")
        return client

    def begin(
        self,
        make: OpenSession,
        stream: trio.abc.Stream,
        question: Question,
        websocket: WSConnection,
        *,
        compresses: bool,
    ) -> Session:
        """Make the session of an accepted handshake."""
        self.statistics.sessions += 1
        session = make(self, self.statistics.sessions, stream, question, websocket, compresses)
        self.sessions.append(session)
        return session

    def sessions_of(self, peer: str) -> list[Session]:
        """Return the sessions of one address."""
        return [session for session in self.sessions if session.question.peer == peer]

    async def flushed(self) -> None:
        """Wait until everything said so far was handed to the kernel (or the memory stream)."""
        await trio.lowlevel.checkpoint()
        for session in list(self.sessions):
            await session.outbox.wait_flushed()
