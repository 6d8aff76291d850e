"""Hyperliquid's dialect: subscriptions, ``post`` and ``/info`` as its clients know them, from our own books.

- ``requests.py`` checks what a client asks for, and spells it as the venue echoes it;
- ``dialect.py`` is one session's conversation;
- ``streams.py`` finds the topics of a request; ``formats.py`` are the spellings a session may need;
- ``info.py`` answers info requests; ``mids.py`` tells the mid prices of all markets.
"""
