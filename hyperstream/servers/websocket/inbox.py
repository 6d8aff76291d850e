"""What a peer sends, put together to messages: bounded in bytes, in fragments, in messages a second."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from wsproto.events import Message, TextMessage
from wsproto.frame_protocol import CloseReason

from hyperstream.errors import HyperstreamError
from hyperstream.token_bucket import TokenBucket

MAX_FRAGMENTS = 64
# Messages: a client may subscribe to every market at once. Control frames and fragments: nobody needs many.
MESSAGES_PER_SECOND, MESSAGE_BURST = 100.0, 3000.0
CONTROLS_PER_SECOND, CONTROL_BURST = 20.0, 200.0


class Misuse(HyperstreamError):
    """The peer did what it may not: the code and reason to close with; ``cause`` is a name to count by."""

    def __init__(self, cause: str, code: CloseReason, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.code = code
        self.reason = reason


@frozen
class InboxLimits:
    """What a peer may send."""

    max_message_bytes: int = 8_192
    max_fragments: int = MAX_FRAGMENTS

    @property
    def size_reason(self) -> str:
        """What a peer is told whose message is longer."""
        return f"a message may have {self.max_message_bytes} bytes"


@define(eq=False)
class Inbox:
    """Gathers the events of one connection. Time is handed in, in seconds."""

    limits: InboxLimits
    _parts: list[str | bytes] = field(factory=list)
    _size: int = 0
    _fragments: int = 0
    _messages: TokenBucket = field(factory=lambda: TokenBucket(MESSAGES_PER_SECOND, MESSAGE_BURST))
    _controls: TokenBucket = field(factory=lambda: TokenBucket(CONTROLS_PER_SECOND, CONTROL_BURST))

    def note_control(self, now: float) -> None:
        """A ping or a pong came. Raises Misuse if too many do."""
        if not self._controls.take(now):
            raise Misuse("floods of control frames", CloseReason.POLICY_VIOLATION, "too many control frames")

    def add(self, event: Message[Any], now: float) -> str | bytes | None:
        """Add some of a message; returns the message when it is whole. Raises Misuse."""
        data = event.data
        if data:
            self._parts.append(data if isinstance(data, str) else bytes(data))
        is_narrow = not isinstance(data, str) or data.isascii()
        self._size += len(data) if is_narrow else len(data.encode())
        if self._size > self.limits.max_message_bytes:
            raise Misuse("messages too big", CloseReason.MESSAGE_TOO_BIG, self.limits.size_reason)
        if event.message_finished:
            return self._finish(isinstance(event, TextMessage), now)
        if event.frame_finished:
            self._fragments += 1
            if self._fragments > self.limits.max_fragments:
                text = f"a message may have {self.limits.max_fragments} fragments"
                raise Misuse("messages in too many fragments", CloseReason.POLICY_VIOLATION, text)
        return None

    def _finish(self, is_text: bool, now: float) -> str | bytes:
        parts, self._parts = self._parts, []
        self._size = self._fragments = 0
        if not self._messages.take(now):
            text = f"more than {MESSAGES_PER_SECOND:.0f} messages a second"
            raise Misuse("floods of messages", CloseReason.POLICY_VIOLATION, text)
        if is_text:
            return "".join(part for part in parts if isinstance(part, str))
        return b"".join(part for part in parts if isinstance(part, bytes))
