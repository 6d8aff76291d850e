"""An echo on the gateway's own accept loop and sessions, for suites that test a WebSocket server.

python -m tests.servers.websocket.echo_server --port 9001

Serves ws://127.0.0.1:PORT/ws until it is stopped. Limits are raised to what the Autobahn test suite sends
(docs/decisions/0005-websocket-server.md says how it is run).
"""

from __future__ import annotations

import click
import trio
from attrs import define

from hyperstream.config import ListenAddress, WebSocketSettings
from hyperstream.hub.hub import Hub
from hyperstream.servers.websocket.inbox import InboxLimits
from hyperstream.servers.websocket.server import WebSocketServer
from hyperstream.servers.websocket.session import Dialect, Session, SessionLimits
from hyperstream.wire.json.frames import DeflatedFrames, Seal, text_frame

MAX_MESSAGE_BYTES = 17 << 20
MAX_FRAGMENTS = 100_000
_OPCODE_BITS, _BINARY = 0x0F, 0x2


@define(eq=False)
class Echo:
    """Says back what it hears: text as text, bytes as bytes, compressed if that was negotiated."""

    session: Session
    seal: Seal

    def receive(self, message: str | bytes) -> None:
        """The peer sent a message."""
        if isinstance(message, str):
            self.session.send(self.seal(message.encode()))
            return
        # The gateway itself only ever sends text: a binary message is the same frame with another opcode.
        whole = bytearray(self.seal(message))
        whole[0] = whole[0] & ~_OPCODE_BITS | _BINARY
        self.session.send(bytes(whole))

    def close(self) -> None:
        """Nothing is held."""


class EchoContent:
    """A gateway's content that only echoes."""

    is_ready = True

    async def run(self) -> None:
        """Nothing is told by the clock."""
        await trio.sleep_forever()

    def answer_info(self, body: bytes) -> bytes:
        """Info requests are echoed too."""
        return body

    def open_dialect(self, session: Session, window_bits: int) -> Dialect:
        """An echo, compressing as the gateway does."""
        return Echo(session, DeflatedFrames(1, 0, window_bits) if window_bits else text_frame)


def echo_server(port: int = 0) -> WebSocketServer:
    """A server on 127.0.0.1 that echoes messages of up to 17 MiB."""
    settings = WebSocketSettings(listen=ListenAddress("127.0.0.1", port))
    server = WebSocketServer(settings, Hub(1), EchoContent())
    server.limits = SessionLimits(InboxLimits(MAX_MESSAGE_BYTES, MAX_FRAGMENTS))
    return server


@click.command()
@click.option("--port", type=int, default=9001, show_default=True)
def main(port: int) -> None:
    """Echo until stopped."""
    trio.run(echo_server(port).run)


if __name__ == "__main__":
    main()
