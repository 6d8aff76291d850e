"""What a market is: exact decimals, order books, aggregation, trades, bars, indicators.

Plain synchronous code. It knows no Trio, no clock, no I/O and no wire format: time and
bytes are handed in as values, and what changed is handed back.
"""
