"""What the gateway serves: the dialects of its sessions, and info requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from attrs import define, field

from hyperstream.config import WebSocketSettings
from hyperstream.errors import FormatError
from hyperstream.hub.directory import MarketDirectory
from hyperstream.hub.frame_directory import FrameDirectory
from hyperstream.hub.hub import Hub
from hyperstream.market.venues import BYBIT, HYPERLIQUID
from hyperstream.servers.websocket.allowance import Allowance
from hyperstream.servers.websocket.hyperliquid.dialect import HyperliquidDialect
from hyperstream.servers.websocket.hyperliquid.formats import FormatSets
from hyperstream.servers.websocket.hyperliquid.info import InfoDesk, KeptAnswers
from hyperstream.servers.websocket.hyperliquid.streams import Streams
from hyperstream.servers.websocket.mids import MidsBoard
from hyperstream.servers.websocket.session import Session
from hyperstream.servers.websocket.topics.dialect import TopicDialect
from hyperstream.servers.websocket.topics.requests import is_topic_request
from hyperstream.wire.json.reading import read_json
from hyperstream.wire.json.topics import TopicFormat

_MS = 1_000_000


@define(eq=False)
class Content:
    """Everything that is served. ``frames`` are the topics of exchanges, by venue.

    ``has_node``: whether there are books to wait for.
    """

    settings: WebSocketSettings
    directory: MarketDirectory
    hub: Hub
    kept_answers: KeptAnswers
    frames: Mapping[str, FrameDirectory]
    has_node: bool = True
    now_ns: Callable[[], int] = time.time_ns
    desk: InfoDesk = field(init=False)
    _mids: MidsBoard = field(init=False)
    _streams: Streams = field(init=False)
    _sets: FormatSets = field(init=False)
    _topic_formats: dict[int, tuple[TopicFormat, TopicFormat]] = field(factory=dict)
    _connections: int = 0

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        self._mids = MidsBoard(self.directory, self.hub, settings.all_mids_seconds, self.now_ns)
        self._streams = Streams(self.directory, self._mids, self.frames.get(HYPERLIQUID))
        self._sets = FormatSets(settings.compression_level, settings.compression_threshold_bytes)
        self.desk = InfoDesk(self.directory, self._mids, self.kept_answers, lambda: self.now_ns() // _MS)

    @property
    def is_ready(self) -> bool:
        """Whether the books have been loaded, if any will be."""
        return self.directory.is_ready or not self.has_node

    async def run(self) -> None:
        """Tell what is told by the clock, until cancelled."""
        await self._mids.run()

    def answer_info(self, body: bytes) -> bytes:
        """The JSON that answers an info request. Raises HttpRefusal."""
        return self.desk.answer_body(body)

    def open_dialect(self, session: Session, window_bits: int) -> Conversation:
        """What is spoken on a new session."""
        allowance = Allowance(self.settings.max_subscriptions_per_connection, session.usage)
        hyperliquid = HyperliquidDialect(
            session,
            self._streams,
            self.desk,
            self._sets,
            window_bits,
            allowance,
        )
        topics, frames = None, self.frames.get(BYBIT)
        if frames is not None:
            formats = self._topic_formats.get(window_bits)
            if formats is None:
                seal = self._sets.seal(window_bits)
                formats = TopicFormat(seal), TopicFormat(seal, tells=True)
                self._topic_formats[window_bits] = formats
            self._connections += 1
            topics = TopicDialect(session, frames, allowance, *formats, f"{self._connections:08x}")
        return Conversation(hyperliquid, topics, allowance)


@define(eq=False)
class Conversation:
    """Both dialects on one session, told apart by the message."""

    hyperliquid: HyperliquidDialect
    topics: TopicDialect | None
    allowance: Allowance

    def receive(self, message: str | bytes) -> None:
        """The peer sent a message."""
        try:
            value = read_json(message)
        except FormatError:
            value = None
        text = message if isinstance(message, str) else message.decode(errors="replace")
        if isinstance(value, dict) and self.topics is not None and is_topic_request(value):
            self.topics.receive(value)
        elif isinstance(value, dict):
            self.hyperliquid.receive(value, text)
        else:
            self.hyperliquid.refuse_unreadable(text)

    def close(self) -> None:
        """The session has ended."""
        self.hyperliquid.close()
        if self.topics is not None:
            self.topics.close()
        self.allowance.close()
