"""Windows taken in advance: h2 on the other side finds no frame too long, too much, or out of order."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from grpclib.config import Configuration
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from h2.settings import SettingCodes
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from hyperstream.servers.grpc.connection import GuardedConnection
from hyperstream.servers.grpc.frames import ADVANCE_BYTES, FrameWriter
from hyperstream.servers.grpc.guard import H2_CONFIG
from hyperstream.servers.grpc.http2 import BoundedH2Connection
from hyperstream.servers.grpc.inbound import InboundBudget
from hyperstream.servers.grpc.message_stream import MessageStream

HEADERS = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")]
STREAMS = (1, 3)


class Wire:
    """A transport that hands everything to the peer's h2 at once."""

    def __init__(self, peer: H2Connection) -> None:
        self.peer = peer
        self.received: dict[int, bytes] = dict.fromkeys(STREAMS, b"")
        self.unacknowledged: Counter[int] = Counter()
        self.has_closed = False

    def write(self, data: bytes) -> None:
        for event in self.peer.receive_data(data):
            if isinstance(event, DataReceived):
                assert event.stream_id is not None
                self.received[event.stream_id] += event.data
                self.unacknowledged[event.stream_id] += event.flow_controlled_length or 0

    def is_closing(self) -> bool:
        return self.has_closed


class Opening:
    """grpclib's event of a window that opened, without a loop."""

    def __init__(self) -> None:
        self._has_opened = False

    def set(self) -> None:
        self._has_opened = True

    def clear(self) -> None:
        self._has_opened = False

    async def wait(self) -> None:
        while not self._has_opened:
            await _turn()


@types.coroutine
def _turn() -> Iterator[None]:
    yield


