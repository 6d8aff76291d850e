"""One subscription of a client: an asyncio task that receives, a Trio task that consumes.

The receiving task appends whole messages to a deque and sets a ``trio.Event``; the consumer
takes everything that lies there in one go. Both sides live in one thread and only make plain
calls across the border, so a crossing costs one wake-up per batch, however many messages it
holds. ``OUTBOX_MESSAGES`` bounds the deque: when it is full the receiver stops reading, the
HTTP/2 window closes, and the server's delivery contract decides what happens then.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, Protocol, TypeVar, cast

import trio
from attrs import define, field
from google.protobuf.message import DecodeError, Message
from grpclib.client import Stream
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from hyperstream.errors import FormatError, RpcError, ServerUnavailable
from hyperstream.servers.grpc.client_channel import end_requests

OUTBOX_MESSAGES = 256
CLOSE_SECONDS = 2.0

Event = TypeVar("Event")
Event_co = TypeVar("Event_co", covariant=True)
Ask = Callable[["Stream[Any, Any]"], Awaitable[None]]


class _Response(Protocol[Event_co]):
    """Every streamed response holds ``repeated … events``."""

    @property
    def events(self) -> Iterator[Event_co]: ...


@define(eq=False)
class EventStream(Generic[Event]):
    """The events of a subscription, in order, as an async iterator or batch by batch.

    The iterator ends when the server ended the stream with OK; it raises what went wrong
    otherwise, after every event that arrived before.
    """

    _messages: deque[_Response[Event]] = field(factory=deque)
    _events: deque[Event] = field(factory=deque)
    _arrived: trio.Event = field(factory=trio.Event)
    _has_room: asyncio.Event = field(factory=asyncio.Event)
    _is_ended: bool = False
    _failure: Exception | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        try:
            await self._wait_events()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        return self._events.popleft()

    async def receive_batch(self) -> list[Event]:
        """Return all events that have arrived, waiting for at least one.

        Raises trio.EndOfChannel when the server has ended the stream with OK.
        """
        await self._wait_events()
        batch = list(self._events)
        self._events.clear()
        return batch

    async def _wait_events(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self._events:
            while self._messages:
                self._events.extend(self._messages.popleft().events)
            self._has_room.set()
            if self._events:
                return
            if self._is_ended:
                if self._failure is not None:
                    raise self._failure
                raise trio.EndOfChannel
            self._arrived = trio.Event()
            await self._arrived.wait()

    async def receive_from(self, target: str, call: "Stream[Any, Any]", ask: "Ask") -> None:
        """Carry messages from the call to the deque until it ends; an asyncio task of ``open_stream``."""
        try:
            with rpc_errors(target):
                async with call as stream:
                    await ask(stream)
                    while (message := await stream.recv_message()) is not None:
                        self._messages.append(cast("_Response[Event]", message))
                        self._arrived.set()
                        while len(self._messages) >= OUTBOX_MESSAGES:
                            self._has_room.clear()
                            await self._has_room.wait()
                    await end_requests(stream)
        except Exception as error:
            self._failure = error
        finally:
            self._is_ended = True
            self._arrived.set()


@define(eq=False)
class Dialogue(EventStream[Event]):
    """A stream of events that is told what to send while it is listened to."""

    _requests: asyncio.Queue[Message | None] = field(factory=asyncio.Queue)

    def request(self, message: Message) -> None:
        """Send a request, behind those before it. The answer is one of the events."""
        self._requests.put_nowait(message)

    def end_requests(self) -> None:
        """Have nothing more to ask; the events go on."""
        self._requests.put_nowait(None)

    async def send_requests(self, stream: "Stream[Any, Any]") -> None:
        """Carry requests to the call; an asyncio task of ``open_dialogue``."""
        while (message := await self._requests.get()) is not None:
            await stream.send_message(message)
        await stream.end()


@asynccontextmanager
async def open_stream(
    target: str, call: "Stream[Any, Any]", request: Message
) -> AsyncIterator[EventStream[Any]]:
    """Send the request and yield its events; the call is cancelled at the end of the block."""

    async def ask(stream: "Stream[Any, Any]") -> None:
        await stream.send_message(request, end=True)

    events: EventStream[Any] = EventStream()
    async with _receiving(events, target, call, ask):
        yield events


@asynccontextmanager
async def open_dialogue(target: str, call: "Stream[Any, Any]") -> AsyncIterator[Dialogue[Any]]:
    """Yield the events of a call that is told what to send; it is cancelled at the end of the block."""
    dialogue: Dialogue[Any] = Dialogue()
    senders: list[asyncio.Task[None]] = []

    async def ask(stream: "Stream[Any, Any]") -> None:
        await stream.send_request()
        sender = asyncio.create_task(dialogue.send_requests(stream))
        # When it fails the call has ended, and the receiving task says why.
        sender.add_done_callback(lambda task: task.cancelled() or task.exception())
        senders.append(sender)

    async with _receiving(dialogue, target, call, ask):
        try:
            yield dialogue
        finally:
            for sender in senders:
                sender.cancel()


@asynccontextmanager
async def _receiving(
    events: EventStream[Any], target: str, call: "Stream[Any, Any]", ask: Ask
) -> AsyncIterator[None]:
    finished = trio.Event()
    task = asyncio.get_running_loop().create_task(events.receive_from(target, call, ask))
    task.add_done_callback(lambda _: finished.set())
    try:
        yield
    finally:
        task.cancel()
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await finished.wait()


@contextmanager
def rpc_errors(target: str) -> Iterator[None]:
    """Map what grpclib, h2 and sockets raise to the errors of hyperstream."""
    try:
        yield
    except GRPCError as error:
        message = error.message or "the server gave no reason"
        raise RpcError(error.status.name, message) from error
    except (TimeoutError, trio.TooSlowError) as error:
        raise ServerUnavailable(f"{target} did not answer in time; is it a hyperstream server?") from error
    except OSError as error:
        # asyncio's own text is "Connect call failed ('127.0.0.1', 50051)".
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        raise ServerUnavailable(
            f"no server at {target} ({reason}); start one with: hyperstream run"
        ) from error
    except StreamTerminatedError as error:
        raise ServerUnavailable(f"{target} ended the call without a status: {error}") from error
    except DecodeError as error:
        raise FormatError(f"{target} sent bytes that are not the message announced: {error}") from error
    except (ProtocolError, AssertionError, NotImplementedError) as error:
        # grpclib meets broken framing, cut messages and compression with these.
        raise FormatError(f"{target} does not speak gRPC as expected: {error!r}") from error
