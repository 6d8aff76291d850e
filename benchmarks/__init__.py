"""What hyperstream costs, measured: ratios within one run, processor time rather than wall time.

    python -m benchmarks            all of them, each in a process of its own
    python -m benchmarks.ingest     one of them; every one has --help and --json

    ingest       the node's bytes to books, against bare JSON parsing of the same lines
    apply        a diff, an update, a delivery: what each costs inside the engine
    feed         a venue's frame to a subscriber: decoding beside a bare loop, latency, memory
    prices       a price tick through distributor and indicators
    end_to_end   the writing of a line to its receipt by a gRPC client in another process
    fanout       one message to a thousand subscribers, beside grpcio's asyncio server
    storm        a thousand subscribers in the same second, each wanting everything
    memory       bytes per resting order, per market, per subscriber
    startup      a snapshot of 400,000 orders to books that can be used
    session      one WebSocket session that follows every market
    collector    pauses of Python's garbage collector with full books

``docs/performance.md`` says how to read the figures and what they were.
"""
