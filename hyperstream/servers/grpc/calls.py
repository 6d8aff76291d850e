"""Starting and ending calls: admitted first, charged to their key, given back exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from grpclib.const import Status
from grpclib.protocol import Stream
from grpclib.server import Handler
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from hyperstream.servers.grpc.admission import CONTENT_TYPE, Admission, Refusal
from hyperstream.servers.grpc.compression import GZIP
from hyperstream.servers.grpc.message_stream import MessageStream

ANSWER_SECONDS = 10.0
NOT_GRPC = Refusal(
    Status.INTERNAL,
    "hyperstream serves gRPC here: calls are POST requests over HTTP/2, made by a gRPC client",
    "requests that are not gRPC",
    405,
)


class GuardedHandler(Handler):
    """grpclib's handler of one connection, with a judge in front of it.

    ``on_refusal`` is told each refusal, ``on_end`` whenever a call has ended.
    """

    admission: Admission
    is_compressing = False
    on_refusal: Callable[[Refusal], None]
    on_end: Callable[[], None]

    def accept(
        self, stream: Stream, headers: list[tuple[str, str]], release_stream: Callable[[], Any]
    ) -> None:
        """Start the call, or answer why not."""
        assert isinstance(stream, MessageStream)
        if not stream.closable:
            # Reset by the same read that brought it: no task, no answer.
            release_stream()
            return
        if (":method", "POST") not in headers:
            self._answer_in_words(stream, headers, release_stream)
            return
        verdict = self.admission.judge(headers)
        if isinstance(verdict, Refusal):
            self._refuse(stream, verdict, release_stream)
            return
        usage = verdict.usage
        why = usage.open_stream(self) if usage is not None else ""
        if why:
            refusal = Refusal(Status.RESOURCE_EXHAUSTED, why, "calls beyond a key's limit")
            self._refuse(stream, refusal, release_stream)
            return
        stream.key, stream.usage = verdict.key, usage
        stream.request_encoding = verdict.request_encoding
        if self.is_compressing and verdict.wants_gzip:
            stream.response_encoding = GZIP
        has_ended = False

        def end(*_: Any) -> None:
            nonlocal has_ended
            if has_ended:
                return
            has_ended = True
            release_stream()
            stream.let_go()
            if usage is not None:
                usage.close_stream(self, stream.markets)
            self.on_end()

        super().accept(stream, [_plain_content_type(*header) for header in headers], end)
        # A task that is cancelled before its first step never gets to the ``finally`` that ends the call.
        self._tasks[stream].add_done_callback(end)

    def _answer_in_words(
        self, stream: MessageStream, headers: list[tuple[str, str]], release_stream: Callable[[], Any]
    ) -> None:
        """Tell a browser, or whoever did not send a POST, what is served here."""
        self.on_refusal(NOT_GRPC)
        self.__gc_step__()
        has_body = (":method", "HEAD") not in headers
        task = self.loop.create_task(_send_words(stream, has_body=has_body))
        self._tasks[stream] = task

        def end(*_: Any) -> None:
            release_stream()
            self.on_end()

        task.add_done_callback(end)

    def _refuse(self, stream: MessageStream, refusal: Refusal, release_stream: Callable[[], Any]) -> None:
        self.on_refusal(refusal)
        h2: Any = stream._h2_connection  # noqa: SLF001 - grpclib's own way is a coroutine
        try:
            h2.send_headers(stream.id, refusal.headers(), end_stream=True)
            if stream.closable:
                h2.reset_stream(stream.id, error_code=ErrorCodes.NO_ERROR)
        except ProtocolError:
            pass  # it was reset meanwhile, and wants no answer
        release_stream()

    def cancel(self, stream: Stream) -> None:
        """The peer reset the stream."""
        if stream in self._tasks:
            super().cancel(stream)


async def _send_words(stream: MessageStream, *, has_body: bool) -> None:
    """Send the sentence as the peer's window allows, but not for ever."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await stream.send_headers(
                [
                    (":status", str(NOT_GRPC.http_status)),
                    ("allow", "POST"),
                    ("content-type", "text/plain; charset=utf-8"),
                ],
                end_stream=not has_body,
            )
            if has_body:
                await stream.send_data(NOT_GRPC.sentence.encode() + b"\n", end_stream=True)
        if stream.closable:
            stream.reset_nowait()
    except TimeoutError:
        if stream.closable:
            stream.reset_nowait(ErrorCodes.CANCEL)
    except ProtocolError:
        pass  # the stream or the connection has ended meanwhile


def _plain_content_type(name: str, value: str) -> tuple[str, str]:
    return (name, CONTENT_TYPE) if name == "content-type" else (name, value)
