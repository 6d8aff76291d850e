"""One session's conversation about topics.

Answers have the venue's shape (Bybit v5):
``{"success":true,"ret_msg":"","conn_id":"…","req_id":"1","op":"subscribe"}``. A request with several topics
is refused as a whole, and ``ret_msg`` names the first bad one, as there; ``hint`` says what would be right.
Programs that speak our own spelling are told gaps, those written for the venue are not.
"""

from __future__ import annotations

import orjson
from attrs import define, field

from hyperstream.errors import HyperstreamError, SelectionError, TopicError
from hyperstream.hub.delivery import Contract
from hyperstream.hub.frame_directory import FrameDirectory
from hyperstream.hub.subscription import Subscription
from hyperstream.servers.websocket.allowance import Allowance, AllowanceError
from hyperstream.servers.websocket.session import Session
from hyperstream.servers.websocket.topics.requests import (
    RequestFault,
    TopicRequest,
    operation_of,
    read_request,
    request_id_of,
)
from hyperstream.wire.json.topics import TopicFormat


@define(eq=False)
class TopicDialect:
    """What one client follows. ``plain`` and ``telling`` are how frames are sealed for it."""

    session: Session
    directory: FrameDirectory
    allowance: Allowance
    plain: TopicFormat
    telling: TopicFormat
    connection_id: str
    _followed: dict[str, Subscription] = field(factory=dict)

    def receive(self, message: dict[str, object]) -> None:
        """Answer a message that speaks of topics."""
        try:
            request = read_request(message)
        except RequestFault as fault:
            self._answer(operation_of(message), request_id_of(message), str(fault))
            return
        if request.operation == "ping":
            self._answer("ping", request.request_id, "pong", success=True)
        elif request.operation == "subscribe":
            self._subscribe(request)
        else:
            self._unsubscribe(request)

    def _answer(
        self, operation: str, request_id: str | int, text: str, *, success: bool = False, hint: str = ""
    ) -> None:
        answer = {
            "success": success,
            "ret_msg": text,
            "conn_id": self.connection_id,
            "req_id": request_id,
            "op": operation,
        }
        if hint:
            answer["hint"] = hint
        self.session.answer(orjson.dumps(answer))

    def _subscribe(self, request: TopicRequest) -> None:
        for name in request.topics:
            problem, hint = self._problem(name)
            if problem:
                self._answer("subscribe", request.request_id, f"error:{problem},topic:{name}", hint=hint)
                return
        try:
            self.allowance.take(len(request.topics))
        except AllowanceError as exc:
            self._answer("subscribe", request.request_id, f"error:{exc}")
            return
        self._answer("subscribe", request.request_id, "", success=True)
        wire_format = self.plain if request.is_venues else self.telling
        for name in request.topics:
            # One subscription a topic: each has its own buffer, and what one lags another does not.
            subscription = self.session.subscribe(Contract.RESYNC, wire_format)
            self._followed[name] = subscription
            subscription.attach(self.directory.follow(name, wire_format, self._refused))
            subscription.flush()

    def _problem(self, name: str) -> tuple[str, str]:
        """Why a topic cannot be followed, in the venue's words, and what would be right."""
        if name in self._followed:
            return "already subscribed", ""
        try:
            self.directory.check(name)
        except (TopicError, SelectionError) as exc:
            return "handler not found", exc.reason if isinstance(exc, SelectionError) else str(exc)
        except HyperstreamError as exc:
            return str(exc), ""
        return "", ""

    def _unsubscribe(self, request: TopicRequest) -> None:
        for name in request.topics:
            if name not in self._followed:
                self._answer("unsubscribe", request.request_id, f"error:not subscribed,topic:{name}")
                return
        for name in request.topics:
            self._leave(name)
        self._answer("unsubscribe", request.request_id, "", success=True)

    def _leave(self, name: str) -> None:
        subscription = self._followed.pop(name)
        self.session.drop(subscription)
        self.directory.leave(name, self._refused)
        self.allowance.give_back(1)

    def _refused(self, name: str, detail: str) -> None:
        """The venue does not serve the topic after all."""
        if name in self._followed:
            self._leave(name)
            self._answer("subscribe", "", f"error:handler not found,topic:{name}", hint=detail)

    def close(self) -> None:
        """The session has ended."""
        for name in list(self._followed):
            del self._followed[name]
            self.directory.leave(name, self._refused)
