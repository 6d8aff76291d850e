"""What sockets/transport.py relies on inside trio-websocket and wsproto; what moves fails here."""

from __future__ import annotations

import inspect
import re

import pytest
import trio
import trio.testing
import trio_websocket
import wsproto
from trio_websocket import WebSocketConnection
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection

from hyperstream.sockets import transport

from .frames import TEXT, frame

SOURCE = inspect.getsource(WebSocketConnection)
SET_BY_INIT = inspect.getsource(WebSocketConnection.__init__)


@pytest.mark.parametrize(
    "name",
    [
        "_abort_web_socket",
        "_handle_accept_connection_event",
        "_handle_close_connection_event",
        "_handle_ping_event",
        "_handle_pong_event",
        "_send",
        "aclose",
        "send_message",
    ],
)
def test_the_methods_we_call_or_override_exist_and_wait(name: str) -> None:
    method = getattr(WebSocketConnection, name, None)
    assert inspect.iscoroutinefunction(method), (
        f"trio-websocket's WebSocketConnection.{name} is gone or does not wait: sockets/transport.py has "
        "to change"
    )


@pytest.mark.parametrize(
    "name",
    [
        "_close_handshake",
        "_close_reason",
        "_initial_request",
        "_max_message_size",
        "_message_parts",
        "_message_size",
        "_pings",
        "_reader_running",
        "_stream",
        "_wsproto",
    ],
)
def test_the_attributes_we_use_are_set_where_we_expect_them(name: str) -> None:
    assert re.search(rf"self\.{name}\b[^=\n]*=", SET_BY_INIT), (
        f"trio-websocket no longer sets {name}: sockets/transport.py has to change"
    )


def test_every_private_name_that_is_used_is_on_these_lists() -> None:
    own = {"_write_seconds", "_on_sent", "_unread", "_pieces", "_pieces_bytes", "_needed_bytes"}
    own |= {"_is_fragmented", "_ping_number", "_read_head", "_rejection", "_read", "_split", "_is_wrong"}
    own |= {"_keep", "_consult", "_obey", "_refuse"}
    used = set(re.findall(r"(?:self|super\(\))\.(_[a-z]\w*)", inspect.getsource(transport))) - own
    listed = {
        mark.args[1][index]
        for test in (
            test_the_methods_we_call_or_override_exist_and_wait,
            test_the_attributes_we_use_are_set_where_we_expect_them,
        )
        for mark in test.pytestmark  # type: ignore[attr-defined]
        for index in range(len(mark.args[1]))
    }
    assert used <= listed, f"not checked here: {sorted(used - listed)}"


def test_closing_waits_for_the_event_that_our_reader_sets() -> None:
    closing = inspect.getsource(WebSocketConnection._aclose)
    assert "await self._close_handshake.wait()" in closing, (
        "trio-websocket closes in another way: Transport has to tell it when the peer said goodbye"
    )
    assert "self._close_handshake.set()" in inspect.getsource(
        WebSocketConnection._handle_close_connection_event
    )


def test_sending_is_done_under_a_lock_in_the_order_of_the_calls() -> None:
    sending = inspect.getsource(WebSocketConnection._send)
    assert "data = self._wsproto.send(event)\n        async with self._stream_lock:" in sending, (
        "trio-websocket's _send has changed: check that frames cannot overtake each other"
    )


async def test_the_library_reads_nothing_unless_it_is_told_to() -> None:
    near, far = trio.testing.memory_stream_pair()
    WebSocketConnection(near, wsproto.WSConnection(wsproto.ConnectionType.CLIENT), host="h", path="/")
    await far.send_all(b"unread")
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(await near.receive_some()) == b"unread", "a connection must not start a reader by itself"


def test_wsproto_tells_its_verdict_as_a_close_in_the_open_state() -> None:
    connection = Connection(ConnectionType.CLIENT)
    connection.receive_data(frame(TEXT, b"masked", masked=True))
    (event,) = connection.events()
    assert isinstance(event, CloseConnection)
    assert connection.state is ConnectionState.OPEN, (
        "wsproto no longer stays OPEN after a protocol error: Transport._obey tells goodbyes apart by that"
    )


def test_the_names_we_import_are_public() -> None:
    assert {"CloseReason", "ConnectionClosed", "WebSocketConnection"} <= set(dir(trio_websocket))
