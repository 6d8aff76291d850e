"""Where recorded mainnet blocks are, for the tests that use them when they are there.

They lie in a folder ``hyperliquid-btc-20260505`` in the directory that ``HYPERSTREAM_DATA`` names, or in
``../shared/data`` beside the project. Nothing of them is part of the project.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORDED = Path(os.environ.get("HYPERSTREAM_DATA") or ROOT.parent / "shared" / "data")
BTC = RECORDED / "hyperliquid-btc-20260505"

needs_recording = pytest.mark.skipif(
    not BTC.is_dir(), reason=f"no recorded blocks at {BTC}; HYPERSTREAM_DATA names the directory they are in"
)
