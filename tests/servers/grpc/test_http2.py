"""Floods met frame by frame, on a clock that stands still: bytes in, bytes and events out."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PingReceived, RequestReceived, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperstream.servers.grpc.guard import H2_CONFIG, PREFACE
from hyperstream.servers.grpc.http2 import BoundedH2Connection, FloodError, PeerIsLeaving, goaway

REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/s/M"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
OPENING = PREFACE + b"\0\0\0\4\0\0\0\0\0"


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


PING = frame(6, bytes(8))
SETTINGS = frame(4)
PRIORITY = frame(2, b"\0\0\0\0\x10", stream=1)
UNKNOWN = frame(0xAA, b"x")
WINDOW_UPDATE = frame(8, b"\0\0\0\1")
GOAWAY = frame(7, bytes(8))


class Server:
    """A bounded connection with a clock in our hands."""

    def __init__(self, max_streams: int = 5) -> None:
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        self.h2 = BoundedH2Connection(
            H2_CONFIG, max_streams=max_streams, counts=self.counts, clock=lambda: self.now
        )
        self.h2.initiate_connection()
        self.greeting = frames_in(self.h2.data_to_send())
        self.receive(OPENING)

    def receive(self, data: bytes) -> list[Event]:
        return self.h2.receive_data(data)

    def sent(self) -> list[Frame]:
        return frames_in(self.h2.data_to_send())

    def drown(self, data: bytes, times: int) -> str:
        """What the connection ends with when a frame comes so often; empty if it holds."""
        try:
            for _ in range(times):
                self.receive(data)
        except FloodError as exc:
            (last,) = (sent for sent in self.sent() if isinstance(sent, GoAwayFrame))
            assert last.error_code == ErrorCodes.ENHANCE_YOUR_CALM
            return exc.cause
        return ""


def frames_in(data: bytes) -> list[Frame]:
    found = []
    while data:
        parsed, length = Frame.parse_frame_header(memoryview(data[:9]))
        parsed.parse_body(memoryview(data[9 : 9 + length]))
        found.append(parsed)
        data = data[9 + length :]
    return found


def new_client() -> H2Connection:
    client = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
    client.initiate_connection()
    client.data_to_send()
    return client


def requests(streams: Iterable[int], *, end: bool = False) -> list[bytes]:
    client = new_client()
    made = []
    for stream in streams:
        client.send_headers(stream, REQUEST, end_stream=end)
        made.append(client.data_to_send())
    return made


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (PING, "PING flood"),
        (SETTINGS, "SETTINGS flood"),
        (PRIORITY, "PRIORITY flood"),
        (UNKNOWN, "flood of unknown frames"),
        (GOAWAY, "GOAWAY flood"),
    ],
)
def test_a_flood_of_control_frames_is_told_to_calm_down(data: bytes, cause: str) -> None:
    assert Server().drown(data, 450) == ""
    server = Server()
    assert server.drown(data, 600) == cause


@pytest.mark.parametrize("data", [PING, SETTINGS, PRIORITY, UNKNOWN])
def test_a_few_control_frames_a_second_are_nobodys_trouble(data: bytes) -> None:
    server = Server()
    for second in range(20):
        server.now = float(second)
        for _ in range(150):
            server.receive(data)
    assert server.h2.frames_received > 3000


def test_a_ping_after_every_answer_is_free() -> None:
    """Clients probe the bandwidth that way, as often as data comes."""
    server = Server()
    (request,) = requests([1], end=True)
    server.receive(request)
    server.h2.send_headers(1, [(":status", "200")])
    for _ in range(3000):
        server.h2.send_data(1, b"0123456789")
        server.receive(PING)
    server.receive(frame(8, struct.pack(">I", 1_000_000)))
    server.receive(frame(8, struct.pack(">I", 1_000_000), stream=1))
    assert server.drown(PING, 600) == "PING flood"


def test_empty_data_frames_are_a_flood_and_tiny_ones_later() -> None:
    empty, tiny = frame(0, stream=1), frame(0, b"x", stream=1)
    for data, cause, allowed in ((empty, "empty DATA flood", 450), (tiny, "tiny DATA flood", 1900)):
        server = Server()
        server.receive(requests([1])[0])
        assert server.drown(data, allowed) == ""
        assert server.drown(data, 200) == cause


def test_window_updates_have_honest_uses_but_not_without_end() -> None:
    assert Server().drown(WINDOW_UPDATE, 1900) == ""
    assert Server().drown(WINDOW_UPDATE, 2100) == "WINDOW_UPDATE flood"


def test_rapid_reset_is_cut_off_by_the_clients_resets() -> None:
    server = Server(max_streams=100)
    reset = [
        data + frame(3, b"\0\0\0\x08", stream=1 + 2 * number)
        for number, data in enumerate(requests(range(1, 801, 2)))
    ]
    for data in reset[:190]:
        server.receive(data)
    with pytest.raises(FloodError, match="rapid reset"):
        server.receive(b"".join(reset[190:210]))


def test_rapid_reset_is_cut_off_when_the_server_is_made_to_reset() -> None:
    """A window update beyond 2^31 makes h2 send the RST_STREAM itself."""
    server = Server(max_streams=100)
    overflow = [frame(8, b"\x7f\xff\xff\xff", stream=1 + 2 * number) for number in range(400)]
    data = b"".join(a + b for a, b in zip(requests(range(1, 801, 2)), overflow, strict=True))
    with pytest.raises(FloodError, match="rapid reset"):
        server.receive(data)
    assert server.h2.highest_inbound_stream_id < 500


def test_a_stream_beyond_the_limit_is_refused_and_the_others_go_on() -> None:
    server = Server(max_streams=2)
    (settings_frame,) = (sent for sent in server.greeting if isinstance(sent, SettingsFrame))
    assert settings_frame.settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 2
    client = new_client()
    for stream in (1, 3, 5, 7):
        client.send_headers(stream, [*REQUEST, (f"x-{stream}", "new in HPACK's table")])
    server.receive(client.data_to_send())
    refused = [sent for sent in server.sent() if isinstance(sent, RstStreamFrame)]
    assert [(sent.stream_id, sent.error_code) for sent in refused] == [(5, 7), (7, 7)]
    assert server.counts["streams refused"] == 2
    client.send_data(5, b"late data of a refused stream")
    client.send_data(1, b"data of a running one", end_stream=True)
    events = server.receive(client.data_to_send())
    assert [event.stream_id for event in events if isinstance(event, DataReceived)] == [1]
    server.h2.send_headers(1, [(":status", "200")], end_stream=True)
    client.send_headers(9, [*REQUEST, ("x-5", "new in HPACK's table")])
    (request,) = (e for e in server.receive(client.data_to_send()) if isinstance(e, RequestReceived))
    headers: dict[Any, Any] = dict(request.headers or [])
    assert headers["x-5"] == "new in HPACK's table"


def test_trailers_of_a_stream_that_was_reset_are_no_error_at_the_limit() -> None:
    server = Server(max_streams=1)
    client = new_client()
    client.send_headers(1, REQUEST)
    server.receive(client.data_to_send())
    server.h2.reset_stream(1)
    client.send_headers(3, REQUEST)
    server.receive(client.data_to_send())
    client.send_headers(1, [("x-trailer", "1")], end_stream=True)
    events = server.receive(client.data_to_send())
    assert not [event for event in events if isinstance(event, TrailersReceived)]


def test_unknown_frames_are_counted_and_change_nothing() -> None:
    server = Server()
    for kind in (0xAA, 0x0C, 0x10, 0xFF):
        assert server.receive(frame(kind, b"anything", stream=kind)) == []
    assert server.counts["unknown frames"] == 4
    assert [type(event) for event in server.receive(PING)] == [PingReceived]


def test_a_goaway_of_the_peer_lets_its_streams_go_on() -> None:
    server = Server()
    server.receive(requests([1])[0])
    (event,) = server.receive(GOAWAY)
    assert isinstance(event, PeerIsLeaving)
    assert server.h2.is_peer_leaving
    server.h2.send_headers(1, [(":status", "200")])
    server.h2.send_data(1, b"more", end_stream=True)
    assert [sent.type for sent in server.sent() if sent.stream_id] == [1, 0]


def test_the_headers_of_a_call_are_bounded_on_the_wire_and_unpacked() -> None:
    endless = Server()
    endless.receive(frame(1, bytes(16384), stream=1))
    with pytest.raises(FloodError, match="header block too long"):
        endless.receive(frame(9, bytes(16384), stream=1) * 5)
    client = new_client()
    client.send_headers(1, [*REQUEST, ("x", "y" * 20_000)])
    with pytest.raises(ProtocolError) as caught:
        Server().receive(client.data_to_send())
    assert caught.value.error_code == ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "headers",
    [
        [(":method", "POST"), (":path", "/s/M"), (":scheme", "http"), ("Upper", "case")],
        [(":method", "POST"), (":path", "/s/M"), (":scheme", "http"), ("connection", "close")],
        [(":method", "POST"), (":path", "/s/M"), (":scheme", "http"), ("te", "gzip")],
        [(":method", "POST"), (":path", "/s/M"), (":scheme", "http"), (":late", "x")],
        [("x", "y"), (":method", "POST"), (":path", "/s/M"), (":scheme", "http")],
        [(":method", "POST"), (":method", "POST"), (":path", "/s/M"), (":scheme", "http")],
        [(":method", "POST"), (":scheme", "http")],
        [(":method", "POST"), (":path", ""), (":scheme", "http")],
        [(":status", "200"), (":path", "/s/M"), (":scheme", "http")],
    ],
)
def test_the_rules_for_headers_are_held(headers: list[tuple[str, str]]) -> None:
    client = new_client()
    server = Server()
    block = client.encoder.encode(headers)
    data = HeadersFrame(1, data=block, flags=["END_HEADERS"]).serialize()
    try:
        events = server.receive(data)
    except ProtocolError:
        return
    assert any(isinstance(event, StreamReset) for event in events)


def test_a_header_that_is_not_ascii_is_read_and_left_to_admission() -> None:
    client = new_client()
    client.send_headers(1, [*REQUEST, ("x-name", "\xe9")])
    (event,) = (e for e in Server().receive(client.data_to_send()) if isinstance(e, RequestReceived))
    headers: dict[Any, Any] = dict(event.headers or [])
    assert isinstance(headers["x-name"], str)


def test_windows_for_strangers_are_small() -> None:
    server = Server()
    server.receive(requests([1])[0])
    assert server.h2.remote_flow_control_window(1) == 65_535
    assert server.h2.inbound_flow_control_window == 262_144


def test_whether_a_frame_has_begun_is_known() -> None:
    server = Server()
    told = []
    for part in (b"", PING[:5], PING[5:], frame(1, b"\x83", stream=1)):
        server.receive(part)
        told.append(server.h2.is_inside_a_frame)
    assert told == [False, True, False, True]


def test_our_goaway_is_a_goaway() -> None:
    (made,) = frames_in(goaway(7, 11, "why"))
    assert isinstance(made, GoAwayFrame)
    assert (made.last_stream_id, made.error_code, made.additional_data) == (7, 11, b"why")


FRAMES = st.builds(
    frame,
    st.integers(0, 12),
    st.binary(max_size=40),
    flags=st.integers(0, 255),
    stream=st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1]),
)


@settings(max_examples=4 * settings().max_examples)
@given(st.lists(st.one_of(FRAMES, st.binary(max_size=30)), max_size=12))
def test_any_bytes_end_in_events_or_a_protocol_error(parts: list[bytes]) -> None:
    server = Server()
    server.receive(requests([1])[0])
    events: list[Any] = []
    try:
        for part in parts:
            events += server.receive(part)
    except ProtocolError:
        assert any(isinstance(sent, GoAwayFrame) for sent in server.sent())
    assert all(isinstance(event, Event) for event in events)
