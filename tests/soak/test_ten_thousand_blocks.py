"""Ten thousand blocks with trouble and restarts: a foreign client is never wrong without being told."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.program import Daemon, Program, simulated_node
from tests.ports import held_port

BLOCKS = 10_000
FIRST_HEIGHT = 985_000_001
LAST_HEIGHT = FIRST_HEIGHT + BLOCKS - 1
BLOCKS_PER_SECOND = 50
FAULTS = ("torn:0.01", "late:0.005", "repeated:0.003", "rollover:0.002", "vanished:0.002")
RESTARTS = (signal.SIGTERM, signal.SIGKILL) * 3
SEGMENT_SECONDS = 120.0  # a segment between two restarts takes a quarter of it
SUBSCRIBER = [sys.executable, "-m", "tests.soak.follower"]


@pytest.mark.soak
@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_every_book_is_the_nodes_through_trouble_and_restarts(tmp_path: Path, layout: str) -> None:
    began = time.monotonic()
    truth = tmp_path / "truth.jsonl"
    truth.touch()
    node_arguments = [
        *("--layout", layout, "--blocks", str(BLOCKS), "--rate", str(BLOCKS_PER_SECOND)),
        *("--truth", str(truth), "--truth-depth", "1000"),
        *(part for fault in FAULTS for part in ("--fault", fault)),
    ]
    follower_arguments = ["--truth", str(truth), "--last-height", str(LAST_HEIGHT)]
    with (
        held_port() as port,
        simulated_node(tmp_path / "data", *node_arguments) as (node, url),
        Program("--port", str(port), *follower_arguments, start=SUBSCRIBER) as follower,
    ):
        settings = {
            "node.data_dir": tmp_path / "data",
            "node.info_url": url,
            "grpc.listen": f"127.0.0.1:{port}",
        }
        for number, how in enumerate(RESTARTS, start=1):
            with Daemon(settings) as daemon:
                wait_height(follower, FIRST_HEIGHT + number * BLOCKS // (len(RESTARTS) + 1))
                daemon.process.send_signal(how)
                assert daemon.wait() == (0 if how is signal.SIGTERM else -signal.SIGKILL), daemon.told()
        with Daemon(settings) as daemon:
            told = follower.wait_for(lambda line: "done" in line, "the end", SEGMENT_SECONDS)
            assert follower.wait() == 0, follower.told()
            daemon.process.terminate()
            assert daemon.wait() == 0, daemon.told()
            assert not daemon.entries("error")
        assert node.wait() == 0, node.told()
    counts = json.loads(told)["done"]
    seconds = time.monotonic() - began
    print(f"\n{layout}: {BLOCKS} blocks, {len(RESTARTS)} restarts, {seconds:.0f} s; {counts}")
    markets = counts["equal at the end"]
    assert markets == 8
    assert counts["connections"] == len(RESTARTS) + 1
    assert counts["doubtful"] == 0
    assert counts["GAP_REASON_RESTART"] >= markets * len(RESTARTS)
    assert counts["gap"] == counts["GAP_REASON_RESTART"] + counts.get("GAP_REASON_SLOW_CONSUMER", 0)
    assert counts["compared"] > BLOCKS


def wait_height(follower: Program, height: int) -> None:
    """Wait until the subscriber has come so far."""

    def is_there(line: str) -> bool:
        return line.startswith('{"height"') and int(json.loads(line)["height"]) >= height

    follower.wait_for(is_there, f"block {height}", SEGMENT_SECONDS)
