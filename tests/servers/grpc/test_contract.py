"""What servers/grpc relies on inside grpclib and h2. A new version that moves any of it fails here."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest
from grpclib import protocol, server
from grpclib.config import Configuration
from h2.config import H2Configuration
from h2.connection import H2Connection

from hyperstream.servers.grpc import guard

PINNED = {"grpclib": "0.4.9", "h2": "4.4.1"}


@pytest.mark.parametrize(("name", "expected"), PINNED.items())
def test_the_versions_are_those_that_were_studied(name: str, expected: str) -> None:
    assert version(name) == expected, (
        f"read servers/grpc against {name} {version(name)} before moving the pin"
    )


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (server.Server, ["_protocol_factory", "__gc_step__", "start", "close"]),
        (server.Stream, ["recv_message", "send_message", "send_initial_metadata", "send_trailing_metadata"]),
        (protocol.H2Protocol, ["connection_made", "data_received", "connection_lost"]),
        (protocol.Connection, ["create_stream", "feed", "flush", "ack"]),
        (protocol.Stream, ["recv_data", "send_data", "reset_nowait"]),
        (protocol.EventsProcessor, ["process", "close", "register"]),
    ],
)
def test_the_methods_we_override_or_call_exist(owner: type, names: list[str]) -> None:
    missing = [name for name in names if not hasattr(owner, name)]
    assert not missing, f"grpclib's {owner.__name__} lost {missing}: servers/grpc has to change"


def test_the_attributes_we_read_are_set_where_we_expect_them() -> None:
    factory = inspect.getsource(server.Server._protocol_factory)
    for name in (
        "self._mapping",
        "self._codec",
        "self._status_details_codec",
        "self.__dispatch__",
        "self._handlers",
        "self._config",
        "self._h2_config",
    ):
        assert name in factory, (
            f"grpclib's Server no longer uses {name}: GuardedServer._protocol_factory has to change"
        )
    assert "self._server" in inspect.getsource(server.Server.start)
    assert "self.processors" in inspect.getsource(protocol.EventsProcessor.__init__)
    assert "self.streams" in inspect.getsource(protocol.EventsProcessor.__init__)
    assert "self.data_sent +=" in inspect.getsource(protocol.Stream.send_data)
    assert "_stream" in inspect.getsource(server.Stream.__init__)


def test_an_unknown_event_still_reaches_the_processors_dictionary() -> None:
    source = inspect.getsource(protocol.EventsProcessor.process)
    assert "self.processors[event.__class__]" in source, (
        "unknown frames would be raised again: see _KnownEvents"
    )


def test_streams_are_made_by_the_connection() -> None:
    assert "self.connection.create_stream(" in inspect.getsource(
        protocol.EventsProcessor.process_request_received
    )
    signature = inspect.signature(protocol.Connection.create_stream)
    assert list(signature.parameters) == list(
        inspect.signature(guard.GuardedConnection.create_stream).parameters
    )


def test_a_guarded_connection_is_a_connection_in_all_but_class() -> None:
    """Its class is set on a living object, so it may not need attributes of its own."""
    h2 = H2Connection(H2Configuration(client_side=False))
    made = protocol.Connection.__init__
    assert "__slots__" not in vars(protocol.Connection)
    assert list(inspect.signature(made).parameters) == ["self", "connection", "transport", "config"]
    assert Configuration().__for_server__() is not None
    assert h2.max_outbound_frame_size == 16384
