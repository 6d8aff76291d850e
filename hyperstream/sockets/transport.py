"""One WebSocket: the opening handshake, messages in batches, pings, the goodbye.

This is the one file that knows the insides of trio-websocket and wsproto;
`tests/sockets/test_contract.py` fails when a name it relies on moves.

**Why not `get_message()`.** trio-websocket reads in a task of its own and hands over every message through
a memory channel, which costs a scheduler pass each. A feed gets dozens of messages with one read. So the
connection here is read by its user: `receive_batch` reads once and returns every message that came, and
trio-websocket keeps what it does well: the request, sending under a lock, pings, the closing handshake.

**How frames are read** (RFC 6455, 5.2). A whole, unfragmented, unmasked data frame without reserved bits
is taken straight out of the buffer. Every other frame is handed to wsproto whole, one at a time, so wsproto
always stands between two frames and is the only judge of fragments, control frames and nonsense. Only a
header that cannot be right is handed over unfinished. The text of an unfragmented message is not checked
to be UTF-8: messages are bytes, and their decoder does that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from hyperstream.errors import ConnectFailed
from hyperstream.sockets.failures import FailureKind, retry_after_seconds

READ_BYTES: Final = 64 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
MESSAGE_TOO_BIG: Final = 1009
ABNORMAL: Final = 1006
_SHOWN_BODY_BYTES: Final = 200

_FIN, _RESERVED, _CONTROL, _OPCODE, _MASKED = 0x80, 0x70, 0x08, 0x0F, 0x80
_SIMPLE = frozenset({_FIN | 0x1, _FIN | 0x2})  # a whole text or binary message
_OPCODES = frozenset({0x0, 0x1, 0x2, 0x8, 0x9, 0xA})
_MAX_CONTROL_BYTES = 125


class Transport(WebSocketConnection):
    """A client's end of one WebSocket over any Trio stream.

    ``on_sent`` is called before each frame that goes out after the handshake: answers to pings count
    against a venue's limit too. A write that the peer does not take within ``write_seconds`` ends it.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        host: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        subprotocols: list[str],
        max_message_bytes: int,
        write_seconds: float,
        on_sent: Callable[[], None],
    ) -> None:
        super().__init__(
            stream,
            WSConnection(ConnectionType.CLIENT),
            host=host,
            path=target,
            client_subprotocols=subprotocols,
            client_extra_headers=headers,
            max_message_size=max_message_bytes,
        )
        self.received_bytes = 0
        self._write_seconds = write_seconds
        self._on_sent = on_sent
        self._unread = b""
        self._pieces: list[bytes] = []  # of a frame that did not come with one read
        self._pieces_bytes = 0
        self._needed_bytes = 0
        self._is_fragmented = False
        self._ping_number = 0

    # -- the opening handshake

    async def shake_hands(self) -> None:
        """Request the upgrade and read the answer. Raises `ConnectFailed`."""
        assert self._initial_request is not None
        try:
            await self._stream.send_all(self._wsproto.send(self._initial_request))
            head = await self._read_head()
            self._wsproto.receive_data(head)
            for event in self._wsproto.events():
                if isinstance(event, AcceptConnection):
                    await self._handle_accept_connection_event(event)
                    return
                if isinstance(event, RejectConnection):
                    raise self._rejection(event)
        except (RemoteProtocolError, LocalProtocolError, UnicodeError) as error:
            detail = f"the answer is no handshake: {error}"
            raise ConnectFailed(FailureKind.NOT_WEBSOCKET, detail) from error
        raise ConnectFailed(FailureKind.NOT_WEBSOCKET, "the answer neither accepts nor rejects")

    async def _read_head(self) -> bytes:
        """Return the answer's head; what follows it is kept, or else wsproto would begin inside a frame."""
        received = b""
        while True:
            data = bytes(await self._stream.receive_some(READ_BYTES))
            if not data:
                detail = f"the peer closed after {len(received)} bytes, before it answered the handshake"
                raise ConnectFailed(FailureKind.CLOSED, detail)
            received += data
            head, end, rest = received.partition(b"\r\n\r\n")
            if end:
                self._unread = rest
                return head + end
            if not received.startswith(b"HTTP/"[: len(received)]):
                raise ConnectFailed(FailureKind.NOT_WEBSOCKET, f"the peer says {received[:40]!r}, not HTTP")
            if len(received) > MAX_HEAD_BYTES:
                detail = f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes"
                raise ConnectFailed(FailureKind.NOT_WEBSOCKET, detail)

    def _rejection(self, event: RejectConnection) -> ConnectFailed:
        headers = {bytes(name).lower(): bytes(value).decode("latin-1") for name, value in event.headers}
        body = b""
        if event.has_body:
            self._wsproto.receive_data(self._unread)
            body = b"".join(more.data for more in self._wsproto.events() if isinstance(more, RejectData))
        shown = body[:_SHOWN_BODY_BYTES].decode(errors="replace").strip()
        content = headers.get(b"content-type", "no content type")
        return ConnectFailed(
            FailureKind.RATE_LIMITED if event.status_code == 429 else FailureKind.REJECTED,
            f"HTTP {event.status_code} ({content}) instead of a handshake"
            + (f": {shown!r}" if shown else ""),
            status=event.status_code,
            retry_after_seconds=retry_after_seconds(headers.get(b"retry-after", "")),
        )

    # -- receiving

    async def receive_batch(self) -> list[bytes]:
        """Return every whole message that one read brings, in order, at least one.

        Answers pings meanwhile. Raises `trio_websocket.ConnectionClosed` when there will be none.
        """
        messages: list[bytes] = []
        while not messages:
            if not self._reader_running:
                raise ConnectionClosed(self._close_reason)
            data, self._unread = self._unread or await self._read(), b""
            if self._pieces:
                self._pieces.append(data)
                self._pieces_bytes += len(data)
                if self._pieces_bytes < self._needed_bytes:
                    continue
                data = b"".join(self._pieces)
                self._pieces.clear()
            await self._split(data, messages)
        return messages

    async def _read(self) -> bytes:
        try:
            data = bytes(await self._stream.receive_some(READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            await self._abort_web_socket()
            raise ConnectionClosed(self._close_reason)
        self.received_bytes += len(data)
        return data

    async def _split(self, data: bytes, messages: list[bytes]) -> None:
        """Take the whole frames out of ``data``, append their messages, keep what is not whole.

        What was said before a ping, a goodbye or an error is handed over first: answering these waits, and
        whoever waits may be cancelled.
        """
        position, end = 0, len(data)
        while end - position >= 2:
            first, length, payload = data[position], data[position + 1], position + 2
            is_wrong = self._is_wrong(first, length)
            if messages and (is_wrong or first & _CONTROL):
                self._unread = data[position:]
                return
            if is_wrong:
                await self._consult(data[position:], messages)
                return
            if length >= 126:
                payload += 2 if length == 126 else 8
                if payload > end:
                    break
                length = int.from_bytes(data[position + 2 : payload])
            if length > self._max_message_size:
                if messages:
                    self._unread = data[position:]
                else:
                    await self._refuse(MESSAGE_TOO_BIG, f"a frame of {length} bytes")
                return
            if payload + length > end:
                self._keep(data[position:], payload + length - position)
                return
            if first in _SIMPLE and not self._is_fragmented:
                messages.append(data[payload : payload + length])
            else:
                await self._consult(data[position : payload + length], messages)
                if not self._reader_running:
                    return
            position = payload + length
        if position < end:
            self._keep(data[position:], end - position + 1)

    @staticmethod
    def _is_wrong(first: int, length: int) -> bool:
        """Whether a frame's first two bytes break RFC 6455 whatever follows."""
        if first in _SIMPLE:
            return length >= _MASKED
        is_odd = length >= _MASKED or first & _RESERVED or first & _OPCODE not in _OPCODES
        return bool(is_odd or (first & _CONTROL and (length > _MAX_CONTROL_BYTES or not first & _FIN)))

    def _keep(self, rest: bytes, needed_bytes: int) -> None:
        self._pieces.append(rest)
        self._pieces_bytes = len(rest)
        self._needed_bytes = needed_bytes

    async def _consult(self, frame: bytes, messages: list[bytes]) -> None:
        """Let wsproto judge a frame: fragments, pings, pongs, goodbyes, errors."""
        if not frame[0] & _CONTROL:
            self._is_fragmented = not frame[0] & _FIN
        try:
            self._wsproto.receive_data(frame)
            events = list(self._wsproto.events())
        except (LocalProtocolError, RemoteProtocolError) as error:  # a frame after the goodbye
            await self._refuse(1002, str(error))
            return
        for event in events:
            try:
                await self._obey(event, messages)
            except ConnectionClosed:
                self._reader_running = False
                return

    async def _obey(self, event: Event, messages: list[bytes]) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            part = event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
            self._message_size += len(part)
            self._message_parts.append(part)
            if self._message_size > self._max_message_size:
                await self._refuse(MESSAGE_TOO_BIG, f"a message of more than {self._max_message_size} bytes")
            elif event.message_finished:
                messages.append(b"".join(bytes(part) for part in self._message_parts))  # type: ignore[arg-type]
                self._message_parts.clear()
                self._message_size = 0
        elif isinstance(event, Ping):
            await self._handle_ping_event(event)
        elif isinstance(event, Pong):
            await self._handle_pong_event(event)
        elif isinstance(event, CloseConnection):
            if self._wsproto.state is ConnectionState.OPEN:  # not the peer's goodbye: wsproto's verdict
                await self._refuse(int(event.code), event.reason or "protocol error")
                return
            await self._handle_close_connection_event(event)
            self._reader_running = False

    async def _refuse(self, code: int, reason: str) -> None:
        """Hang up on a peer that breaks the protocol, telling it why."""
        self._message_parts.clear()
        self._reader_running = False
        if self._close_reason is None:
            self._close_reason = CloseReason(code, f"refused here: {reason}")
        if self._wsproto.state is ConnectionState.OPEN:
            await self._send(CloseConnection(code=code, reason=reason))
        self._close_handshake.set()

    # -- sending

    async def _send(self, event: Event) -> None:
        """Write a frame; a peer that does not take it in time is given up, for the frame is torn."""
        self._on_sent()
        with trio.move_on_after(self._write_seconds) as scope:
            try:
                await super()._send(event)
            except LocalProtocolError as error:
                raise ConnectionClosed(self._close_reason) from error
        if scope.cancelled_caught:
            self._close_reason = CloseReason(ABNORMAL, f"the peer took nothing for {self._write_seconds} s")
            await self._abort_web_socket()
            await trio.aclose_forcefully(self._stream)
            raise ConnectionClosed(self._close_reason)

    async def send_ping(self) -> trio.Event:
        """Send a ping; return what is set when its pong comes. Waiting for it may be cut short safely."""
        if self._close_reason is not None:
            raise ConnectionClosed(self._close_reason)
        self._ping_number += 1
        payload = b"%d" % self._ping_number
        self._pings[payload] = answered = trio.Event()
        await self._send(Ping(payload=payload))
        return answered

    def drop(self) -> None:
        """Forget messages that are still kept: nobody will read this connection again."""
        self._reader_running = False
        self._pieces.clear()
        self._message_parts.clear()
        self._pings.clear()

    @property
    def stream(self) -> trio.abc.Stream:
        """The stream underneath, to be closed at once where a goodbye makes no sense."""
        return self._stream
