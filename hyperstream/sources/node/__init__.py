"""The node source: tails a Hyperliquid node's files and hands their blocks to the engine.

| file | what |
|---|---|
| ``source`` | everything together: ``NodeSource`` |
| ``layout``, ``hours``, ``seek`` | where the files are, which is the newest, where a height is |
| ``watch``, ``hourly_file``, ``tail``, ``batch`` | complete lines of one directory, as they are written |
| ``blocks``, ``reader``, ``by_block``, ``streaming…`` | lines in, blocks out: pure |
| ``follow`` | one source: tail, reader, channel |
| ``info``, ``instruments`` | the info server and the list of markets |
| ``snapshot``, ``snapshot_file``, ``supply`` | L4 snapshots: asked for, opened, handed on |
| ``statistics``, ``complaints`` | what happened, counted; what went wrong, told once |
"""

from hyperstream.sources.node.source import NodeSource
from hyperstream.sources.node.statistics import NodeStatistics, SnapshotStatistics, SourceStatistics

__all__ = ["NodeSource", "NodeStatistics", "SnapshotStatistics", "SourceStatistics"]
