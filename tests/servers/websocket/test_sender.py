"""In which order a session's subscriptions are sent while its peer is slow."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import trio

from hyperstream.hub.conflated import MESSAGE_BYTES
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.servers.door.transport import Transport
from hyperstream.servers.door.turnstile import Turnstile
from hyperstream.servers.websocket.sender import SHARE_BYTES, Sender
from hyperstream.wire.protobuf.formats import ORDERBOOK

LARGE = b"B" * 8_000
SMALL = b"t" * 100
PLENTY = OutboxLimits(10_000, 1 << 30)


def make_sender(peer: socket.socket) -> Sender:
    def nothing() -> None:
        """Nobody listens."""

    return Sender(Transport(peer, Turnstile()), None, trio.current_time, nothing, nothing, lambda _: None)


def add(sender: Sender, hub: Hub, contract: Contract, told: list[bytes]) -> Subscription:
    subscription = hub.subscribe(contract, ORDERBOOK, sender.wake, PLENTY)
    sender.add(subscription, in_parts=False)
    for frame in told:
        subscription.tell(frame)
    return subscription


async def sent_by(fill: Callable[[Sender], object]) -> bytes:
    """Everything a sender sends of what waits when it starts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with trio.fail_after(10), theirs:
        sender = make_sender(ours)
        fill(sender)
        received = bytearray()
        reader = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))

        async def read() -> None:
            async for data in reader:
                received.extend(data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, name="reader")
            sender.start(nursery)
            sender.wake()
            await sender.wait_done()
            sender.stop()
            sender.transport.close()
        return bytes(received)


@pytest.mark.parametrize("books_first", [True, False])
async def test_trades_do_not_wait_for_all_books_between_a_block_and_the_next(books_first: bool) -> None:
    hub = Hub(start_seconds=1)
    books = (Contract.CONFLATE, [LARGE] * 500)
    trades = (Contract.LOSSLESS, [SMALL] * 100)

    def fill(sender: Sender) -> None:
        for contract, told in (books, trades) if books_first else (trades, books):
            add(sender, hub, contract, told)

    sent = await sent_by(fill)
    assert sent.count(b"t") == 100 * len(SMALL)
    assert sent.count(b"B") == 500 * len(LARGE)
    assert sent[: sent.rindex(b"t")].count(b"B") <= MESSAGE_BYTES + len(LARGE)


async def test_each_subscription_gets_as_many_bytes_however_long_its_messages_are() -> None:
    hub = Hub(start_seconds=1)

    def fill(sender: Sender) -> None:
        add(sender, hub, Contract.LOSSLESS, [LARGE] * 100)
        add(sender, hub, Contract.LOSSLESS, [SMALL] * 2_000)

    sent = await sent_by(fill)
    assert sent.count(b"B") == 100 * len(LARGE)
    assert sent.count(b"t") == 2_000 * len(SMALL)
    before_the_last_trade = sent[: sent.rindex(b"t")].count(b"B")
    assert abs(before_the_last_trade - 2_000 * len(SMALL)) <= 2 * SHARE_BYTES


async def test_a_message_longer_than_a_turn_is_followed_by_the_next_if_nothing_else_waits() -> None:
    hub = Hub(start_seconds=1)
    long = b"B" * (5 * SHARE_BYTES)
    sent = await sent_by(lambda sender: add(sender, hub, Contract.LOSSLESS, [long] * 4))
    assert sent == long * 4


async def test_a_sender_without_subscriptions_has_nothing_to_send() -> None:
    assert await sent_by(lambda _: None) == b""
