"""The example of docs/sockets.md runs, without a network, and shows what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sockets_ticker.py"


def test_the_example_shows_a_feed_that_survives_being_cut_off() -> None:
    result = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    ticks = [line for line in lines if line.startswith("BTC ")]
    assert len(ticks) >= 12
    assert sum(line.startswith("Gap(keys=('BTC',)") for line in lines) >= 2
    assert sum(line.startswith("Restored(keys=('BTC',)") for line in lines) >= 2
    assert any("closed with 1012 service restart: restarting" in line for line in lines)
