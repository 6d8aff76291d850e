"""One client's WebSocket: what it is told, what it says, when it is timed out.

A venue's own session defines the language: ``handle`` answers a message, ``deadlines`` says what
falls due. A client that does not read is reset when ``MAX_OUTBOX_BYTES`` wait for it.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import trio
from attrs import define, field, frozen
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from hyperstream.testing.exchanges.board import Emission, Topic
from hyperstream.testing.exchanges.frames import text_frame
from hyperstream.testing.exchanges.outbox import Ending, How, Outbox
from hyperstream.testing.http import Question

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.venue import FakeVenue

MAX_OUTBOX_BYTES = 64 << 20
MAX_MESSAGE_BYTES = 1 << 20


@frozen
class Deadline:
    """What happens when the time has come and the session still says so."""

    at: float
    act: Callable[[], None]


@define(eq=False)
class Session(ABC):
    """A connected client. Times are Trio's."""

    venue: "FakeVenue"
    number: int
    stream: trio.abc.Stream
    question: Question
    websocket: WSConnection
    compresses: bool = False
    topics: dict[str, Topic | None] = field(factory=dict, init=False)  # None: accepted, and silent for ever
    outbox: Outbox = field(init=False)
    last_text: bytes = field(default=b"", init=False)
    opened_at: float = field(factory=trio.current_time, init=False)
    last_sent_at: float = field(factory=trio.current_time, init=False)
    last_received_at: float = field(factory=trio.current_time, init=False)
    stalled_until: float = field(default=-math.inf, init=False)
    _delayed: deque[tuple[float, bytes]] = field(factory=deque, init=False)
    _incoming: str = field(default="", init=False)
    _wake_timer: trio.Event = field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(self.stream)

    # -- what a venue defines ---------------------------------------------------------------

    @abstractmethod
    def handle(self, text: str) -> None:
        """Answer a message of the client."""

    def opened(self) -> None:
        """Begin: subscribe to what the URL names, for example."""
        self.reschedule()

    def spell(self, topic: Topic, emission: Emission) -> bytes:  # noqa: ARG002 - Binance needs the topic
        """Return an emission as this session gets it."""
        return emission.text()

    def deadlines(self) -> Iterable[Deadline]:
        """Return what falls due; asked anew when one has passed and whenever ``reschedule`` was called."""
        return ()

    def admit(self) -> bool:
        """Count a message, ping or pong of the client; False, when that was one too many and it is ended."""
        return True

    def ponged(self, payload: bytes) -> None:  # noqa: B027 - most venues never ping
        """Take note of a pong."""

    # -- sending ----------------------------------------------------------------------------

    @property
    def is_stalled(self) -> bool:
        """Whether the client hears nothing although its connection lives."""
        return trio.current_time() < self.stalled_until

    def publish(self, topic: Topic, emission: Emission) -> None:
        """Send a topic's update."""
        self.send(self.spell(topic, emission))

    def send(self, text: bytes) -> None:
        """Queue a text message."""
        if self._is_mute():
            return
        self.last_text = text
        if self.compresses:
            self.send_bytes(self.websocket.send(Message(data=text.decode())))
        else:
            self.send_bytes(text_frame(text))

    def acknowledge(self, text: bytes) -> None:
        """Queue the answer to a command, unless trouble has it lost or late."""
        trouble = self.venue.trouble
        if trouble.spend("lost_ack"):
            return
        delay_seconds = trouble.ack_delay_seconds()
        if delay_seconds:
            self._delayed.append((trio.current_time() + delay_seconds, text))
            self.reschedule()
        else:
            self.send(text)

    def send_bytes(self, data: bytes) -> None:
        """Queue bytes as they are, frames or not."""
        if self._is_mute():
            return
        self.outbox.put(data)
        self.last_sent_at = trio.current_time()
        self.venue.statistics.messages_sent += 1
        if self.outbox.size > MAX_OUTBOX_BYTES:
            self.venue.statistics.slow_sessions += 1
            self.end(How.RESET)

    def ping(self, payload: bytes = b"") -> None:
        """Queue a WebSocket ping."""
        if not self._is_mute():
            self.send_bytes(self.websocket.send(Ping(payload=payload)))

    def _is_mute(self) -> bool:
        if self.outbox.ending is not None:
            return True
        if self.is_stalled:
            self.venue.statistics.messages_withheld += 1
            return True
        return False

    # -- subscriptions ----------------------------------------------------------------------

    def follow(self, name: str, topic: Topic | None) -> None:
        """Subscribe under a name; None is a name that nothing is ever published under."""
        self.topics[name] = topic
        if topic is not None:
            self.venue.board.follow(topic, self)

    def leave(self, name: str) -> None:
        """Unsubscribe; no harm if there is no such subscription."""
        topic = self.topics.pop(name, None)
        if topic is not None:
            self.venue.board.leave(topic, self)

    # -- trouble and the end ----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided its end yet."""
        return self.outbox.ending is None

    def end(self, how: How, code: int = 1006, reason: str = "") -> None:
        """Decide the end. Only CLOSE and HALF_CLOSE still send what waits."""
        self.outbox.end(Ending(how, code, reason))

    def expel(self, how: How, code: int = 1006, reason: str = "") -> None:
        """End it because the client broke a rule, or its time is over."""
        self.venue.statistics.expelled_sessions += 1
        self.end(how, code, reason)

    def stall(self, until: float) -> None:
        """Say nothing and hear nothing until a time; the connection stays."""
        self.stalled_until = until
        self.outbox.clear()
        self.reschedule()

    def reschedule(self) -> None:
        """Have the deadlines asked for anew."""
        self._wake_timer.set()

    # -- tasks ------------------------------------------------------------------------------

    async def run(self, early: bytes) -> None:
        """Serve the client until it is over. ``early`` came together with the handshake."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, early, name=f"session {self.number} reader")
                nursery.start_soon(self._keep_time, name=f"session {self.number} timer")
                self.opened()
                await self.outbox.run(self._goodbye)
                nursery.cancel_scope.cancel(reason="the session is over")
        finally:
            for name in list(self.topics):
                self.leave(name)

    def _goodbye(self, ending: Ending) -> bytes:
        if self.websocket.state is not ConnectionState.OPEN:
            return b""  # the client said it first, and our answer is in the outbox
        return self.websocket.send(CloseConnection(code=ending.code, reason=ending.reason or None))

    async def _read(self, early: bytes) -> None:
        data = early
        try:
            while True:
                if data:
                    self._receive(data)
                data = bytes(await self.stream.receive_some(65_536))
                if not data:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()
        self.outbox.end(Ending(How.DROP))

    def _receive(self, data: bytes) -> None:
        if self.is_stalled:
            return
        try:
            self.websocket.receive_data(data)
            for event in self.websocket.events():
                self._on_event(event)
        except RemoteProtocolError as exc:
            self.venue.statistics.protocol_errors += 1
            if isinstance(exc.event_hint, CloseConnection):
                self._closed_by_peer(exc.event_hint)
            else:
                self.end(How.DROP)

    def _on_event(self, event: Event) -> None:
        self.last_received_at = trio.current_time()
        match event:
            case CloseConnection():
                self._closed_by_peer(event.response())
            case Ping():
                if self.admit():
                    self.send_bytes(self.websocket.send(event.response()))
            case Pong():
                if self.admit():
                    self.ponged(bytes(event.payload))
                    self.reschedule()
            case TextMessage():
                self._incoming += event.data
                if len(self._incoming) > MAX_MESSAGE_BYTES:
                    self.end(How.CLOSE, 1009, "message too big")
                elif event.message_finished:
                    text, self._incoming = self._incoming, ""
                    self._on_text(text)
            case BytesMessage():
                self.end(How.CLOSE, 1003, "text only")

    def _on_text(self, text: str) -> None:
        self.venue.statistics.messages_received += 1
        if self.is_open and self.admit():
            self.handle(text)
            self.reschedule()

    def _closed_by_peer(self, answer: CloseConnection) -> None:
        """Answer a close frame, or what wsproto makes of a frame it cannot read: a close without a peer's."""
        if self.websocket.state is ConnectionState.OPEN:
            self.venue.statistics.protocol_errors += 1
        if self.websocket.state is not ConnectionState.CLOSED:
            try:
                self.outbox.put(self.websocket.send(answer))
            except LocalProtocolError:
                self.venue.statistics.protocol_errors += 1  # both said goodbye at once, and not alike
        self.end(How.CLOSE)
        self.outbox.peer_is_done()

    async def _keep_time(self) -> None:
        while True:
            self._wake_timer = trio.Event()
            if not self.is_stalled:
                self._act_on_what_is_due()
            if not self.is_open:
                return
            due = [deadline.at for deadline in self.deadlines()]
            due += [at for at, _ in self._delayed]
            at = self.stalled_until if self.is_stalled else min(due, default=math.inf)
            with trio.move_on_at(at):
                await self._wake_timer.wait()

    def _act_on_what_is_due(self) -> None:
        now = trio.current_time()
        while self._delayed and self._delayed[0][0] <= now:
            self.send(self._delayed.popleft()[1])
        for deadline in list(self.deadlines()):
            if deadline.at <= now and self.is_open:
                deadline.act()
