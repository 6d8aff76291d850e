"""gRPC's TestService on our guarded server, for the interoperability clients of other languages.

python -m tests.servers.grpc.interop_server --port 10000 [--certificate C --private-key K]
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import grpc_tools
import trio
import trio_asyncio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from hyperstream.servers.grpc.guarded_server import GuardedServer, ServerLimits
from hyperstream.servers.grpc.tls import TlsFiles

PROTO = Path(__file__).with_name("interop.proto")
INITIAL_METADATA = "x-grpc-test-echo-initial"
TRAILING_METADATA = "x-grpc-test-echo-trailing-bin"
_CARDINALITIES = {(kind.client_streaming, kind.server_streaming): kind for kind in Cardinality}


def load_messages() -> dict[str, Any]:
    """The messages of interop.proto by name, and the service's descriptor under its own."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "interop.binpb")
        include = files(grpc_tools) / "_proto"
        arguments = [f"-I{PROTO.parent}", f"-I{include}", f"--descriptor_set_out={output}", PROTO.name]
        if protoc.main(["protoc", *arguments]) != 0:
            raise RuntimeError(f"{PROTO} does not compile")
        described = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    found = pool.FindFileByName(PROTO.name)
    messages: dict[str, Any] = {
        name: message_factory.GetMessageClass(message)
        for name, message in found.message_types_by_name.items()
    }
    return {**messages, **found.services_by_name}


class TestService:
    """What the clients' cases expect of a server."""

    __test__ = False

    def __init__(self) -> None:
        self.messages = load_messages()

    async def EmptyCall(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        request = await stream.recv_message()
        await stream.send_message(request)

    async def UnaryCall(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        trailing = await self._echo_metadata(stream)
        request = await stream.recv_message()
        assert request is not None
        _raise_status(request)
        payload = self._payload(request.response_size)
        server_id = "hyperstream" if request.fill_server_id else ""
        await stream.send_message(self.messages["SimpleResponse"](payload=payload, server_id=server_id))
        await stream.send_trailing_metadata(metadata=trailing)

    async def StreamingOutputCall(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        request = await stream.recv_message()
        assert request is not None
        await self._respond(stream, request)
        _raise_status(request)

    async def StreamingInputCall(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        size = 0
        async for request in stream:
            size += len(request.payload.body)
        await stream.send_message(self.messages["StreamingInputCallResponse"](aggregated_payload_size=size))

    async def FullDuplexCall(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        trailing = await self._echo_metadata(stream)
        async for request in stream:
            _raise_status(request)
            await self._respond(stream, request)
        await stream.send_trailing_metadata(metadata=trailing)

    async def HalfDuplexCall(self, stream: Stream[Any, Any]) -> None:  # noqa: N802
        for request in [request async for request in stream]:
            await self._respond(stream, request)

    async def _respond(self, stream: Stream[Any, Any], request: Any) -> None:
        for parameters in request.response_parameters:
            if parameters.interval_us:
                await asyncio.sleep(parameters.interval_us / 1_000_000)
            payload = self._payload(parameters.size)
            await stream.send_message(self.messages["StreamingOutputCallResponse"](payload=payload))

    def _payload(self, size: int) -> Any:
        return self.messages["Payload"](body=bytes(size))

    async def _echo_metadata(self, stream: Stream[Any, Any]) -> dict[str, Any]:
        metadata: Any = stream.metadata or {}
        if INITIAL_METADATA in metadata:
            await stream.send_initial_metadata(metadata={INITIAL_METADATA: metadata[INITIAL_METADATA]})
        return {TRAILING_METADATA: metadata[TRAILING_METADATA]} if TRAILING_METADATA in metadata else {}

    def __mapping__(self) -> dict[str, Handler]:
        handlers = {}
        for method in self.messages["TestService"].methods:
            cardinality = _CARDINALITIES[method.client_streaming, method.server_streaming]
            handlers[f"/grpc.testing.TestService/{method.name}"] = Handler(
                getattr(self, method.name),
                cardinality,
                self.messages[method.input_type.name],
                self.messages[method.output_type.name],
            )
        return handlers


def _raise_status(request: Any) -> None:
    if request.response_status.code:
        raise GRPCError(Status(request.response_status.code), request.response_status.message)


async def serve(
    port: int,
    tls: TlsFiles | None = None,
    limits: ServerLimits | None = None,
    *,
    task_status: trio.TaskStatus[GuardedServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve TestService on 127.0.0.1 until cancelled."""
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    async with trio_asyncio.open_loop():
        server = GuardedServer(
            [TestService()],
            limits=limits or ServerLimits(),
            counts=Counter(),
            tls=tls,
            codec=ProtoCodec(),
        )
        task_status.started(server)
        try:
            await server.accept(listener)
        finally:
            server.close()


@click.command()
@click.option("--port", type=int, default=10000, show_default=True)
@click.option("--certificate", type=click.Path(path_type=Path, exists=True))
@click.option("--private-key", type=click.Path(path_type=Path, exists=True))
@click.option("--compression", is_flag=True)
def main(port: int, certificate: Path | None, private_key: Path | None, compression: bool) -> None:
    tls = TlsFiles(certificate, private_key) if certificate and private_key else None
    trio.run(serve, port, tls, ServerLimits(is_compressing=compression))


if __name__ == "__main__":
    main()