class Pair:
    """A server's connection with two calls, and a client's h2 that raises when a window is violated."""

    def __init__(self) -> None:
        self.client = H2Connection(H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.wire = Wire(self.client)
        h2 = BoundedH2Connection(H2_CONFIG, max_streams=10, counts=Counter(), clock=lambda: 0.0)
        h2.initiate_connection()
        self.h2 = h2
        transport: Any = self.wire
        self.connection = GuardedConnection(h2, transport, config=Configuration().__for_server__())
        self.connection.inbound = InboundBudget()
        for stream in STREAMS:
            self.client.send_headers(stream, HEADERS, end_stream=True)
        self.say()
        self.streams: dict[int, Any] = {}
        self.writers: dict[int, FrameWriter] = {}
        for stream in STREAMS:
            h2.send_headers(stream, [(":status", "200")])
            self.connection.flush()
            made: Any = self.connection.create_stream(stream_id=stream)
            made.window_updated = Opening()
            self.streams[stream] = made
            call: Any = SimpleNamespace(_stream=made)
            self.writers[stream] = FrameWriter(call)

    def say(self) -> None:
        """What the client has prepared reaches the server."""
        self.connection.feed(self.client.data_to_send())
        self.connection.flush()

    def windows(self, stream: int) -> tuple[int, int]:
        """The client's view of what it still allows: the connection's window, and the stream's."""
        return (
            self.client.inbound_flow_control_window,
            self.client._get_stream_by_id(stream).inbound_flow_control_window,
        )


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.sent: dict[int, bytes] = dict.fromkeys(STREAMS, b"")
        self.sending: dict[int, Any] = {}

    @rule(stream=st.sampled_from(STREAMS), size=st.integers(0, 40_000), times=st.integers(1, 5))
    def write(self, stream: int, size: int, times: int) -> None:
        """Exactly what fits is written, however it was taken."""
        if stream in self.sending:
            return  # its task sends, so the publisher does not
        for number in range(times):
            body = bytes([number + 1]) * size
            fits = size + 5 <= min(self.pair.windows(stream))
            assert self.pair.writers[stream].write(body) is fits
            if fits:
                self.sent[stream] += b"\0" + size.to_bytes(4, "big") + body

    @rule(stream=st.sampled_from(STREAMS), size=st.integers(1, 200_000))
    def send(self, stream: int, size: int) -> None:
        """The stream's task sends a message through h2, and waits where the window ends."""
        if stream not in self.sending:
            self.sent[stream] += bytes(size)
            self.sending[stream] = self.pair.streams[stream].send_data(bytes(size))
            self.go_on()

    def go_on(self) -> None:
        for stream, task in list(self.sending.items()):
            try:
                task.send(None)
            except StopIteration:
                del self.sending[stream]

    @rule(stream=st.sampled_from(STREAMS), share=st.sampled_from([0.3, 1.0]))
    def acknowledge(self, stream: int, share: float) -> None:
        """The client gives windows back."""
        size = int(self.pair.wire.unacknowledged[stream] * share)
        if size:
            self.pair.wire.unacknowledged[stream] -= size
            self.pair.client.acknowledge_received_data(size, stream)
            self.said()

    @rule(
        changes=st.fixed_dictionaries(
            {},
            optional={
                SettingCodes.INITIAL_WINDOW_SIZE: st.integers(0, 200_000),
                SettingCodes.MAX_FRAME_SIZE: st.integers(16_384, 60_000),
            },
        )
    )
    def change_settings(self, changes: dict[SettingCodes | int, int]) -> None:
        """The client changes its mind; what was taken in advance counts as not yet sent."""
        self.pair.client.update_settings(changes)
        self.said()

    def said(self) -> None:
        self.pair.say()
        for stream in self.sending:
            self.pair.streams[stream].window_updated.set()
        self.go_on()

    @invariant()
    def what_arrived_is_what_was_sent(self) -> None:
        for stream in STREAMS:
            received, sent = self.pair.wire.received[stream], self.sent[stream]
            if stream in self.sending:
                assert sent.startswith(received)
            else:
                assert received == sent
                assert self.pair.writers[stream].bytes_sent == len(sent)

    @invariant()
    def nobody_waits_for_a_window_that_is_open(self) -> None:
        for stream in self.sending:
            assert min(self.pair.windows(stream)) <= 0

    def teardown(self) -> None:
        for task in self.sending.values():
            task.close()
        self.pair.connection.advances.withdraw()
        for stream in STREAMS:
            window, of_stream = self.pair.windows(stream)
            assert self.pair.h2.outbound_flow_control_window == window
            assert self.pair.h2.streams[stream].outbound_flow_control_window == of_stream


def test_windows_and_order_hold_whatever_was_taken_in_advance() -> None:
    run_state_machine_as_test(Machine)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def advance_of(pair: Pair, stream: int) -> int:
    return pair.writers[stream]._advance


def test_an_advance_leaves_most_of_the_window_to_others(pair: Pair) -> None:
    assert pair.writers[1].write(b"x" * 95)
    assert advance_of(pair, 1) == 65_535 // 4 - 100
    pair.client.increment_flow_control_window(1_000_000)
    pair.client.increment_flow_control_window(1_000_000, 1)
    pair.say()
    assert advance_of(pair, 1) == 0, "whatever the peer says, it is looked at anew"
    assert pair.writers[1].write(b"x" * 95)
    assert advance_of(pair, 1) == ADVANCE_BYTES - 100


@pytest.mark.parametrize("what", ["pause", "close", "task", "end"])
def test_an_advance_is_withdrawn_when_anything_else_happens_to_the_connection(pair: Pair, what: str) -> None:
    assert pair.writers[1].write(b"x" * 95)
    stream = pair.streams[3]
    assert isinstance(stream, MessageStream)
    match what:
        case "pause":
            pair.connection.pause_writing()
        case "close":
            pair.wire.has_closed = True
            pair.connection.advances.withdraw()
        case "task":
            with pytest.raises(StopIteration):
                stream.send_data(b"y" * 100).send(None)
        case "end":
            stream.let_go()
    assert advance_of(pair, 1) == 0
    assert pair.writers[1].write(b"x") is (what in ("task", "end"))


def test_while_a_task_waits_for_the_window_no_more_is_taken_than_is_written(pair: Pair) -> None:
    """Else it would wait for ever: the peer does not know that its window is shut."""
    waiting = pair.streams[3].send_data(b"y" * 70_000)
    waiting.send(None)
    pair.client.increment_flow_control_window(10_000)
    pair.say()
    assert pair.writers[1].write(b"x" * 95)
    assert advance_of(pair, 1) == 0
    waiting.close()
