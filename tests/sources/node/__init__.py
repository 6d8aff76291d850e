"""Tests of the node source, with ``node_lines`` writing what a node writes."""
