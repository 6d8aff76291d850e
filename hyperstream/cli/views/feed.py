"""How the stream itself is doing: connection, rate, age, and everything that was missed."""

from collections import Counter
from enum import Enum

from attrs import define, field
from rich.text import Text

from hyperstream.cli.views.numbers import SECOND, duration
from hyperstream.cli.views.rates import Rate
from hyperstream.v1 import common_pb2

STALE_NS = 2 * SECOND
DEAD_NS = 6 * SECOND


class Connection(Enum):
    """What the footer says about the connection."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"
    ENDED = "ended"


@define(eq=False)
class Feed:
    """State of one subscription as its subscriber sees it; times in ns since 1970 UTC."""

    target: str
    connection: Connection = Connection.CONNECTING
    since_ns: int = 0
    trouble: str = ""
    attempt: int = 0
    retry_at_ns: int = 0
    reconnects: int = 0
    events: Rate = field(factory=Rate)
    gaps: Counter[str] = field(factory=Counter)
    dropped: int = 0
    merged: int = 0
    holes: int = 0
    notice: str = ""
    height: int = 0
    sign_of_life_ns: int = 0

    def on_connected(self, now_ns: int) -> None:
        """The stream is open."""
        if self.connection is Connection.LOST:
            self.reconnects += 1
        self.connection = Connection.LIVE
        self.since_ns = self.sign_of_life_ns = now_ns
        self.trouble = self.notice = ""
        self.attempt = 0

    def on_lost(self, trouble: str, now_ns: int, retry_at_ns: int) -> None:
        """The stream is gone; ``trouble`` is a sentence, ``retry_at_ns`` when it is tried again."""
        if self.connection is not Connection.LOST:
            self.connection = Connection.LOST
            self.since_ns = now_ns
        self.trouble = trouble
        self.attempt += 1
        self.retry_at_ns = retry_at_ns

    def on_ended(self, now_ns: int) -> None:
        """The server ended the stream, as announced or without being asked."""
        self.connection = Connection.ENDED
        self.since_ns = now_ns

    def on_event(self, now_ns: int, height: int = 0, merged: int = 0) -> None:
        """An event with data came."""
        self.events.add(1, now_ns)
        self.merged += merged
        self.height = max(self.height, height)
        self.sign_of_life_ns = now_ns

    def on_heartbeat(self, heartbeat: common_pb2.Heartbeat, now_ns: int) -> None:
        """Nothing new, but the server lives."""
        self.height = max(self.height, heartbeat.height)
        self.sign_of_life_ns = now_ns

    def on_gap(self, gap: common_pb2.Gap, now_ns: int) -> None:
        """The server says that events did not reach us."""
        self.gaps[reason_name(gap)] += 1
        self.dropped += gap.dropped
        self.sign_of_life_ns = now_ns

    def on_notice(self, notice: common_pb2.Notice, now_ns: int) -> None:
        """The server says something about the stream."""
        kind = "draining" if notice.kind == common_pb2.NOTICE_KIND_DRAINING else "cut off"
        self.notice = f"{kind}: {notice.detail}" if notice.detail else kind
        self.sign_of_life_ns = now_ns

    def age_style(self, now_ns: int) -> str:
        """Return the style of ages: quiet while the stream lives, yellow then red when it does not."""
        silence = now_ns - self.sign_of_life_ns
        if self.connection is not Connection.LIVE or silence > DEAD_NS:
            return "bold red"
        return "yellow" if silence > STALE_NS else "default"

    def missed(self) -> str:
        """Return what was missed as a phrase; "nothing" when nothing was."""
        parts = [f"{reason} {count}" for reason, count in sorted(self.gaps.items())]
        if self.dropped:
            parts.append(f"dropped {self.dropped}")
        if self.holes:
            parts.append(f"holes {self.holes}")
        if self.merged:
            parts.append(f"merged {self.merged}")
        return ", ".join(parts) or "nothing"

    def footer(self, now_ns: int) -> Text:
        """Return the line under a view: connection, rate, what was missed."""
        text = Text(no_wrap=True, overflow="ellipsis")
        if self.connection is Connection.LIVE:
            silence = now_ns - self.sign_of_life_ns
            if silence > DEAD_NS:
                text.append(f"● silent for {duration(silence)} ", "bold red")
            else:
                text.append("● live ", "green")
        elif self.connection is Connection.LOST:
            text.append(f"○ connection lost {duration(now_ns - self.since_ns)} ago ", "bold red")
            wait_ns = max(0, self.retry_at_ns - now_ns)
            text.append(f"· trying again in {wait_ns / SECOND:.1f} s (attempt {self.attempt}) ", "yellow")
            text.append(f"· {self.trouble} ", "dim")
        else:
            text.append(f"○ {self.connection.value} ", "yellow")
        text.append(f"· {self.target} ", "dim")
        text.append(f"· {self.events.per_second(now_ns):.1f} events/s ")
        missed = self.missed()
        text.append("· missed ", "dim")
        text.append(missed, "dim" if missed == "nothing" else "bold yellow")
        if self.reconnects:
            text.append(f" · reconnects {self.reconnects}", "yellow")
        if self.notice:
            text.append(f" · server {self.notice}", "bold yellow")
        return text


def reason_name(gap: common_pb2.Gap) -> str:
    """Return a gap's reason as words: ``slow consumer``."""
    name = common_pb2.GapReason.Name(gap.reason)
    return name.removeprefix("GAP_REASON_").lower().replace("_", " ")
