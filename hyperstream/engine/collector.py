"""Keeping Python's cyclic garbage collector out of the way of the books.

Books hold hundreds of thousands of objects that live long and form no garbage cycles; reference
counting frees them. A full collection visits them all: a pause of a large fraction of a second. A
collection of the young visits what was made since the last one, which while a block is being parsed
and applied is that block: half a millisecond, or two of the middle generation, in the one place
where every subscriber waits. So collections are made when the engine has nothing to do: of the young
after a block, of the middle generation every second or so. The automatic ones are left for times
when it never rests. Nothing is collected while a snapshot is being loaded, and what it loaded is set
aside altogether. docs/performance.md has the figures.
"""

import gc

from attrs import define

# Collect by itself only after so many net allocations (young), so many of those (middle), and so many of
# these (oldest): a daemon that rests never gets there.
THRESHOLDS = (50_000, 10, 1_000)
MIDDLE_EVERY = 16


@define(eq=False)
class IdleCollector:
    """Collects a little whenever there is time."""

    _rests: int = 0

    def rest(self) -> None:
        """Nothing waits to be applied: a good moment."""
        if not gc.isenabled():
            return
        self._rests += 1
        gc.collect(1 if self._rests % MIDDLE_EVERY == 0 else 0)


def relax_collector() -> None:
    """Leave collecting to moments of rest; called once, when the engine starts."""
    gc.set_threshold(*THRESHOLDS)


def pause_collector() -> None:
    """Collect nothing: a snapshot is being loaded, which makes much and leaves no garbage."""
    gc.disable()


def set_books_aside() -> None:
    """Never visit again what is alive now, and collect as before; called after books were loaded."""
    gc.freeze()
    gc.enable()


def resume_collector() -> None:
    """Collect as before: a snapshot broke off."""
    gc.enable()
