"""The light client of the fan-out benchmark reads what a full one reads; every figure is documented."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, WindowUpdated
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fanout import rate_for
from benchmarks.fanout_books import SUMMARY_KEYS as BOOKS_KEYS
from benchmarks.fanout_payload import PAYLOAD_BYTES, Payload
from benchmarks.fanout_stuck import SUMMARY_KEYS as STUCK_KEYS
from benchmarks.http2_reader import WINDOW_BYTES, StreamFailed, StreamReader, opening
from tests.benchmarks.test_benchmarks import ROOT, run

OK = [(":status", "200"), ("content-type", "application/grpc")]


class Call:
    """A call of the light client on a server's h2."""

    def __init__(self) -> None:
        self.server = H2Connection(H2Configuration(client_side=False))
        self.server.initiate_connection()
        self.events: list[Event] = []
        self.messages: list[bytes] = []
        self.reader = StreamReader(
            lambda data, start, stop: self.messages.append(data[start:stop]), self._reply
        )
        self._reply(opening("/service/Call", b"request"))

    def _reply(self, data: bytes) -> None:
        self.events += self.server.receive_data(data)

    def answer(self) -> bytes:
        return self.server.data_to_send()


def of_class(events: list[Event], kind: type) -> Iterator[Any]:
    return (event for event in events if isinstance(event, kind))


def message(body: bytes) -> bytes:
    return b"\0" + len(body).to_bytes(4, "big") + body


def test_the_opening_is_a_whole_call() -> None:
    call = Call()
    (request,) = of_class(call.events, RequestReceived)
    assert dict(request.headers)[b":path"] == b"/service/Call"
    (data,) = of_class(call.events, DataReceived)
    assert data.data == message(b"request")
    assert data.stream_ended is not None
    assert call.server.local_flow_control_window(1) == WINDOW_BYTES


@given(
    bodies=st.lists(st.binary(max_size=300), max_size=8),
    frame_bytes=st.integers(1, 700),
    chunk_bytes=st.integers(1, 900),
)
def test_messages_are_found_however_frames_and_reads_cut_them(
    bodies: list[bytes], frame_bytes: int, chunk_bytes: int
) -> None:
    call = Call()
    call.server.send_headers(1, OK)
    stream = b"".join(map(message, bodies))
    for start in range(0, len(stream), frame_bytes):
        call.server.send_data(1, stream[start : start + frame_bytes])
    call.server.ping(b"12345678")
    data = call.answer()
    for start in range(0, len(data), chunk_bytes):
        call.reader.feed(data[start : start + chunk_bytes])
    assert call.messages == bodies
    assert call.reader.has_headers


def test_the_window_is_given_back_so_that_a_stream_never_ends() -> None:
    call = Call()
    call.server.send_headers(1, OK)
    call.reader.feed(call.answer())
    body = bytes(10_000)
    for _ in range(3 * WINDOW_BYTES // len(body)):
        call.server.send_data(1, message(body))
        call.reader.feed(call.answer())
    assert len(call.messages) == 3 * WINDOW_BYTES // len(body)
    assert sum(event.stream_id == 1 for event in of_class(call.events, WindowUpdated)) >= 5


def test_a_refused_call_is_a_failure_that_names_the_status() -> None:
    call = Call()
    call.server.send_headers(1, [*OK, ("grpc-status", "14")], end_stream=True)
    with pytest.raises(StreamFailed, match=r"grpc-status.*14"):
        call.reader.feed(call.answer())


def test_trailers_are_a_failure() -> None:
    call = Call()
    call.server.send_headers(1, OK)
    call.server.send_headers(1, [("grpc-status", "8")], end_stream=True)
    with pytest.raises(StreamFailed, match=r"grpc-status.*8"):
        call.reader.feed(call.answer())


def test_the_payload_is_a_delta_of_about_500_bytes() -> None:
    payload = Payload()
    first = payload.topic.wire_format.encode(payload.delta(1))
    assert PAYLOAD_BYTES <= len(first) < PAYLOAD_BYTES + 100


def test_the_pace_leaves_both_servers_below_saturation() -> None:
    assert [rate_for(count) for count in (10, 50, 200, 1000)] == [60, 60, 60, 15]


def test_book_updates_are_counted(tmp_path: Path) -> None:
    arguments = ("--books", "--markets", "8", "--load", "quiet", "--subscribers", "2", "--seconds", "0.5")
    *_, summary = run("fanout", tmp_path, *arguments, "--rounds", "1")
    assert set(BOOKS_KEYS) <= set(summary)
    assert summary["subscribers"] == 2
    assert summary["updates_per_second"] > 0
    assert summary["gaps"] == 0


def test_stuck_subscribers_take_nothing_from_a_healthy_one(tmp_path: Path) -> None:
    *rows, summary = run("fanout", tmp_path, "--stuck", "--seconds", "0.3", "--rounds", "1")
    assert set(STUCK_KEYS) <= set(summary)
    assert summary["share_delivered"] == 1
    assert [row["stuck"] for row in rows] == [0, summary["stuck"]]


def test_the_documentation_names_the_figures_of_every_mode() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    missing = [key for key in (*BOOKS_KEYS, *STUCK_KEYS) if f"`{key}`" not in text]
    assert not missing
