"""Where market data comes from: the files of a Hyperliquid node (``node``)."""
