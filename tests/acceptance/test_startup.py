"""What the daemon needs to begin, what it says when it lacks it, and how a crash looks."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from hyperstream.testing import FakeNode
from tests.ports import held_port

from .client import Client
from .program import PATIENCE_SECONDS, Daemon, Program, simulated_node
from .stage import in_thread, staged
from .truth import View, judge

LONG_SECONDS = 600  # a drain that lasts until its deadline would outlast every test
# A part that fails as no part should: what an operator sees of a bug.
CRASHING = """
import trio
from hyperstream.sources.node.source import NodeSource

async def fail(self):
    await trio.sleep(0)
    raise ZeroDivisionError("the part that broke")

NodeSource.run = fail
from hyperstream.cli import main
main(prog_name="hyperstream")
"""


def test_a_port_that_is_taken_is_exit_2_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"node.data_dir": tmp_path, "grpc.listen": f"127.0.0.1:{port}"}
        with Daemon(settings) as daemon:
            assert daemon.wait() == 2
    assert f"port {port} is taken" in daemon.told()
    assert "grpc.listen" in daemon.told(), "the setting to change"
    assert "Traceback" not in daemon.told()


def test_an_unknown_key_is_exit_2_and_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "hyperstream.toml"
    path.write_text('[node]\ndata_dri = "/srv"\n')
    with Program("run", "--config", str(path)) as program:
        assert program.wait() == 2
    assert "node.data_dri" in program.told()
    assert "did you mean node.data_dir?" in program.told()
    assert str(path) in program.told()
    assert "Traceback" not in program.told()


def test_files_of_single_events_are_refused_naming_the_flags(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, layout="per_event", markets=["BTC"])
    node.step()
    node.close()
    with Daemon({"node.data_dir": tmp_path}) as daemon:
        assert daemon.wait() == 1
    (error,) = daemon.entries("error")
    assert "--batch-by-block" in error["event"]
    assert "--stream-with-block-info" in error["event"]
    assert "Traceback" not in daemon.told()


def info_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/info"


def test_a_data_dir_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    data_dir = tmp_path / "not" / "yet"
    with held_port() as port, Daemon({"node.data_dir": data_dir, "node.info_url": info_url(port)}) as daemon:
        daemon.wait_for(lambda line: f"waiting for {data_dir}" in line, "what is waited for")
        with simulated_node(data_dir, "--info-port", str(port)), Client(daemon.port()) as client:
            daemon.wait_event("books loaded")
            stream = client.follow("SubscribeOrderbook", ["BTC"])
            stream.wait_for(lambda: stream.of_kind("delta"), "a delta")
        daemon.process.terminate()
        assert daemon.wait() == 0


def test_a_signal_while_waiting_for_the_data_dir_ends_in_order(tmp_path: Path) -> None:
    with Daemon({"node.data_dir": tmp_path / "never", "lifecycle.drain_seconds": LONG_SECONDS}) as daemon:
        daemon.wait_for(lambda line: "waiting for" in line, "what is waited for")
        daemon.process.terminate()
        assert daemon.wait() == 0


@pytest.mark.parametrize(
    "faults", [{"hang": True}, {"half_written_seconds": 600.0, "replies_early": True}], ids=["hang", "half"]
)
async def test_a_signal_while_the_node_writes_its_snapshot_ends_in_order(
    tmp_path: Path, faults: dict[str, Any]
) -> None:
    node = FakeNode(tmp_path / "data", markets=["BTC"])
    node.step()
    for name, value in faults.items():
        setattr(node.info_faults, name, value)
    async with node.serve_info() as url:
        settings = {"node.data_dir": node.data_dir, "node.info_url": url}
        with Daemon({**settings, "lifecycle.drain_seconds": LONG_SECONDS}) as daemon:
            with trio.fail_after(PATIENCE_SECONDS):
                while not asked_for_snapshot(node, faults):  # noqa: ASYNC110 - another process asks
                    await trio.sleep(0.005)
            daemon.process.terminate()
            assert await in_thread(daemon.wait) == 0
    node.close()


def asked_for_snapshot(node: FakeNode, faults: dict[str, Any]) -> bool:
    """Whether the daemon waits for the node's snapshot now."""
    if "hang" in faults:  # one of the two requests that wait is the one for the list of markets
        return node.info_faults.requests >= 2
    return any(node.data_dir.glob("*.json"))


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_books_equal_the_nodes_after_kill_9_and_another_start(tmp_path: Path, layout: str) -> None:
    view = View()
    async with staged(tmp_path, layout) as stage:
        before = stage.client.follow("SubscribeOrderbook", **view.request())
        await stage.steps(20)
        await in_thread(before.wait_for, lambda: before.of_kind("delta"), "a delta")
        stage.daemon.process.kill()
        await in_thread(before.wait_end)
        judge(before, stage.truth, view)
        await stage.steps(20)
        with Daemon(stage.settings) as again:
            await in_thread(again.wait_event, "books loaded")
            with Client(again.port()) as client:
                resume = before.resume_points()
                after = client.follow("SubscribeOrderbook", resume=resume, **view.request())
                await in_thread(after.wait_for, lambda: len(after.heights) >= len(resume), "snapshots")
                await stage.steps(40)
                await in_thread(after.wait_heights, stage.truth.last_changes(view))
                verdict = judge(after, stage.truth, view)
                assert verdict.compared > 100
                assert sum(verdict.gaps.values()) == len(resume)


def test_a_crash_is_told_readably_and_is_no_clean_exit(tmp_path: Path) -> None:
    with Daemon({"node.data_dir": tmp_path}, start=[sys.executable, "-c", CRASHING]) as daemon:
        assert daemon.wait() == 1
    (crash,) = daemon.entries("critical")
    assert crash["event"] == "crashed"
    assert crash["exception"].endswith("ZeroDivisionError: the part that broke")
    assert "ExceptionGroup" not in crash["exception"]
    assert "/trio/_core/" not in crash["exception"]
