"""The top levels of one side, and what changed among them.

A subscriber that asked for a depth holds exactly that many levels per side. When a better level
appears, the last one leaves the window although nothing happened to it; when one goes, another
moves up. A window knows what its subscribers hold, so a delta is exact: it never removes a level
they do not have.
"""

from __future__ import annotations

from attrs import define, field

from hyperstream.market.aggregation import AggregatedSide
from hyperstream.market.book import BookSide
from hyperstream.market.level import AnyLevel

AnySide = BookSide | AggregatedSide


def best_levels(side: AnySide, depth: int) -> list[AnyLevel]:
    """The best ``depth`` levels of a side, best first."""
    levels = side.levels
    return [levels[key] for key in reversed(side.keys[-depth:])]


@define(eq=False)
class Window:
    """The best ``depth`` levels of a side as its subscribers hold them."""

    side: AnySide
    depth: int
    _shown: set[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shown = set(self.side.keys[-self.depth :])

    def levels(self) -> list[AnyLevel]:
        """The levels in the window now, best first."""
        return best_levels(self.side, self.depth)

    def changes(self) -> tuple[list[AnyLevel], list[int]]:
        """What changed since the last call: levels to set, and keys of levels to remove.

        Looks at the side's ``touched`` levels, so it is called once after each block that
        touched the side, before those are cleared.
        """
        side, shown, depth = self.side, self._shown, self.depth
        keys, levels = side.keys, side.levels
        edge = keys[-depth] if len(keys) >= depth else None
        changed: list[AnyLevel] = []
        gone: list[int] = []
        for key in side.touched:
            level = levels.get(key) if edge is None or key >= edge else None
            if level is not None:
                changed.append(level)
                shown.add(key)
            elif key in shown:
                gone.append(key)
                shown.remove(key)
        if len(shown) > depth and edge is not None:
            left = [key for key in shown if key < edge]
            gone += left
            shown.difference_update(left)
        elif len(shown) < min(depth, len(keys)):
            for key in reversed(keys[-depth:]):
                if key not in shown:
                    changed.append(levels[key])
                    shown.add(key)
        return changed, gone
