"""How many subscriptions a session may have, all dialects together, and its key's markets."""

from __future__ import annotations

from attrs import define

from hyperstream.errors import HyperstreamError
from hyperstream.servers.door.usage import Usage


class AllowanceError(HyperstreamError):
    """More was asked for than may be had; the message says what there may be."""


@define(eq=False)
class Allowance:
    """What one session has taken of ``most``, and of its key's ``usage``."""

    most: int
    usage: Usage | None
    taken: int = 0

    def take(self, count: int) -> None:
        """Take so many. Raises AllowanceError, and takes nothing, past either limit."""
        if self.taken + count > self.most:
            has = f"it has {self.taken}, {count} more were asked for"
            raise AllowanceError(f"a connection may have {self.most} subscriptions: {has}")
        why = self.usage.open_markets(count) if self.usage is not None else ""
        if why:
            raise AllowanceError(why)
        self.taken += count

    def add(self, count: int) -> None:
        """Count more that came by themselves: markets that appeared, for who follows every one."""
        self.taken += count
        if self.usage is not None:
            self.usage.markets += count

    def give_back(self, count: int) -> None:
        """Give so many back."""
        self.taken -= count
        if self.usage is not None:
            self.usage.markets -= count

    def close(self) -> None:
        """Give all back."""
        self.give_back(self.taken)
