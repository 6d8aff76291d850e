"""The WebSocket gateway: programs written for a venue's socket, served from the hub.

- ``server.py`` accepts, limits, sweeps and drains; ``connection.py`` is one socket from first byte to last;
- ``transport.py`` writes without waiting, with or without TLS;
- ``http.py`` reads requests and answers those that are no handshake; ``handshake.py`` judges those that are;
- ``session.py`` is one WebSocket: frames in (``inbox.py``), messages out, under its subscriptions' contracts;
- ``deflate.py`` is permessage-deflate, bounded;
- ``hyperliquid/`` and ``topics/`` are the dialects spoken on it.
"""
