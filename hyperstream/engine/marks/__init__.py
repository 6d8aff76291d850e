"""Mark prices: the node's markets and what exchanges tell in, a price a second out.

    keeper    the markets whose marks somebody follows, and the clock
    mark      one market: gathers what its mark is made of, and publishes it
    quoted    what one venue tells of a market: wanted from its feed, read, and left out when it is old

The formula is ``market/mark_price.py``. Nothing is computed that nobody asked for.
"""
