"""The commands as people and scripts use them: help, exit codes, plain lines, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import held_port

from .program import Daemon, Program, run, simulated_node

TOPICS = ("book", "bbo", "trades", "orders")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a daemon over a simulated node; yields its address."""
    data_dir = tmp_path_factory.mktemp("served") / "data"
    with (
        simulated_node(data_dir, "--rate", "60") as (_, url),
        Daemon({"node.data_dir": data_dir, "node.info_url": url}) as daemon,
    ):
        daemon.wait_event("books loaded")
        yield f"127.0.0.1:{daemon.port()}"


@pytest.mark.parametrize("command", [[], ["run"]], ids=["hyperstream", "run"])
def test_help_exits_with_0_and_has_an_example(command: list[str]) -> None:
    """Of the installed program; each command's help is looked at in ``tests/cli/test_help.py``."""
    program = run(*command, "--help")
    assert program.process.returncode == 0
    usage, *after_usage = program.output
    assert usage.startswith(" ".join(["Usage: hyperstream", *command]))
    assert any("hyperstream run --" in line for line in after_usage), "no example"


def test_the_demo_prints_plain_lines_and_says_that_books_are_equal() -> None:
    program = run("demo", "--seconds", "1")
    assert program.process.returncode == 0, program.told()
    told = "".join(program.output)
    assert "\x1b" not in told
    assert "books equal the node's: yes" in told
    assert "exit code 0" in told


def test_simulate_writes_as_many_blocks_as_asked(tmp_path: Path) -> None:
    program = run("simulate", "node", "--data-dir", str(tmp_path), "--blocks", "20", "--rate", "0")
    assert program.process.returncode == 0, program.told()
    (diffs,) = tmp_path.glob("node_raw_book_diffs_by_block/hourly/*/*")
    heights = [json.loads(line)["block_number"] for line in diffs.read_text().splitlines()]
    assert heights == list(range(heights[0], heights[0] + 20))
    assert f"stopped at height {heights[-1]}: 20 blocks" in program.output[-1]


@pytest.mark.parametrize("topic", TOPICS)
def test_watch_prints_one_json_object_a_line(target: str, topic: str) -> None:
    program = run("watch", topic, "BTC", "ETH", "--json", "--count", "8", "--target", target)
    assert program.process.returncode == 0, program.told()
    assert len(program.output) == 8
    events = [json.loads(line) for line in program.output]
    assert {event["symbol"] for event in events} <= {"BTC", "ETH"}
    assert all(event["epoch"] and event["event"] for event in events)


def test_an_unknown_symbol_is_exit_1_with_the_servers_sentence(target: str) -> None:
    program = run("watch", "book", "DOGEBTC", "--target", target)
    assert program.process.returncode == 1
    (sentence,) = program.errors
    assert sentence.startswith("Error: ")
    assert "DOGEBTC" in sentence


@pytest.mark.parametrize("options", [["--no-reconnect"], ["--json"]])
def test_no_server_is_exit_1_with_a_sentence(options: list[str]) -> None:
    with held_port() as port:
        target = f"127.0.0.1:{port}"
        program: Program = run("watch", "book", "BTC", "--target", target, *options)
    assert program.process.returncode == 1
    assert target in program.errors[-1]
    assert "Traceback" not in program.told()
