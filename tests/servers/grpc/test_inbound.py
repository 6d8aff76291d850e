"""Messages that are begun and never ended: what all of them together may hold, and who has to go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from grpclib.exceptions import GRPCError

from hyperstream.servers.grpc.inbound import CAUSE, FRAME_BYTES, InboundBudget, MessageBuffer
from hyperstream.v1 import orderbook_pb2

from .raw_peer import PREFACE, decoded, frame, request_headers
from .serving import Client, Served, serving, wait_until

in_thread = trio.to_thread.run_sync
BEGUN = b"\0" + (100_000).to_bytes(4, "big") + bytes(10_000)


def budget_of(served: Served) -> InboundBudget:
    server = served.server._server
    assert server is not None
    return server.inbound


@contextmanager
def beginner(port: int) -> Iterator[socket.socket]:
    """A peer that has begun a message of 100,000 bytes and sent a tenth of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(PREFACE + request_headers("GetMarkets") + frame(0, BEGUN, stream=1))
        yield peer


def read_answer(peer: socket.socket) -> bytes:
    answer = b""
    while b"unfinished" not in decoded(answer) and (chunk := peer.recv(65536)):
        answer += chunk
    return decoded(answer)


async def test_the_call_that_holds_an_unfinished_message_for_longest_ends_when_all_hold_too_much(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        budget = budget_of(served)
        budget.most = 35_000
        with beginner(served.port) as first, beginner(served.port), beginner(served.port):
            await wait_until(lambda: budget.held > 30_000)
            assert CAUSE not in served.server.statistics().counts
            with beginner(served.port):
                with trio.fail_after(20):
                    answer = await in_thread(read_answer, first)
                assert b"this one has been for longest" in answer
                await wait_until(lambda: budget.held > 30_000)
                client = Client(served.port)
                response = await in_thread(client.call, "GetMarkets", orderbook_pb2.GetMarketsRequest())
                assert len(response.markets) == 5, "whole messages come through all the while"
                client.close()
            assert served.server.statistics().counts[CAUSE] == 1
        await wait_until(lambda: budget.held == 0)


async def test_a_message_that_is_read_is_held_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        client = Client(served.port)
        request = orderbook_pb2.GetMarketsRequest(symbols=["BTC"] * 20_000)
        response = await in_thread(client.call, "GetMarkets", request)
        assert response.markets
        await wait_until(lambda: budget_of(served).held == 0)
        client.close()


class Holder:
    """A call's buffer, and how the call ended."""

    def __init__(self, budget: InboundBudget) -> None:
        self.acknowledged = 0
        self.errors: list[GRPCError] = []
        self.buffer = MessageBuffer(self.acknowledge, budget, self.errors.append)

    def acknowledge(self, size: int) -> None:
        self.acknowledged += size


def test_tiny_frames_are_charged_for_what_they_cost() -> None:
    budget = InboundBudget(most=100 * FRAME_BYTES)
    holder = Holder(budget)
    for _ in range(200):
        holder.buffer.add(b"x", 1)
    assert len(holder.errors) == 1
    assert (budget.held, holder.acknowledged) == (0, 200), "all of it is given back to the peer's window"


def test_whoever_made_progress_is_not_the_one_to_go() -> None:
    budget = InboundBudget(most=1_000)
    first, second = Holder(budget), Holder(budget)

    async def read_some() -> None:
        assert await first.buffer.read(50) == bytes(50)

    first.buffer.add(bytes(100), 100)
    second.buffer.add(bytes(100), 100)
    with pytest.raises(StopIteration):
        read_some().send(None)
    first.buffer.add(bytes(400), 400)
    assert (len(first.errors), len(second.errors)) == (0, 1)
    first.buffer.end()
    assert budget.held == 0
