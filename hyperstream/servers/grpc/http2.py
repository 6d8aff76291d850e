"""h2's connection with limits on what one peer may make it do.

h2 parses everything a read brought before it hands out events, so a flood has to be met in here,
frame by frame. Three buckets, each with its reason:

* *resets*, in both directions. A request that is cancelled at once costs its peer two small frames and
  the server a task (CVE-2023-44487); a peer can also make the server do the resetting (CVE-2025-8671).
* *control*: PING, SETTINGS, PRIORITY, unknown frames, empty DATA: all cost more to take than to send.
  A PING is free if data was sent to the peer since the last one, because clients probe the
  bandwidth that way, once a round trip.
* *small*: WINDOW_UPDATE and tiny DATA frames, which have honest uses and come often.

Whoever empties one is sent GOAWAY with ENHANCE_YOUR_CALM.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection, _decode_headers
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import DenialOfServiceError, ProtocolError, StreamIDTooLowError
from h2.frame_buffer import FrameBuffer
from h2.settings import SettingCodes, Settings
from h2.stream import StreamClosedBy
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from hyperstream.token_bucket import TokenBucket

STREAM_WINDOW_BYTES = 65_535
CONNECTION_WINDOW_BYTES = 262_144
MAX_HEADER_LIST_BYTES = 16_384
MAX_HEADER_BLOCK_BYTES = 65_536
TINY_DATA_BYTES = 64

RESETS_PER_SECOND, RESETS_BURST = 50, 100
CONTROL_PER_SECOND, CONTROL_BURST = 200, 500
SMALL_PER_SECOND, SMALL_BURST = 2000, 2000

_CONTROL = {SettingsFrame: "SETTINGS flood", PriorityFrame: "PRIORITY flood"}


class FloodError(DenialOfServiceError):
    """A peer sent too many frames of one sort; ``cause`` says of which."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"{cause}: enhance your calm")
        self.cause = cause


class PeerIsLeaving(Event):
    """The peer sent GOAWAY: it opens no stream any more, but those it has go on."""

    error_code: int = 0


class _BoundedFrames(FrameBuffer):
    """Bounds a block of headers in bytes, where h2 counts its frames only."""

    def _update_header_buffer(self, f: Frame | None) -> Frame | None:
        frame = super()._update_header_buffer(f)
        if sum(len(part.data) for part in self._headers_buffer) > MAX_HEADER_BLOCK_BYTES:
            raise FloodError("header block too long")
        return frame

    @property
    def is_inside(self) -> bool:
        """Whether a preface, a frame or a block of headers has begun and not ended."""
        return bool(self._data or self._headers_buffer or self._preamble_len)


