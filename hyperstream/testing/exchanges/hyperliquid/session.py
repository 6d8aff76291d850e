"""A client of Hyperliquid's WebSocket."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson
import trio
from attrs import define, field

from hyperstream.testing.exchanges.hyperliquid import info
from hyperstream.testing.exchanges.hyperliquid.subscriptions import Fatal, Subscription, Unparsable, parse
from hyperstream.testing.exchanges.outbox import How
from hyperstream.testing.exchanges.session import Deadline, Session

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.hyperliquid.exchange import FakeHyperliquid

_PARSE_ERROR = "Error parsing JSON into valid websocket request: "


@define(eq=False)
class HyperliquidSession(Session):
    """One socket."""

    _ends_at: float | None = field(default=None, init=False)

    @property
    def exchange(self) -> "FakeHyperliquid":
        """The venue, as what it is."""
        return self.venue  # type: ignore[return-value]  # begun by no other

    def deadlines(self) -> Iterable[Deadline]:
        """The idle limit counts what the server said; a fatal subscription ends the socket soon."""
        limits = self.exchange.limits
        if limits.idle_seconds:
            yield Deadline(self.last_sent_at + limits.idle_seconds, self._expel)
        if self._ends_at is not None:
            yield Deadline(self._ends_at, self._expel)

    def _expel(self) -> None:
        self.expel(How.DROP)

    def admit(self) -> bool:
        """Count a message of this address."""
        if self.exchange.messages[self.question.peer].take(trio.current_time()):
            return True
        self.expel(How.DROP)
        return False

    def handle(self, text: str) -> None:
        """Answer a request; one that does not parse gets an error, and the socket stays open."""
        try:
            request = orjson.loads(text)
            if not isinstance(request, dict):
                raise Unparsable
            self._answer(request)
        except (orjson.JSONDecodeError, Unparsable):
            self._error(_PARSE_ERROR + text)
        except Fatal:
            self._ends_at = trio.current_time() + self.exchange.limits.fatal_seconds

    def _answer(self, request: dict[str, Any]) -> None:
        match request:
            case {"method": "ping"}:
                self.send(b'{"channel":"pong"}')
            case {"method": "subscribe", "subscription": wanted}:
                self._subscribe(parse(wanted))
            case {"method": "unsubscribe", "subscription": wanted}:
                self._unsubscribe(parse(wanted))
            case {"method": "post", "id": int(number), "request": {"type": str(kind), "payload": payload}}:
                self._post(number, kind, payload)
            case _:
                raise Unparsable

    def _subscribe(self, wanted: Subscription) -> None:
        self.exchange.check(wanted)
        name = wanted.json
        if name in self.topics:
            self._error(f"Already subscribed: {name}")
        elif self.exchange.is_full(self.question.peer):
            self._error(f"Too many subscriptions: {name}")
        elif self.venue.trouble.spend("refused_ack"):
            self._error(f"Cannot subscribe: {name}")
        else:
            self._acknowledge("subscribe", wanted)
            self.follow(name, self.exchange.topic(wanted))

    def _unsubscribe(self, wanted: Subscription) -> None:
        name = wanted.json
        if name not in self.topics:
            self._error(f"Already unsubscribed: {name}")
        elif self.venue.trouble.spend("refused_ack"):
            self._error(f"Cannot unsubscribe: {name}")
        else:
            self.leave(name)
            self._acknowledge("unsubscribe", wanted)

    def _acknowledge(self, method: str, wanted: Subscription) -> None:
        told = b'{"method":"%b","subscription":%b}' % (method.encode(), wanted.json.encode())
        self.acknowledge(b'{"channel":"subscriptionResponse","data":%b}' % told)

    def _post(self, number: int, kind: str, payload: object) -> None:
        response: dict[str, object] = {
            "type": "error",
            "payload": "422 Unprocessable Entity: unknown request",
        }
        if kind == "info" and isinstance(payload, dict) and isinstance(payload.get("type"), str):
            found = info.answer(self.exchange, payload)
            if found is not info.UNKNOWN:
                response = {"type": "info", "payload": {"type": payload["type"], "data": found}}
        self.send(orjson.dumps({"channel": "post", "data": {"id": number, "response": response}}))

    def _error(self, text: str) -> None:
        self.send(orjson.dumps({"channel": "error", "data": text}))
