"""``hyperstream run`` as an operator meets it: a process, signals, exit codes, what it writes."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.testing import FakeNode
from tests.processes import started

LISTENING = "gRPC is listening"
TIMEOUT_SECONDS = 60


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory in which a node has written a few blocks."""
    node = FakeNode(tmp_path / "data", markets=["BTC"])
    for _ in range(3):
        node.step()
    node.close()
    return tmp_path / "data"


FREE_PORTS = tuple(
    word for server in ("grpc", "websocket", "http") for word in ("--set", f"{server}.listen=127.0.0.1:0")
)
NO_FEEDS = [
    part
    for venue in ("binance", "binance_futures", "hyperliquid", "bybit")
    for part in ("--set", f"feeds.{venue}.enabled=false")
]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``hyperstream run``."""
    with started("run", *FREE_PORTS, *NO_FEEDS, *arguments, stderr=subprocess.PIPE) as process:
        yield process


def wait_for_event(process: subprocess.Popen[str], event: str) -> dict[str, object]:
    """Read the process's JSON log until an event of this name; fail if the log ends before."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        told: dict[str, object] = json.loads(line)
        if told["event"] == event:
            return told
    raise AssertionError(f"{event!r} was never logged:\n{''.join(seen)}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains_and_exits_with_0(data_dir: Path, number: signal.Signals) -> None:
    with running("--set", f"node.data_dir={data_dir}", "--set", "node.snapshot=none") as process:
        wait_for_event(process, LISTENING)
        process.send_signal(number)
        assert wait_for_event(process, "stopped")["exit_code"] == 0
        assert process.wait(TIMEOUT_SECONDS) == 0


def test_settings_come_from_the_file(tmp_path: Path, data_dir: Path) -> None:
    path = tmp_path / "hyperstream.toml"
    path.write_text(f'[node]\ndata_dir = "{data_dir}"\nsnapshot = "none"\n[log]\nlevel = "debug"\n')
    with running("--config", str(path)) as process:
        wait_for_event(process, LISTENING)
        process.terminate()
        assert process.wait(TIMEOUT_SECONDS) == 0


def test_a_bad_configuration_exits_with_2_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "hyperstream.toml"
    path.write_text("[node]\ndata_dri = 1\n[grpc]\nenabled = 1\n")
    result = CliRunner().invoke(main, ["run", "--config", str(path)])
    assert result.exit_code == 2
    assert result.stdout == ""
    heading, *lines = result.stderr.splitlines()
    assert heading == "The configuration cannot be used:"
    assert len(lines) == 2
    assert "did you mean node.data_dir?" in lines[0]


def test_an_unknown_option_is_usage_and_exits_with_2() -> None:
    assert CliRunner().invoke(main, ["run", "--confg", "x"]).exit_code == 2
