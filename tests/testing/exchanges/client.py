"""A foreign client for the fake exchanges: the protocol of the websockets library over Trio's streams.

Over memory streams everything a venue said has arrived once all tasks are blocked, so nothing here
waits for luck, and the clock may jump.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio
from trio.testing import wait_all_tasks_blocked
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from hyperstream.testing.exchanges import FakeVenue

MAX_BYTES = 16 << 20


class Client:
    """One connection. A task of its own reads; ``texts`` are the messages not taken yet."""

    def __init__(self, url: str, *, is_compressing: bool = False) -> None:
        extensions = [ClientPerMessageDeflateFactory()] if is_compressing else None
        self.protocol = ClientProtocol(parse_uri(url), extensions=extensions, max_size=MAX_BYTES)
        self.stream: trio.abc.Stream
        self.is_ponging = True
        self.texts: list[str] = []
        self.raw: list[bytes] = []
        self.pings: list[bytes] = []
        self.response: Response | None = None
        self.is_over = False
        self.was_reset = False

    @property
    def close_code(self) -> int | None:
        """The code of the end as the library sees it; 1006 without a close frame."""
        return self.protocol.close_code

    @property
    def state(self) -> State:
        """How far the connection is."""
        return self.protocol.state

    @property
    def headers(self) -> Headers:
        assert self.response is not None
        return self.response.headers

    async def run(self) -> None:
        self.protocol.send_request(self.protocol.connect())
        try:
            await self.flush()
            while True:
                data = bytes(await self.stream.receive_some(65_536))
                self.raw.append(data)
                if not data:
                    break
                self.protocol.receive_data(data)
                self.take_events()
                await self.flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.was_reset = True
        if self.protocol.state is not State.CLOSED or not self.is_over:
            self.protocol.receive_eof()
        self.is_over = True

    def take_events(self) -> None:
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                if event.opcode is Opcode.TEXT:
                    try:
                        self.texts.append(bytes(event.data).decode())
                    except UnicodeDecodeError:  # what the library's own clients do, above its protocol
                        self.protocol.fail(CloseCode.INVALID_DATA)
                elif event.opcode is Opcode.BINARY:
                    self.texts.append(f"binary {bytes(event.data)!r}")
                elif event.opcode is Opcode.PING:
                    self.pings.append(bytes(event.data))

    async def flush(self) -> None:
        """Write what the protocol wants written; its pongs only while ``is_ponging``."""
        for data in self.protocol.data_to_send():
            is_pong = data[:1] == bytes((0x80 | Opcode.PONG,))
            if data and (self.is_ponging or not is_pong):
                await self.stream.send_all(data)

    async def say(self, message: object) -> None:
        """Send a message: text as it is, anything else as JSON."""
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        self.protocol.send_text(text.encode())
        await self.flush()

    async def ask(self, message: object) -> Any:
        """Send, and return the last thing said until everything is quiet."""
        await self.say(message)
        return (await self.heard())[-1]

    async def heard(self) -> list[Any]:
        """Return everything said so far, parsed, and forget it."""
        await wait_all_tasks_blocked()
        texts, self.texts = self.texts, []
        return [json.loads(text) for text in texts]

    async def close(self) -> None:
        self.protocol.send_close(1000)
        await self.flush()


class _OverMemory(httpx.AsyncBaseTransport):
    """HTTP without a network: each request takes a memory stream of its own."""

    def __init__(self, fake: FakeVenue) -> None:
        self.fake = fake

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\nhost: x\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        stream = self.fake.open_stream()
        answer = b""
        try:
            await stream.send_all(head.encode() + body)
            while data := await stream.receive_some():
                answer += data
        except trio.BrokenResourceError as exc:
            raise httpx.ReadError("reset") from exc
        if not answer:
            raise httpx.RemoteProtocolError("no answer")
        first, _, rest = answer.partition(b"\r\n\r\n")
        status, *lines = first.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return httpx.Response(int(status.split()[1]), headers=headers, content=rest)


@asynccontextmanager
async def asking(fake: FakeVenue) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client of a fake that is being served."""
    async with httpx.AsyncClient(transport=_OverMemory(fake), base_url="http://x") as client:
        yield client


def levels(pairs: Any) -> dict[str, str]:
    """Return pairs of strings as a dictionary."""
    return dict(pairs)


def apply(book: dict[str, str], changes: Any) -> None:
    """Set levels; a size of nothing takes one out."""
    for price, size in changes:
        if float(size) == 0:
            book.pop(price, None)
        else:
            book[price] = size


def sides(bids: dict[str, str], asks: dict[str, str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return both sides as ``truth`` has them, best first."""
    return (
        tuple(sorted(bids.items(), key=lambda level: -float(level[0]))),
        tuple(sorted(asks.items(), key=lambda level: float(level[0]))),
    )


def steps(fake: FakeVenue, count: int, ms: int = 20) -> Iterator[int]:
    """Step so many times, yielding before each."""
    for number in range(count):
        yield number
        fake.step(ms)
