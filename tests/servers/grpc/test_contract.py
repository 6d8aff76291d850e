"""What servers/grpc relies on inside grpclib and h2. A new version that moves any of it fails here."""

from __future__ import annotations

import asyncio.selector_events
import asyncio.sslproto
import inspect
from importlib.metadata import version

import pytest
from grpclib import protocol, server
from grpclib.config import Configuration
from grpclib.stream import recv_message
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.frame_buffer import FrameBuffer

from hyperstream.servers.grpc import connection

PINNED = {"grpclib": "0.4.9", "h2": "4.4.1"}


@pytest.mark.parametrize(("name", "expected"), PINNED.items())
def test_the_versions_are_those_that_were_studied(name: str, expected: str) -> None:
    assert version(name) == expected, (
        f"read servers/grpc against {name} {version(name)} before moving the pin"
    )


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (server.Server, ["_protocol_factory", "__gc_step__", "start", "close"]),
        (server.Stream, ["recv_message", "send_message", "send_initial_metadata", "send_trailing_metadata"]),
        (protocol.H2Protocol, ["connection_made", "data_received", "connection_lost"]),
        (protocol.Connection, ["create_stream", "feed", "flush", "ack", "pause_writing", "close"]),
        (protocol.Stream, ["recv_data", "send_data", "reset_nowait"]),
        (protocol.EventsProcessor, ["process", "close", "register"]),
    ],
)
def test_the_methods_we_override_or_call_exist(owner: type, names: list[str]) -> None:
    missing = [name for name in names if not hasattr(owner, name)]
    assert not missing, f"grpclib's {owner.__name__} lost {missing}: servers/grpc has to change"


def test_the_attributes_we_read_are_set_where_we_expect_them() -> None:
    factory = inspect.getsource(server.Server._protocol_factory)
    for name in (
        "self._mapping",
        "self._codec",
        "self._status_details_codec",
        "self.__dispatch__",
        "self._handlers",
        "self._config",
        "self._h2_config",
    ):
        assert name in factory, (
            f"grpclib's Server no longer uses {name}: GuardedServer._protocol_factory has to change"
        )
    assert "self._server" in inspect.getsource(server.Server.start)
    assert "self.processors" in inspect.getsource(protocol.EventsProcessor.__init__)
    assert "self.streams" in inspect.getsource(protocol.EventsProcessor.__init__)
    sending = inspect.getsource(protocol.Stream.send_data)
    assert "self.data_sent +=" in sending
    assert "local_flow_control_window(self.id)" in sending, "what was taken in advance is withdrawn for that"
    assert "self.connection.close()" in inspect.getsource(protocol.EventsProcessor.close)
    assert "_stream" in inspect.getsource(server.Stream.__init__)


def test_an_unknown_event_still_reaches_the_processors_dictionary() -> None:
    source = inspect.getsource(protocol.EventsProcessor.process)
    assert "self.processors[event.__class__]" in source, (
        "unknown frames would be raised again: see connection.py"
    )


def test_streams_are_made_by_the_connection() -> None:
    assert "self.connection.create_stream(" in inspect.getsource(
        protocol.EventsProcessor.process_request_received
    )
    signature = inspect.signature(protocol.Connection.create_stream)
    assert list(signature.parameters) == list(
        inspect.signature(connection.GuardedConnection.create_stream).parameters
    )


def test_a_guarded_connection_is_made_like_a_connection() -> None:
    h2 = H2Connection(H2Configuration(client_side=False))
    made = protocol.Connection.__init__
    assert "__slots__" not in vars(protocol.Connection)
    assert list(inspect.signature(made).parameters) == ["self", "connection", "transport", "config"]
    assert Configuration().__for_server__() is not None
    assert h2.max_outbound_frame_size == 16384


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            H2Connection,
            [
                "_receive_frame",
                "_receive_headers_frame",
                "_receive_window_update_frame",
                "_receive_unknown_frame",
                "_receive_goaway_frame",
                "_prepare_for_sending",
                "clear_outbound_data_buffer",
                "open_inbound_streams",
            ],
        ),
        (FrameBuffer, ["_update_header_buffer"]),
        (protocol.Buffer, ["add", "read", "eof", "unacked_size"]),
        (protocol.Stream, ["init_stream", "send_headers", "send_data", "closable"]),
        (protocol.Connection, ["flush", "is_closing", "pause_writing", "resume_writing"]),
        (server.Handler, ["accept", "cancel", "close"]),
        (asyncio.sslproto.SSLProtocol, ["connection_lost"]),
    ],
)
def test_the_methods_the_limits_hang_on_exist(owner: type, names: list[str]) -> None:
    missing = [name for name in names if name not in vars(owner)]
    assert not missing, f"{owner.__name__} lost {missing}: read http2.py, message_stream.py, calls.py, tls.py"


def test_h2_still_handles_frames_by_the_methods_we_override() -> None:
    table = inspect.getsource(H2Connection.__init__)
    for name in (
        "HeadersFrame: self._receive_headers_frame",
        "GoAwayFrame: self._receive_goaway_frame",
        "ExtensionFrame: self._receive_unknown_frame",
        "self._data_to_send",
        "self._closed_streams",
        "self.incoming_buffer",
        "self.local_settings",
        "self.decoder",
    ):
        assert name in table, f"h2's connection no longer has {name}: read servers/grpc/http2.py"
    assert "_frame_dispatch_table[frame.__class__](frame)" in inspect.getsource(H2Connection._receive_frame)
    buffer = inspect.getsource(FrameBuffer.__init__)
    assert all(name in buffer for name in ("self._data", "self._headers_buffer", "self._preamble_len"))


def test_h2_still_ends_a_connection_with_the_code_of_the_error() -> None:
    assert "self._terminate_connection(e.error_code)" in inspect.getsource(H2Connection.receive_data)


def test_handlers_start_their_task_where_we_look_for_it() -> None:
    assert "self._tasks[stream] = self.loop.create_task(" in inspect.getsource(server.Handler.accept)
    assert "self._tasks.pop(stream)" in inspect.getsource(server.Handler.cancel)


def test_a_message_is_read_as_a_prefix_and_then_its_body() -> None:
    """gzip is taken off between the two."""
    source = inspect.getsource(recv_message)
    assert source.index("stream.recv_data(5)") < source.index("stream.recv_data(message_len)")


def test_the_read_size_of_a_connection_can_be_set() -> None:
    assert "self._sock.recv(self.max_size)" in inspect.getsource(asyncio.selector_events)
    assert "bytearray(self.max_size)" in inspect.getsource(asyncio.sslproto.SSLProtocol)
