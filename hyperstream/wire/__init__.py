"""How market data looks as bytes: node lines, L4 snapshots, protobuf.

Bytes in, values out, and the other way round. No I/O, no clock, no Trio.
"""
