"""hyperstream: market data from a Hyperliquid node, streamed to whoever subscribes.

The rooms, outermost first; imports only ever point down this list:

    cli         the commands: run, demo, watch, simulate, replay, config
    app         the whole daemon on one page (lifecycle: how it ends)
    figures     what the daemon knows of itself: metrics, status
    servers     edges where others connect: grpc, websocket, http
    sources     where data comes from: node (the files a node writes), exchanges
    engine      drives the markets: applies what the sources hand over, publishes what changed
    hub         topics, subscriptions, delivery contracts
    sockets     the WebSocket client that stays connected, useful without the rest
    wire        how it all looks as bytes: node lines, venues' frames, protobuf, JSON
    market      what a market is: decimals, books, aggregation, trades, bars, indicators

Beside them: ``config`` and ``settings`` (what can be set), ``errors``, ``logs``, ``v1`` (messages
generated from proto/), and ``testing`` (a fake node and fake exchanges, for our tests and yours).
docs/architecture.md says how data flows and why things are as they are.
"""
