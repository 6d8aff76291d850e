"""``hyperstream simulate node`` as an operator runs it."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hyperstream.cli.simulate import command
from tests.processes import PATIENCE_SECONDS, printing


def _simulate(*arguments: object) -> Result:
    return CliRunner().invoke(command, ["node", *map(str, arguments)])


def test_it_writes_blocks_and_a_truth_file_and_sums_up(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    result = _simulate(
        "--data-dir", tmp_path / "hl", "--blocks", 20, "--rate", 0, "--symbols", "BTC,@107",
        "--layout", "both", "--truth", truth, "--truth-depth", 5, "--info-port", 0,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "info      http://127.0.0.1:" in result.output
    assert "20 blocks" in result.output.splitlines()[-1]
    folders = sorted(path.name for path in (tmp_path / "hl").iterdir())
    assert folders == sorted(
        f"node_{stem}_{layout}"
        for stem in ("fills", "order_statuses", "raw_book_diffs")
        for layout in ("by_block", "streaming")
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [line["height"] for line in lines] == list(range(985_000_001, 985_000_021))
    book = next(line["books"]["BTC"] for line in lines if "BTC" in line["books"])
    assert len(book["bids"]) == 5
    assert [type(part) for part in book["asks"][0]] == [str, str, int]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--data-dir", "x", "--fault", "nonsense:1"],
        ["--data-dir", "x", "--symbols", "A/B"],
        ["--data-dir", "x", "--symbols", "BTC", "--markets", "3"],
        ["--data-dir", "x", "--layout", "per_event"],
        ["--data-dir", "x", "--rate", "-1"],
    ],
)
def test_bad_usage_exits_with_2(arguments: list[str]) -> None:
    assert _simulate(*arguments).exit_code == 2


def test_a_directory_that_cannot_be_written_exits_with_1_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = _simulate("--data-dir", tmp_path / "file" / "hl", "--blocks", 1)
    assert result.exit_code == 1
    assert "Not a directory" in result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    arguments = ["simulate", "node", "--data-dir", str(tmp_path / "hl"), "--truth", str(tmp_path / "truth")]
    with printing(*arguments) as (process, lines):
        while not list((tmp_path / "hl").glob("*/hourly/*/*")):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        output = lines.read()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert output.splitlines()[-1].startswith("stopped at height ")
