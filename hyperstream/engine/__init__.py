"""Drives the markets: applies what the sources hand over, and publishes what changed.

One engine owns every book. Applying a block is one synchronous call, so whoever looks at a market
between two calls sees it as it stands after a block.
"""
