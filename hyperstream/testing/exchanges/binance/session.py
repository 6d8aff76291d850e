"""A client of Binance's streams."""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson
import trio
from attrs import define, field

from hyperstream.testing.exchanges.binance.control import Command, Refusal, parse, result
from hyperstream.testing.exchanges.binance.streams import SPOT, Product
from hyperstream.testing.exchanges.board import Emission, Topic
from hyperstream.testing.exchanges.outbox import How
from hyperstream.testing.exchanges.quotas import Window
from hyperstream.testing.exchanges.session import Deadline, Session

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.binance.exchange import FakeBinance

_KEPT_PINGS = 64


@define(eq=False)
class BinanceSession(Session):
    """One socket. ``category`` is the path's: spot, or futures' public or market."""

    product: Product = field(kw_only=True)
    category: str = field(kw_only=True)
    is_combined: bool = field(kw_only=True)
    units_per_ms: int = field(default=1, kw_only=True)
    first_streams: tuple[str, ...] = field(default=(), kw_only=True)
    leaves_at: float | None = field(default=None, init=False)
    _messages: Window = field(init=False)
    _pings: deque[bytes] = field(factory=lambda: deque(maxlen=_KEPT_PINGS), init=False)
    _ping_number: int = field(default=0, init=False)
    _next_ping_at: float = field(init=False)
    _last_pong_at: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._messages = Window(self.product.limits.messages_per_second, 1.0)
        self._next_ping_at = self.opened_at + self.product.limits.ping_seconds
        self._last_pong_at = self.opened_at

    def opened(self) -> None:
        """Subscribe to the streams of the URL."""
        self._subscribe(self.first_streams)

    def spell(self, topic: Topic, emission: Emission) -> bytes:
        """Wrap the payload where combined streams are asked for."""
        return self._wrapped(topic.name.partition(" ")[2], emission.text(self.units_per_ms))

    def _wrapped(self, stream: str, text: bytes) -> bytes:
        return b'{"stream":"%b","data":%b}' % (stream.encode(), text) if self.is_combined else text

    # -- limits -----------------------------------------------------------------------------

    def admit(self) -> bool:
        """Count a message; one too many ends the session, and repeated violations ban the address."""
        if self._messages.take(trio.current_time()):
            return True
        self.product.budget.punish(self.question.peer, trio.current_time())
        self.expel(How.CLOSE, 1008, "Too many requests")
        return False

    def deadlines(self) -> Iterable[Deadline]:
        """Ping; the missing pong; the end of a long life; the end after ``serverShutdown``."""
        limits = self.product.limits
        if limits.ping_seconds:
            yield Deadline(self._next_ping_at, self._ping)
            yield Deadline(self._last_pong_at + limits.ping_seconds + limits.pong_seconds, self._miss_pong)
        if limits.lifetime_seconds:
            yield Deadline(self.opened_at + limits.lifetime_seconds, self._leave)
        if self.leaves_at is not None:
            yield Deadline(self.leaves_at, self._leave)

    def _ping(self) -> None:
        self._next_ping_at += self.product.limits.ping_seconds
        self._ping_number += 1
        payload = f"{self.venue.now_ms}{self._ping_number:06d}".encode()
        self._pings.append(payload)
        self.ping(payload)

    def ponged(self, payload: bytes) -> None:
        """Take the answer to one of our pings; pongs without a question are allowed and count for nothing."""
        if payload in self._pings:
            self._last_pong_at = trio.current_time()
            self._pings.clear()

    def _miss_pong(self) -> None:
        self.expel(How.CLOSE, 1008, "Pong timeout")

    def _leave(self) -> None:
        self.expel(How.CLOSE, 1001, "")

    def shut_down(self, seconds: float) -> None:
        """Say that this server stops, and stop after a while."""
        text = orjson.dumps({"e": "serverShutdown", "E": self.venue.now_ms * self.units_per_ms})
        self.send(self._wrapped("!serverShutdown", text))
        self.leaves_at = trio.current_time() + seconds
        self.reschedule()

    # -- commands ---------------------------------------------------------------------------

    def handle(self, text: str) -> None:
        """Carry a command out, or say what is wrong with it; the socket stays open."""
        command = parse(text, is_text_id_allowed=self.category == SPOT)
        if isinstance(command, Refusal):
            self.send(command.text())
        elif self.venue.trouble.spend("refused_ack"):
            refusal = Refusal(2, "Invalid request: refused", command.request_id, has_id=True)
            self.send(refusal.text())
        else:
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        value: object = None
        match command.method:
            case "SUBSCRIBE":
                self.acknowledge(result(None, command.request_id))
                self._subscribe(command.params)
                return
            case "UNSUBSCRIBE":
                for name in command.params:
                    self.leave(name)
            case "LIST_SUBSCRIPTIONS":
                value = list(self.topics)
            case "SET_PROPERTY":
                self.is_combined = command.params[1]
            case "GET_PROPERTY":
                value = self.is_combined
        self.acknowledge(result(value, command.request_id))

    def _subscribe(self, names: Iterable[str]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self.topics]
        if len(self.topics) + len(new) > (self.product.limits.streams or len(self.topics) + len(new)):
            self.expel(How.CLOSE, 1008, "Too many streams")
            return
        venue: FakeBinance = self.venue  # type: ignore[assignment]  # begun by no other
        for name in new:
            self.follow(name, venue.topic(self.product, self.category, name))
