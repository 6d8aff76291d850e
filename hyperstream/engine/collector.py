"""Keeping Python's cyclic garbage collector out of the way of the books.

Books hold hundreds of thousands of objects that live long and form no garbage cycles, but every
full collection visits them all: a pause of a large fraction of a second. Reference counting frees
them without it. So young objects are still collected, in larger batches, the oldest generation
hardly ever, and what a snapshot loaded is set aside altogether.
"""

import gc

# Collect the young after this many net allocations, the middle generation after 20 of those, and
# the oldest after 1000 of these: about once in a thousand million allocations.
THRESHOLDS = (50_000, 20, 1_000)


def relax_collector() -> None:
    """Make collections rare; called once, when the engine starts."""
    gc.set_threshold(*THRESHOLDS)


def set_books_aside() -> None:
    """Never visit again what is alive now; called after books were loaded."""
    gc.freeze()
