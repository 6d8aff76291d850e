"""One call's stream of bytes: messages bounded before they are buffered, gzip both ways, shaped."""

from __future__ import annotations

import asyncio
from functools import partial
from struct import Struct
from typing import Any

from grpclib import server
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.protocol import Connection, Stream

from hyperstream.servers.door.keys import ApiKey
from hyperstream.servers.door.usage import Usage
from hyperstream.servers.grpc.compression import GZIP, WORTH_BYTES, TooLongError, deflate, inflate
from hyperstream.servers.grpc.inbound import MessageBuffer

_PREFIX = Struct(">?I")
_Headers = list[tuple[str, str]]


class MessageStream(Stream):
    """A stream that refuses what is too long, and understands gzip.

    grpclib reads a message as five bytes, flag and length, and then that many. A compressed message is
    inflated when its five bytes are asked for, and handed on as if it had never been compressed.
    """

    max_message_bytes = 4_194_304
    request_encoding = "identity"
    response_encoding = "identity"
    key: ApiKey | None = None
    usage: Usage | None = None
    markets = 0
    _received: MessageBuffer
    _error: GRPCError | None = None
    _is_inside = False
    _inflated: bytes | None = None
    _has_sent_headers = False

    def init_stream(self, stream_id: int, connection: Connection) -> None:
        """Take the stream's number."""
        super().init_stream(stream_id, connection)
        house: Any = connection
        acknowledge = partial(connection.ack, stream_id)
        self.buffer = self._received = MessageBuffer(acknowledge, house.inbound, self.end_call)

    def end_call(self, error: GRPCError) -> None:
        """End the call with this status, wherever its handler is."""
        self._error = error
        if self.wrapper is not None:
            self.wrapper.cancel(error)

    def let_go(self) -> None:
        """The call has ended: nothing is kept for it."""
        house: Any = self.connection
        house.advances.withdraw()
        self._received.end()

    @property
    def is_shaped(self) -> bool:
        """Whether messages must pass through ``send_data``: to be compressed, or to keep to a rate."""
        return self.response_encoding == GZIP or (self.usage is not None and self.usage.has_rate)

    async def recv_data(self, size: int) -> bytes:
        """A part of a message: its prefix, then its body."""
        if self._error is not None:
            raise self._error
        if self._is_inside:
            self._is_inside = False
            if self._inflated is not None:
                body, self._inflated = self._inflated, None
                return body
            return await self._read(size)
        prefix = await self._read(size)
        if not prefix:
            return prefix
        is_compressed, length = _PREFIX.unpack(prefix)
        if length > self.max_message_bytes:
            self._count("messages too long")
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED, f"a request may have {self.max_message_bytes} bytes, not {length}"
            )
        if is_compressed:
            self._inflated = await self._inflate(length)
            length = len(self._inflated)
        self._is_inside = True
        return _PREFIX.pack(False, length)

    async def _inflate(self, length: int) -> bytes:
        if self.request_encoding != GZIP:
            raise GRPCError(Status.INTERNAL, "a message is marked as compressed without a grpc-encoding")
        data = await self._read(length)
        try:
            return inflate(data, self.max_message_bytes)
        except TooLongError as exc:
            self._count("messages too long")
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"a request is {exc}") from exc
        except ValueError as exc:
            raise GRPCError(Status.INTERNAL, f"a message cannot be inflated: {exc}") from exc

    async def _read(self, size: int) -> bytes:
        try:
            return await super().recv_data(size)
        except AssertionError as exc:  # the stream ended inside a message
            raise GRPCError(Status.INVALID_ARGUMENT, "the request ends in the middle of a message") from exc

    def _count(self, cause: str) -> None:
        counts: Any = self._h2_connection
        counts.counts[cause] += 1

    async def send_headers(self, headers: _Headers, end_stream: bool = False) -> None:
        """Headers or trailers; the first ones say how messages are compressed."""
        if not self._has_sent_headers:
            self._has_sent_headers = True
            if not end_stream and self.response_encoding == GZIP:
                headers = [*headers, ("grpc-encoding", GZIP)]
        await super().send_headers(headers, end_stream=end_stream)

    async def send_data(self, data: bytes, end_stream: bool = False) -> None:
        """A message with its prefix: compressed where that was agreed, and not faster than its key may."""
        if self.response_encoding == GZIP and len(data) > WORTH_BYTES:
            body = deflate(data[_PREFIX.size :])
            data = _PREFIX.pack(True, len(body)) + body
        if self.usage is not None:
            wait_seconds = self.usage.send(asyncio.get_running_loop().time(), len(data))
            if wait_seconds:
                await asyncio.sleep(wait_seconds)
        house: Any = self.connection
        house.advances.withdraw()
        house.advances.senders += 1
        try:
            await super().send_data(data, end_stream=end_stream)
        finally:
            house.advances.senders -= 1


def charge_markets(call: server.Stream[Any, Any], count: int) -> None:
    """Charge markets to a call's key until the call ends; raises GRPCError if they are too many."""
    stream = call._stream  # noqa: SLF001 - grpclib gives handlers no other way to their connection
    if not isinstance(stream, MessageStream) or stream.usage is None:
        return
    why = stream.usage.open_markets(count)
    if why:
        raise GRPCError(Status.RESOURCE_EXHAUSTED, why)
    stream.markets += count


def charge_series(call: server.Stream[Any, Any], count: int) -> str:
    """Charge series to a call's key, or give them back if negative; returns why they are too many, if so."""
    stream = call._stream  # noqa: SLF001
    if not isinstance(stream, MessageStream) or stream.usage is None:
        return ""
    if count < 0:
        stream.usage.close_markets(-count)
    elif why := stream.usage.open_markets(count):
        return why
    stream.markets += count
    return ""
