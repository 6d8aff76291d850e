"""A client of Bybit's public sockets, linear or spot."""

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import trio
from attrs import define, field

from hyperstream.testing.exchanges.bybit.payloads import SPOT
from hyperstream.testing.exchanges.outbox import How
from hyperstream.testing.exchanges.session import Deadline, Session

if TYPE_CHECKING:
    from hyperstream.testing.exchanges.bybit.exchange import FakeBybit


class Refused(Exception):
    """A request that is refused as a whole; the message is ``ret_msg``."""


@define(eq=False)
class BybitSession(Session):
    """One socket of a market family. ``topics`` are called as on the wire."""

    category: str = field(kw_only=True)
    connection_id: str = field(init=False)
    _last_ping_at: float = field(init=False)
    _is_quiet: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        bits = Random(f"{self.venue.seed} {self.number}").getrandbits(128)
        self.connection_id = str(UUID(int=bits, version=4))
        self._last_ping_at = self.opened_at

    @property
    def exchange(self) -> "FakeBybit":
        """The venue, as what it is."""
        return self.venue  # type: ignore[return-value]  # begun by no other

    def deadlines(self) -> Iterable[Deadline]:
        """A socket without subscriptions needs pings; any other needs pings or data."""
        limits = self.exchange.limits
        if limits.unsubscribed_seconds and not self.topics:
            yield Deadline(self._last_ping_at + limits.unsubscribed_seconds, self._expel)
        if limits.idle_seconds:
            heard = max(self._last_ping_at, self.last_sent_at)
            yield Deadline(heard + limits.idle_seconds, self._expel)

    def _expel(self) -> None:
        self.expel(How.DROP)

    # -- requests ---------------------------------------------------------------------------

    def handle(self, text: str) -> None:
        """Carry a request out, or refuse all of it; the socket stays open."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._reply(False, f"Failed to decode incoming data:{text[:200]}", {}, "")
            return
        if not isinstance(request, dict) or not isinstance(request.get("op"), str):
            self._reply(False, "error:invalid op", {}, "")
            return
        op = request["op"]
        match op:
            case "ping":
                self._last_ping_at = trio.current_time()
                self._reply(True, "pong", request, op)
            case "subscribe" | "unsubscribe":
                self._command(op, request)
            case _:
                self._reply(False, "error:invalid op", request, op)

    def _command(self, op: str, request: dict[str, Any]) -> None:
        names = request.get("args")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._reply(False, "error:invalid args", request, op)
            return
        try:
            if self.venue.trouble.spend("refused_ack") and names:
                raise Refused(f"error:handler not found,topic:{names[0]}")
            if op == "subscribe":
                self._check(names)
        except Refused as exc:
            self._reply(False, str(exc), request, op)
            if self.exchange.is_quiet_after_refusal:
                self._go_quiet()
            return
        if op == "unsubscribe":
            for name in names:
                self.leave(name)
        self._reply(True, op if self.category == SPOT and op == "subscribe" else "", request, op)
        if op == "subscribe":
            for name in names:
                self.follow(name, self.exchange.topic(self.category, name))

    def _check(self, names: list[str]) -> None:
        """Refuse everything for the first topic that is wrong."""
        limits = self.exchange.limits
        if self.category == SPOT and limits.spot_args and len(names) > limits.spot_args:
            raise Refused(f"args size >{limits.spot_args}")
        seen = set(self.topics)
        for name in names:
            if not self.exchange.knows(self.category, name):
                raise Refused(f"error:handler not found,topic:{name}")
            if name in seen:
                raise Refused(f"error:already subscribed,topic:{name}")
            seen.add(name)
        if limits.args_characters and sum(map(len, seen)) > limits.args_characters:
            raise Refused(f"error:args exceed {limits.args_characters} characters,topic:{names[-1]}")

    def _go_quiet(self) -> None:
        """Stop all streams and go on answering pings, as was seen after a refusal."""
        for name, topic in list(self.topics.items()):
            if topic is not None:
                self.venue.board.leave(topic, self)
                self.topics[name] = None

    def _reply(self, is_success: bool, message: str, request: dict[str, Any], op: str) -> None:
        """Answer. Spot's pong has no ``req_id``, nor has the refusal of too many arguments."""
        answer: dict[str, Any] = {"success": is_success, "ret_msg": message, "conn_id": self.connection_id}
        is_short = (op == "ping" and self.category == SPOT) or message.startswith("args size")
        if not is_short:
            answer["req_id"] = request.get("req_id", "")
        text = orjson.dumps({**answer, "op": op})
        if op == "ping":
            self.send(text)
        else:
            self.acknowledge(text)
