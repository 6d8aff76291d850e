"""The node's local info server, as far as a reader needs it: POST /info over HTTP/1.1.

Answers ``meta`` (with ``dex``), ``spotMeta``, ``perpDexs``, ``exchangeStatus`` and
``fileSnapshot``; everything else gets 422 and a plain text, as from a node. A snapshot is
written in place, slice by slice with other tasks running in between, and answered when done;
it is of the height at which it was asked for, because the books were captured then.
"""

import os
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h11
import orjson
import trio
from attrs import define

from hyperstream.testing import meta, snapshot
from hyperstream.testing.http import Answer, HttpConnection, Question

if TYPE_CHECKING:
    from hyperstream.testing.node import FakeNode


@define(eq=False)
class InfoFaults:
    """What goes wrong with the info server; change it at any time.

    ``refuse_snapshots``: so many fileSnapshot requests get 422. ``errors``: so many requests
    of any kind get 500. ``delay_seconds``: every answer comes late. ``stale``: fileSnapshot
    answers but writes nothing. ``half_written_seconds``: the file stays half written for so
    long; ``replies_early`` then answers already at half time. ``hang``: no answer ever comes.
    ``reset``: connections are reset before they are read. A server that is not there at all
    is one that is not served.
    """

    refuse_snapshots: int = 0
    errors: int = 0
    delay_seconds: float = 0.0
    stale: bool = False
    half_written_seconds: float = 0.0
    replies_early: bool = False
    hang: bool = False
    reset: bool = False
    requests: int = 0  # how many were received, of any kind


@asynccontextmanager
async def serve(node: "FakeNode", host: str, port: int) -> AsyncIterator[str]:
    """Serve the node's info while the block runs; yields ``http://host:port/info``."""

    async def session(stream: trio.SocketStream) -> None:
        await _Session(node, stream).run()

    listeners = await trio.open_tcp_listeners(port, host=host)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, session, listeners)
        bound = listeners[0].socket.getsockname()[1]
        yield f"http://{host}:{bound}/info"
        nursery.cancel_scope.cancel()


class _Session:
    """One connection: requests one after the other until the peer goes."""

    def __init__(self, node: "FakeNode", stream: trio.SocketStream) -> None:
        self._node = node
        self._faults = node.info_faults
        self._stream = stream
        self._http = HttpConnection(stream)

    async def run(self) -> None:
        if self._faults.reset:
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._stream.socket.close()
            await trio.lowlevel.checkpoint()
            return
        try:
            async with self._stream:
                while (question := await self._http.next_question()) is not None:
                    await self._answer(question)
        except (trio.BrokenResourceError, h11.ProtocolError):
            await trio.lowlevel.checkpoint()  # the peer broke off or does not speak HTTP

    async def _answer(self, asked: Question) -> None:
        faults = self._faults
        faults.requests += 1
        if faults.hang:
            await trio.sleep_forever()
        if faults.delay_seconds:
            await trio.sleep(faults.delay_seconds)
        if faults.errors > 0:
            faults.errors -= 1
            await self._reply(500, "Internal Server Error")
            return
        if asked.path != "/info":
            await self._reply(404, "")
            return
        if asked.method != "POST":
            await self._reply(405, "")
            return
        try:
            question = orjson.loads(asked.body)
            if question["type"] == "fileSnapshot":
                await self._file_snapshot(question)
                return
            answer = meta.answer(self._node, question)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            answer = None
        if answer is None:
            await self._reply(422, "Failed to deserialize the JSON body into the target type")
        else:
            await self._http.reply(Answer.json(answer))

    async def _file_snapshot(self, question: dict[str, Any]) -> None:
        faults = self._faults
        if faults.refuse_snapshots > 0:
            faults.refuse_snapshots -= 1
            await self._reply(422, "Failed to deserialize the JSON body into the target type")
            return
        wanted = question["request"]
        if wanted["type"] != "l4Snapshots":
            raise ValueError(wanted["type"])
        captured = snapshot.capture(
            self._node.exchange,
            self._node.height,
            include_trigger_orders=bool(wanted.get("includeTriggerOrders", False)),
        )
        if not faults.stale:
            slices = snapshot.pieces(
                captured,
                include_users=bool(wanted.get("includeUsers", False)),
                include_height=bool(question.get("includeHeightInOutput", False)),
            )
            try:
                await self._write_in_place(Path(question["outPath"]), slices)
            except OSError as exc:
                await self._reply(500, f"cannot write {question['outPath']}: {exc.strerror}")
                return
        if not self._http.has_answered:
            await self._http.reply(Answer.json(None))
        await trio.lowlevel.checkpoint()

    async def _write_in_place(self, path: Path, slices: Iterable[bytes]) -> None:
        """Write as the node does: not to the side and renamed, so a reader can see half a file."""
        faults = self._faults
        half = -1
        if faults.half_written_seconds:
            slices = list(slices)
            half = len(slices) // 2
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            for index, piece in enumerate(slices):
                if index == half:
                    if faults.replies_early:
                        await self._http.reply(Answer.json(None))
                    await trio.sleep(faults.half_written_seconds)
                os.write(descriptor, piece)
                await trio.lowlevel.checkpoint()
        finally:
            os.close(descriptor)
        await trio.lowlevel.checkpoint()

    async def _reply(self, status: int, text: str) -> None:
        await self._http.reply(Answer.text(text, status))
