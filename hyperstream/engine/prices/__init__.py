"""Prices: what feeds and the node tell of markets in, prices, bars and indicators out.

    engine        takes the items of all venues, publishes in batches, opens and retires series
    market        one market: its newest values, its history of trades, who computes from them
    instances     one indicator at work, shared by all who ask for it
    bar_stream    the bars of one interval
    series        a series and its topic
    demands       what of the venues is wanted upstream, counted
    offers        what a venue can be asked for
    newest        for who reads the newest values of a topic
    venue_clock   what time it is at a venue
    venues        how the venues are doing, and what they list
    node_market   the node's own markets, told like those of a venue

Synchronous but for ``engine``'s two loops. Nothing is computed that nobody asked for.
"""
