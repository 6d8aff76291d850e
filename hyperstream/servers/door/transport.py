"""One socket, written without waiting: what the kernel does not take at once is kept and sent by ``flush``.

The publisher writes to a peer that keeps up in its own call, so ``send`` never waits and never raises: a
connection that is broken shows itself to whoever reads from it. Trio's own streams cannot be
written to without waiting, and its TLS least of all; so TLS is done here in memory (``ssl.MemoryBIO``), and
what it makes of a message goes the same way as plain bytes.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import trio

from hyperstream.servers.door.turnstile import Turnstile

READ_BYTES = 16_384
# What a peer that reads nothing can make the kernel hold: enough for a slow line, not for old prices.
SEND_BUFFER_BYTES = 131_072
# Of what a peer still sends when we have ended: what may be under way at that moment.
FAREWELL_BYTES = 262_144


class Transport:
    """A plain socket. Owns it from the start; ``close`` may be called any number of times.

    What peers send, and that they hang up, is heard of a few peers at a time, as ``turnstile`` lets them.
    ``address`` is the peer's, for what is said of it.
    """

    __slots__ = ("_socket", "_turnstile", "_unsent", "address", "bytes_sent", "is_broken")

    def __init__(self, peer: socket.socket, turnstile: Turnstile, address: str = "") -> None:
        self.address = address
        self._socket = peer
        self._turnstile = turnstile
        self._unsent = bytearray()
        self.bytes_sent = 0
        self.is_broken = False
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    @property
    def has_unsent(self) -> bool:
        """Whether the kernel took less than it was given; ``flush`` waits for the rest."""
        return bool(self._unsent)

    def send(self, data: bytes) -> bool:
        """Send now what can be sent now, behind what is unsent; returns whether nothing is left to flush."""
        if self._unsent:
            self._unsent += data
            return False
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.is_broken = True
            return True
        self.bytes_sent += sent
        if sent == len(data):
            return True
        self._unsent += data[sent:]
        return False

    async def flush(self) -> None:
        """Wait until everything has been sent. Raises BrokenResourceError if that cannot be."""
        while self._unsent and not self.is_broken:
            try:
                await trio.lowlevel.wait_writable(self._socket)
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as exc:
                self.is_broken = True
                raise trio.BrokenResourceError("the peer is gone") from exc
            self.bytes_sent += sent
            del self._unsent[:sent]
        if self.is_broken:
            raise trio.BrokenResourceError("the peer is gone")

    async def handshake(self) -> None:
        """Do what comes before the first byte: nothing."""

    async def receive(self) -> bytes:
        """Wait for bytes; returns none when the peer has ended its side. Raises BrokenResourceError."""
        return await self._receive_raw()

    async def _receive_raw(self) -> bytes:
        while True:
            # Also when bytes are there already: a peer that never stops sending must not hold up the rest.
            await trio.lowlevel.wait_readable(self._socket)
            await self._turnstile.wait_turn()
            try:
                return self._socket.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as exc:
                self.is_broken = True
                raise trio.BrokenResourceError("the peer is gone") from exc

    async def give_way(self) -> None:
        """Let everybody else go on, and then other peers whose turn it is."""
        await trio.lowlevel.checkpoint()
        await self._turnstile.wait_turn()

    async def hear_out(self) -> None:
        """Tell the peer that nothing follows, and wait until it hangs up, or has sent too much for that.

        A socket that is closed on bytes it has not read resets the connection, and what was sent last is
        lost with it: so the peer's are read, but not for as long as it likes. Raises BrokenResourceError.
        """
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        patience = FAREWELL_BYTES
        while patience > 0 and (data := await self._receive_raw()):
            patience -= len(data)

    def close(self) -> None:
        """Close the socket at once; what is unsent is lost."""
        self.is_broken = True
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class TlsTransport(Transport):
    """TLS over a socket: records are made and opened in memory."""

    __slots__ = ("_received", "_sealed", "_tls")

    def __init__(
        self, peer: socket.socket, turnstile: Turnstile, context: ssl.SSLContext, address: str = ""
    ) -> None:
        super().__init__(peer, turnstile, address)
        self._received = ssl.MemoryBIO()
        self._sealed = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sealed, server_side=True)

    def send(self, data: bytes) -> bool:
        """Seal and send."""
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.is_broken = True
            return True
        return self._send_sealed()

    def _send_sealed(self) -> bool:
        return super().send(self._sealed.read()) if self._sealed.pending else not self.has_unsent

    async def handshake(self) -> None:
        """Wait for the TLS handshake. Raises BrokenResourceError if it fails."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_sealed()
                await self._receive_sealed()
                continue
            except ssl.SSLError as exc:
                self._send_sealed()  # the alert that tells the peer why
                raise trio.BrokenResourceError(f"TLS handshake failed: {exc.reason or exc}") from exc
            self._send_sealed()
            return

    async def receive(self) -> bytes:
        """Wait for bytes and open them."""
        while True:
            try:
                data = self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                self._send_sealed()
                if not await self._receive_sealed():
                    return b""
                continue
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as exc:
                self.is_broken = True
                raise trio.BrokenResourceError(f"TLS was broken: {exc.reason or exc}") from exc
            await trio.lowlevel.checkpoint()
            return data

    async def _receive_sealed(self) -> bool:
        data = await self._receive_raw()
        if data:
            self._received.write(data)
        else:
            self._received.write_eof()
        return bool(data)
