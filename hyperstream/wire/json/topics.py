"""Venues' own frames over WebSocket: nothing is encoded again, each is only sealed.

A format that *tells* says what is missing, on the topic itself:
``{"topic":"publicTrade.BTCUSDT","type":"gap","data":{"dropped":12,"reason":"SLOW_CONSUMER","detail":"…"}}``.
Programs written for the venue are not told: a book gets a new snapshot, as the venue itself would send one.
"""

from __future__ import annotations

import orjson

from hyperstream.market.updates import GapNote, NoticeNote, Update
from hyperstream.market.venue_frames import FrameUpdate
from hyperstream.wire.json.frames import Seal


class TopicFormat:
    """How a topic's frames are sent. ``seal`` makes WebSocket frames of them."""

    def __init__(self, seal: Seal, *, tells: bool = False) -> None:
        self.seal = seal
        self.tells = tells

    def encode(self, update: Update) -> bytes:
        """The frame of an update."""
        if type(update) is not FrameUpdate:
            raise TypeError(f"{type(self).__name__} does not spell {type(update).__name__}")
        return self.seal(update.data)

    def gap(self, note: GapNote) -> bytes:
        """The frame that tells a gap."""
        if not self.tells:
            return b""
        data = {"dropped": note.dropped, "reason": note.reason, "detail": note.detail}
        return self.seal(orjson.dumps({"topic": note.name.symbol, "type": "gap", "data": data}))

    def notice(self, note: NoticeNote) -> bytes:
        """The frame of a notice."""
        if not self.tells:
            return b""
        data = {"kind": note.kind, "deadline_time_ns": note.deadline_time_ns, "detail": note.detail}
        return self.seal(orjson.dumps({"topic": "", "type": "notice", "data": data}))

    def merged(self, frame: bytes, count: int) -> bytes:  # noqa: ARG002 - a WireFormat's signature
        """Frames are never merged: each is a change."""
        return frame
