"""hyperstream: market data from a Hyperliquid node, streamed to whoever subscribes.

The rooms, outermost first; imports only ever point down this list:

    cli         the commands: run, demo, watch, simulate, replay, config
    app         the whole daemon on one page (lifecycle: how it ends)
    servers     edges where subscribers connect: grpc
    sources     where data comes from: node (the files a node writes)
    engine      drives the markets: applies what the sources hand over, publishes what changed
    hub         topics, subscriptions, delivery contracts
    wire        how it all looks as bytes: node lines, snapshots, protobuf
    market      what a market is: decimals, books, aggregation, trades

Beside them: ``config`` and ``settings`` (what can be set), ``errors``, ``logs``, ``v1`` (messages
generated from proto/), and ``testing`` (a fake node, for our tests and yours).
docs/architecture.md says how data flows and why things are as they are.
"""
