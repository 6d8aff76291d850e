"""One session's conversation in Hyperliquid's dialect.

Answers are the venue's, letter for letter where it has one; where it would hang up without a word (an unknown
coin, impossible figures) the socket lives and an error says what was wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from attrs import define, field

from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import PublishedMarket
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic
from hyperstream.servers.door.http import HttpRefusal
from hyperstream.servers.websocket.allowance import Allowance, AllowanceError
from hyperstream.servers.websocket.hyperliquid.formats import FormatSets, HyperliquidFormats
from hyperstream.servers.websocket.hyperliquid.info import InfoDesk
from hyperstream.servers.websocket.hyperliquid.requests import (
    ALL_MIDS,
    ASSET_CONTEXT,
    L4_BOOK,
    Asked,
    ShapeFault,
    SubscriptionFault,
    read_subscription,
)
from hyperstream.servers.websocket.hyperliquid.streams import Streams, format_of
from hyperstream.servers.websocket.session import Session

_UNREADABLE = "Error parsing JSON into valid websocket request: "
_PONG = b'{"channel":"pong"}'


@define(eq=False)
class Active:
    """A subscription in force: its topics, all in one subscription of the hub."""

    asked: Asked
    subscription: Subscription
    topics: list[Topic]
    unfollow: Callable[[], None] | None = None


@define(eq=False)
class HyperliquidDialect:
    """What one client has asked for. ``window_bits`` is how it takes compressed messages, 0 if not."""

    session: Session
    streams: Streams
    desk: InfoDesk
    sets: FormatSets
    window_bits: int
    allowance: Allowance
    active: dict[bytes, Active] = field(factory=dict)
    _shared: dict[Contract, Subscription] = field(factory=dict)
    _holders: Counter[tuple[Subscription, Topic]] = field(factory=Counter)

    def receive(self, message: dict[str, Any], text: str) -> None:
        """Answer a message; ``text`` is how it was written."""
        method = message.get("method")
        if method == "ping":
            self.session.answer(_PONG)
        elif method == "subscribe":
            self._judge(self._subscribe, message.get("subscription"), text)
        elif method == "unsubscribe":
            self._judge(self._unsubscribe, message.get("subscription"), text)
        elif method == "post":
            self._post(message, text)
        else:
            self.refuse_unreadable(text)

    def refuse_unreadable(self, text: str) -> None:
        """The venue's answer to what it cannot read."""
        self._error(_UNREADABLE + text)

    def _error(self, text: str) -> None:
        self.session.answer(orjson.dumps({"channel": "error", "data": text}))

    def _judge(self, act: Callable[[Asked], None], value: object, text: str) -> None:
        try:
            asked = read_subscription(value)
        except ShapeFault:
            self.refuse_unreadable(text)
            return
        except SubscriptionFault as fault:
            self._error(f"Invalid subscription: {orjson.dumps(value).decode()}: {fault}")
            return
        try:
            act(asked)
        except SubscriptionFault as fault:
            self._error(f"Invalid subscription: {asked.echo.decode()}: {fault}")

    def _acknowledge(self, method: bytes, asked: Asked) -> None:
        answer = b'{"channel":"subscriptionResponse","data":{"method":"%b","subscription":%b}}'
        self.session.answer(answer % (method, asked.echo))

    # --- subscribing ---

    def _subscribe(self, asked: Asked) -> None:
        if asked.echo in self.active:
            self._error(f"Already subscribed: {asked.echo.decode()}")
            return
        formats = self.sets.of(self.window_bits, tells=asked.tells)
        if asked.kind == ASSET_CONTEXT:
            self._subscribe_contexts(asked, formats)
            return
        if asked.kind == ALL_MIDS:
            self._charge(1)
            named = [(self.streams.mids_topic(asked, formats), "")]
        else:
            markets = self.streams.markets(asked)
            self._charge(len(markets))
            try:
                topics = [self.streams.topic(asked, formats, market) for market in markets]
            except SubscriptionFault:
                self.allowance.give_back(len(markets))
                raise
            named = [(topic, market.name.symbol) for topic, market in zip(topics, markets, strict=True)]
        active = self._begin(asked, formats)
        for topic, coin in named:
            self._attach(active, topic, coin)
        if asked.is_every:
            active.unfollow = self._follow_new(active, formats)
        active.subscription.flush()

    def _subscribe_contexts(self, asked: Asked, formats: HyperliquidFormats) -> None:
        """What the venue's own socket tells: asked for upstream while somebody here wants it."""
        named = self.streams.contexts(asked)
        frames = self.streams.frames
        assert frames is not None
        self._charge(len(named))
        active = self._begin(asked, formats)

        def refused(_: str, detail: str) -> None:
            if self.active.get(asked.echo) is active:
                del self.active[asked.echo]
                self._release(active)
                self._error(f"Invalid subscription: {asked.echo.decode()}: {detail}")

        def leave() -> None:
            for name in named:
                frames.leave(name, refused)

        active.unfollow = leave
        for name, coin in named.items():
            self._attach(active, frames.follow(name, formats.asset_context, refused), coin)
        active.subscription.flush()

    def _begin(self, asked: Asked, formats: HyperliquidFormats) -> Active:
        """It can be served: say so first, then comes what it tells."""
        self._acknowledge(b"subscribe", asked)
        active = self.active[asked.echo] = Active(asked, self._subscription(asked, formats), [])
        return active

    def _subscription(self, asked: Asked, formats: HyperliquidFormats) -> Subscription:
        """The hub's subscription for it: shared by all plain ones under the same contract, but for l4Book.

        What is told of a stream names markets, so a stream that is told of has a subscription of its own.
        """
        wire_format = format_of(asked, formats)
        if asked.tells or asked.kind == L4_BOOK:
            return self.session.subscribe(asked.contract, wire_format, in_parts=asked.kind == L4_BOOK)
        found = self._shared.get(asked.contract)
        if found is None:
            found = self._shared[asked.contract] = self.session.subscribe(asked.contract, wire_format)
        return found

    def _attach(self, active: Active, topic: Topic, coin: str) -> None:
        active.topics.append(topic)
        held = active.subscription, topic
        self._holders[held] += 1
        if self._holders[held] > 1:
            active.subscription.begin_again(topic)
        else:
            active.subscription.attach(topic, active.asked.resume.get(coin))

    def _follow_new(self, active: Active, formats: HyperliquidFormats) -> Callable[[], None]:
        """Add markets that appear later."""
        directory = self.streams.directory

        def follow(market: PublishedMarket) -> None:
            try:
                topic = self.streams.topic(active.asked, formats, market)
            except SubscriptionFault:
                return  # a market that has nothing of the kind
            self.allowance.add(1)
            self._attach(active, topic, market.name.symbol)

        directory.follow_new_markets(follow)
        return lambda: directory.unfollow_new_markets(follow)

    def _charge(self, count: int) -> None:
        """Count markets against the limits. Raises SubscriptionFault past them."""
        try:
            self.allowance.take(count)
        except AllowanceError as exc:
            raise SubscriptionFault(str(exc)) from exc

    # --- unsubscribing ---

    def _unsubscribe(self, asked: Asked) -> None:
        active = self.active.pop(asked.echo, None)
        if active is None:
            self._error(f"Already unsubscribed: {asked.echo.decode()}")
            return
        self._release(active)
        self._acknowledge(b"unsubscribe", asked)

    def _release(self, active: Active) -> None:
        subscription = active.subscription
        if subscription in self._shared.values():
            for topic in active.topics:
                held = subscription, topic
                self._holders[held] -= 1
                if not self._holders[held]:
                    del self._holders[held]
                    subscription.detach(topic)
        else:
            self.session.drop(subscription)
        if active.unfollow is not None:
            active.unfollow()
        self.allowance.give_back(len(active.topics))

    def close(self) -> None:
        """The session has ended."""
        for active in self.active.values():
            if active.unfollow is not None:
                active.unfollow()
        self.active.clear()

    # --- post ---

    def _post(self, message: dict[str, Any], text: str) -> None:
        """``{"method":"post","id":1,"request":{"type":"info","payload":{…}}}``; actions are for the venue."""
        identifier, request = message.get("id"), message.get("request")
        if type(identifier) is not int or not isinstance(request, dict):
            self.refuse_unreadable(text)
            return
        kind, payload = request.get("type"), request.get("payload")
        if kind != "info" or not isinstance(payload, dict):
            response = _post_error(HTTPStatus.UNPROCESSABLE_ENTITY, "only info requests are answered here")
        else:
            try:
                data = self.desk.answer(payload, is_post=True)
                named = orjson.dumps(payload.get("type"))
                response = b'{"type":"info","payload":{"type":%b,"data":%b}}' % (named, data)
            except HttpRefusal as refusal:
                response = _post_error(refusal.status, refusal.text)
        self.session.answer(b'{"channel":"post","data":{"id":%d,"response":%b}}' % (identifier, response))


# As the venue says it; Python 3.13 has RFC 9110's newer words.
_PHRASES: dict[int, str] = {HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Entity"}


def _post_error(status: int, text: str) -> bytes:
    phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    return orjson.dumps({"type": "error", "payload": f"{int(status)} {phrase}: {text}"})
