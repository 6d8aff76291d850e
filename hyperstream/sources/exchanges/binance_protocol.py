"""How Binance, spot and USD-M, is asked for streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hyperstream.sockets import Accepted, Command, Protocol, Rejected, Reply, Subscription
from hyperstream.sources.exchanges.venue import CONTROL_KEY
from hyperstream.wire.binance_fields import subscribe_message, unsubscribe_message
from hyperstream.wire.venue_fields import Reply as VenueReply


class BinanceProtocol(Protocol):
    """Requests with numbers, which answers repeat. A stream that does not exist is accepted too."""

    control_keys = frozenset({CONTROL_KEY})

    def subscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """One request for all of them: the connection asks for no more than fit."""
        number = new_id()
        streams = [str(one.key) for one in subscriptions]
        return [Command(subscribe_message(streams, number), tuple(subscriptions), str(number))]

    def unsubscribe(self, subscriptions: Sequence[Subscription], new_id: Callable[[], int]) -> list[Command]:
        """One request for all of them."""
        number = new_id()
        streams = [str(one.key) for one in subscriptions]
        return [Command(unsubscribe_message(streams, number), tuple(subscriptions), str(number))]

    def reply(self, message: Any) -> Reply | None:
        """An answer names its request; one without a number answers nothing we could find."""
        payload = message[1]
        if not isinstance(payload, VenueReply):
            return None
        if payload.is_accepted:
            return Accepted(payload.request)
        return Rejected(payload.detail, payload.request or None)
