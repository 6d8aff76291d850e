"""What every view can do, so that one loop serves them all."""

from typing import Any, Protocol

from rich.console import RenderableType

from hyperstream.cli.views.feed import Feed


class View(Protocol):
    """State of one subscription that can be drawn, told line by line, and summed up.

    Events are the ``…Event`` messages of the view's topic; times are ns since 1970 UTC.
    """

    feed: Feed
    started_ns: int

    def apply(self, event: Any, now_ns: int) -> bool:
        """Take an event; True asks for a new subscription, because events are missing before it."""
        ...

    def expect_fresh_start(self) -> None:
        """The connection went: mark what is held as old."""
        ...

    def render(self, width: int, height: int, now_ns: int) -> RenderableType:
        """Return what fills a screen of this size."""
        ...

    def lines(self, event: Any) -> list[str]:
        """Return what plain output says about an event just applied."""
        ...

    def summary(self, now_ns: int) -> str:
        """Return the sentence printed at the end."""
        ...
