"""Keeping Python's cyclic garbage collector out of the way of the books.

Books hold hundreds of thousands of objects that live long and form no garbage cycles; reference
counting frees them. A full collection visits them all: a pause of a large fraction of a second.
A collection of the young visits what was made since the last one, and is a pause of its own if that
is much: 50,000 objects take 30 to 40 ms on cold caches. So the young are collected often and few at
a time, the oldest generation hardly ever, nothing while a snapshot is being loaded, and what
it loaded is set aside altogether. docs/performance.md has the figures.
"""

import gc

# Collect the young after this many net allocations, the middle generation after 10 of those, and
# the oldest after 1000 of these.
THRESHOLDS = (1_000, 10, 1_000)


def relax_collector() -> None:
    """Make collections short and full ones rare; called once, when the engine starts."""
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
