"""A client by the gRPC project's own library that knows nothing but proto/. Its calls block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from .contract import message, method
from .program import PATIENCE_SECONDS


class Client:
    """One connection. ``options`` are grpcio's channel options. Use it as a context manager."""

    def __init__(self, port: int, **options: Any) -> None:
        chosen = {"grpc.max_receive_message_length": -1, "grpc.use_local_subchannel_pool": 1, **options}
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=list(chosen.items()))
        self._streams: list[Stream] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.close()
        self.channel.close()

    def call(self, name: str, **fields: Any) -> Any:
        """Make a unary call, the fields being the request's."""
        return self._stub(name)(_request(name, fields), timeout=PATIENCE_SECONDS)

    def follow(self, name: str, symbols: Sequence[str] = ("*",), **fields: Any) -> Stream:
        """Begin a streaming call; returns once the server has taken it on."""
        call = self.start(name, symbols, **fields)
        stream = Stream(name, call)
        self._streams.append(stream)
        call.initial_metadata()
        return stream

    def start(self, name: str, symbols: Sequence[str] = ("*",), **fields: Any) -> Any:
        """Begin a streaming call; returns it bare, an iterator of responses."""
        return self._stub(name)(_request(name, {"symbols": symbols, **fields}))

    def _stub(self, name: str) -> Any:
        described = method(name)
        make = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        reply = GetMessageClass(described.output_type)
        path = f"/{described.containing_service.full_name}/{name}"
        return make(path, lambda request: request.SerializeToString(), reply.FromString)


class Stream:
    """A streaming call; a thread collects its events. ``code`` and ``details`` are set at its end.

    ``heights`` is the height of the last event of each symbol.
    """

    def __init__(self, name: str, call: Any) -> None:
        self.name = name
        self.events: list[Any] = []
        self.heights: dict[str, int] = {}
        self.code = ""
        self.details = ""
        self._call = call
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True, name=name)
        self._thread.start()

    def _collect(self) -> None:
        try:
            for response in self._call:
                with self._changed:
                    for event in response.events:
                        self._take(event)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            ended = error
        else:
            ended = self._call
        with self._changed:
            self.code, self.details = ended.code().name, ended.details()
            self._changed.notify_all()

    def _take(self, event: Any) -> None:
        self.events.append(event)
        told = body(event)
        if kind(event) not in ("gap", "notice", "heartbeat"):
            self.heights[told.symbol] = told.height

    def wait_for(self, is_true: Callable[[], object], what: str) -> None:
        """Wait until it is true of what was collected; asked again after each message."""
        with self._changed:
            if not self._changed.wait_for(lambda: is_true() or self.code, PATIENCE_SECONDS) or not is_true():
                last = self.events[-1] if self.events else None
                ended = f"ended with {self.code} ({self.details})" if self.code else "goes on"
                raise AssertionError(f"{self.name} {ended} without {what}; the last event was {last}")

    def wait_first_event(self) -> None:
        """Wait until there is one."""
        self.wait_for(lambda: self.events, "any event")

    def wait_heights(self, heights: dict[str, int]) -> None:
        """Wait until an event of at least this height came of each symbol."""

        def is_there() -> bool:
            return all(self.heights.get(symbol, 0) >= height for symbol, height in heights.items())

        self.wait_for(is_there, f"all of {heights}, but {self.heights}")

    def wait_end(self) -> str:
        """Wait until the server ends the stream; returns the status."""
        self.wait_for(lambda: self.code, "an end")
        return self.code

    def of_kind(self, *kinds: str) -> list[Any]:
        """The bodies of the events of some kinds."""
        with self._changed:
            return [body(event) for event in self.events if kind(event) in kinds]

    def last_sequences(self) -> dict[str, tuple[int, int]]:
        """Epoch and sequence of the last event of each symbol."""
        told = self.of_kind("snapshot", "delta", "bbo", "trades")
        return {update.symbol: (update.epoch, update.sequence) for update in told}

    def resume_points(self) -> list[Any]:
        """Where to continue after what was collected."""
        point = message("ResumePoint")
        return [
            point(symbol=symbol, epoch=epoch, sequence=sequence)
            for symbol, (epoch, sequence) in self.last_sequences().items()
        ]

    def close(self) -> None:
        """End the call from this side."""
        self._call.cancel()
        self._thread.join(PATIENCE_SECONDS)


def kind(event: Any) -> str:
    """What an event holds: ``snapshot``, ``delta``, …"""
    return str(event.WhichOneof("event"))


def body(event: Any) -> Any:
    """The message that an event holds."""
    return getattr(event, kind(event))


def _request(name: str, fields: dict[str, Any]) -> Any:
    return GetMessageClass(method(name).input_type)(**fields)
