"""Exchange feeds: each venue a source that hands over what it tells, in batches.

One ``Feed`` a venue, all of them started by ``Feeds``:

- ``venue.py`` says what a venue must define; ``binance.py``, ``binance_futures.py``, ``hyperliquid.py`` and
  ``bybit.py`` define it: names of streams, connections, limits, lists of instruments;
- ``feed.py`` turns demand into streams; ``lines.py`` carries them on as few connections as can be, each a
  ``line.py`` with its decoder;
- ``making.py`` and ``streams.py`` turn messages into items, ``outbox.py`` hands them over;
- ``rest.py`` asks politely, ``listing.py`` knows what the venue lists and
  ``list_keeper.py`` keeps it current, ``snapshots.py`` and ``books.py``
  keep books in step, ``gaps.py`` and ``refusals.py`` tell what is missed or not served.
"""