class BoundedH2Connection(H2Connection):
    """A server's end of HTTP/2. ``counts`` what was refused or ignored, by cause."""

    def __init__(
        self,
        config: H2Configuration,
        *,
        max_streams: int,
        counts: Counter[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(config)
        self.counts = counts
        self.frames_received = 0
        self.is_peer_leaving = False
        self.incoming_buffer: _BoundedFrames = _BoundedFrames(server=True)
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST_BYTES,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self.decoder.max_header_list_size = MAX_HEADER_LIST_BYTES
        self._clock = clock
        self._resets = TokenBucket(RESETS_PER_SECOND, RESETS_BURST + max_streams)
        self._control = TokenBucket(CONTROL_PER_SECOND, CONTROL_BURST)
        self._small = TokenBucket(SMALL_PER_SECOND, SMALL_BURST)
        self._granted_bytes = self.outbound_flow_control_window
        self._sent_bytes_at_ping = 0
        self._flood = ""

    @property
    def is_inside_a_frame(self) -> bool:
        """Whether the peer has begun something that it has not ended."""
        return self.incoming_buffer.is_inside

    def initiate_connection(self) -> None:
        """Write SETTINGS, and the connection's window, which SETTINGS cannot say."""
        super().initiate_connection()
        self.increment_flow_control_window(CONNECTION_WINDOW_BYTES - 65_535)

    def _receive_frame(self, frame: Any) -> list[Event]:
        self.frames_received += 1
        if self._flood:
            raise FloodError(self._flood)
        kind = frame.__class__
        if kind is RstStreamFrame:
            self._charge(self._resets, "rapid reset")
        elif kind is PingFrame:
            if not self._has_sent_since_last_ping():
                self._charge(self._control, "PING flood")
        elif kind in _CONTROL:
            self._charge(self._control, _CONTROL[kind])
        elif kind is WindowUpdateFrame:
            self._charge(self._small, "WINDOW_UPDATE flood")
        elif kind is DataFrame and len(frame.data) < TINY_DATA_BYTES and "END_STREAM" not in frame.flags:
            if frame.data:
                self._charge(self._small, "tiny DATA flood")
            else:
                self._charge(self._control, "empty DATA flood")
        events: list[Event] = super()._receive_frame(frame)
        return events

    def _charge(self, bucket: TokenBucket, cause: str) -> None:
        if not bucket.take(self._clock()):
            raise FloodError(cause)

    def _has_sent_since_last_ping(self) -> bool:
        sent = self._granted_bytes - self.outbound_flow_control_window
        has_sent = sent > self._sent_bytes_at_ping
        self._sent_bytes_at_ping = sent
        return has_sent

    def _receive_window_update_frame(self, frame: WindowUpdateFrame) -> tuple[list[Frame], list[Event]]:
        frames, events = super()._receive_window_update_frame(frame)
        if not frame.stream_id:
            self._granted_bytes += frame.window_increment
        return frames, events

    def _receive_unknown_frame(self, frame: Any) -> tuple[list[Frame], list[Event]]:  # noqa: ARG002
        """Ignore it, as RFC 9113, 5.5 wants: nothing else may depend on it."""
        self._charge(self._control, "flood of unknown frames")
        self.counts["unknown frames"] += 1
        return [], []

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        """Refuse a stream beyond the limit by RST_STREAM, where h2 ends the connection.

        The headers are decoded all the same: HPACK's table has to follow every block.
        """
        stream_id = frame.stream_id
        limit = self.local_settings.max_concurrent_streams
        if stream_id in self.streams or self.open_inbound_streams < limit:
            return super()._receive_headers_frame(frame)
        _decode_headers(self.decoder, frame.data)
        if stream_id <= self.highest_inbound_stream_id:
            raise StreamIDTooLowError(stream_id, self.highest_inbound_stream_id)
        if stream_id % 2 == 0:
            raise ProtocolError(f"stream {stream_id} has a server's number")
        self._charge(self._small, "flood of streams beyond the limit")
        self.highest_inbound_stream_id = stream_id
        self._closed_streams[stream_id] = StreamClosedBy.SEND_RST_STREAM
        self.counts["streams refused"] += 1
        refusal = RstStreamFrame(stream_id)
        refusal.error_code = ErrorCodes.REFUSED_STREAM
        # Beside _prepare_for_sending: a refusal costs little, and is not a reset to be charged.
        self._data_to_send += refusal.serialize()
        return [], []

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """Let the peer's own streams go on, where h2 would send nothing any more."""
        self._charge(self._control, "GOAWAY flood")
        self.is_peer_leaving = True
        event = PeerIsLeaving()
        event.error_code = frame.error_code
        return [], [event]

    def _prepare_for_sending(self, frames: list[Frame]) -> None:
        super()._prepare_for_sending(frames)
        for frame in frames:
            if frame.__class__ is RstStreamFrame and not self._resets.take(self._clock()):
                self._flood = "rapid reset"  # told when the peer's next frame comes


def goaway(last_stream_id: int, code: int = 0, why: str = "") -> bytes:
    """The bytes of a GOAWAY frame, to be written beside h2: after its own it would send nothing more."""
    frame = GoAwayFrame(0)
    frame.last_stream_id = last_stream_id
    frame.error_code = code
    frame.additional_data = why.encode()
    return frame.serialize()
