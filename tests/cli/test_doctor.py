"""``hyperstream doctor`` finds what stands between settings and a daemon that works, and says what to do."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
import trio
from attrs import evolve
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.cli.checkup import BAD, GOOD, WARNING, Finding, look, newest_envelope
from hyperstream.config import (
    FeedsSettings,
    GrpcSettings,
    HttpSettings,
    ListenAddress,
    NodeSettings,
    Settings,
    WebSocketSettings,
)
from hyperstream.testing import FakeNode

FREE = ListenAddress("127.0.0.1", 0)
NOBODY = "http://127.0.0.1:9/info"


def settings_for(data_dir: Path, info_url: str = NOBODY, snapshot: str = "auto") -> Settings:
    return Settings(
        node=NodeSettings(data_dir=data_dir, info_url=info_url, snapshot=snapshot),
        feeds=FeedsSettings.none(),
        grpc=GrpcSettings(listen=FREE),
        websocket=WebSocketSettings(listen=FREE),
        http=HttpSettings(listen=FREE),
    )


async def examine(settings: Settings) -> dict[str, Finding]:
    with trio.fail_after(60):
        return {finding.what: finding for finding in await look(settings)}


def now_writing(data_dir: Path, layout: str = "by_block", late_seconds: int = 3) -> FakeNode:
    """A node that wrote some blocks just now, so much later than their time."""
    start_ns = time.time_ns() - late_seconds * 1_000_000_000
    node = FakeNode(data_dir, layout=layout, markets=["BTC", "ETH"], start_time_ns=start_ns)
    for block in node.prepare(20):
        node.write_prepared(block)
    node.close()
    return node


def grow_old(data_dir: Path, seconds: float) -> None:
    """Let its files look as if nothing had been written for so long."""
    written = time.time() - seconds
    for path in data_dir.glob("node_*/hourly/*/*"):
        os.utime(path, (written, written))


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
async def test_with_a_node_that_writes_everything_is_good(tmp_path: Path, layout: str) -> None:
    node = now_writing(tmp_path, layout)
    async with node.serve_info() as url:
        found = await examine(settings_for(tmp_path, url))
    assert {finding.what for finding in found.values() if finding.verdict == BAD} == set()
    assert f"layout {layout}" in found["node's files"].seen
    assert f"block {node.height}" in found["node's diffs"].seen
    assert found["clock"].verdict == GOOD
    assert found["info server"].verdict == GOOD
    assert found["snapshot"].verdict == GOOD
    assert {found[f"{server} port"].verdict for server in ("grpc", "websocket", "http")} == {GOOD}


async def test_without_a_node_it_says_what_to_start_it_with(tmp_path: Path) -> None:
    found = await examine(settings_for(tmp_path))
    assert found["node's files"].verdict == BAD
    assert "--write-raw-book-diffs" in found["node's files"].advice
    assert found["info server"].verdict == BAD
    assert "--serve-info" in found["info server"].advice


async def test_books_that_start_from_a_file_or_empty_need_no_info_server(tmp_path: Path) -> None:
    found = await examine(settings_for(tmp_path, snapshot="none"))
    assert (found["info server"].verdict, found["snapshot"].verdict) == (WARNING, WARNING)
    found = await examine(settings_for(tmp_path, snapshot=str(tmp_path / "no such file")))
    assert found["snapshot"].verdict == BAD


async def test_single_events_and_missing_flags_are_named(tmp_path: Path) -> None:
    node = FakeNode(tmp_path / "events", layout="per_event", markets=["BTC"])
    node.step()
    node.close()
    found = await examine(settings_for(tmp_path / "events"))
    assert "--batch-by-block" in found["node's files"].advice
    now_writing(tmp_path / "blocks")
    (tmp_path / "blocks" / "node_order_statuses_by_block").rename(tmp_path / "elsewhere")
    found = await examine(settings_for(tmp_path / "blocks"))
    assert found["node's statuses"].verdict == WARNING
    assert "--write-order-statuses" in found["node's statuses"].advice


async def test_a_node_that_has_stopped_is_told_from_one_that_writes(tmp_path: Path) -> None:
    now_writing(tmp_path)
    grow_old(tmp_path, 3600)
    found = await examine(settings_for(tmp_path))
    assert found["node's diffs"].verdict == BAD
    assert "nothing was written for 3,600 s" in found["node's diffs"].seen
    assert found["node's fills"].verdict == GOOD, "of these there may be none for a while"


@pytest.mark.parametrize(
    ("late_seconds", "verdict", "words"), [(-5, BAD, "in the future"), (60, WARNING, "still catching up")]
)
async def test_the_clock_is_held_against_the_chains(
    tmp_path: Path, late_seconds: int, verdict: str, words: str
) -> None:
    now_writing(tmp_path, late_seconds=late_seconds)
    found = await examine(settings_for(tmp_path))
    assert found["clock"].verdict == verdict
    assert words in found["clock"].seen + found["clock"].advice


async def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = ListenAddress("127.0.0.1", taken.getsockname()[1])
        settings = evolve(settings_for(tmp_path), grpc=GrpcSettings(listen=listen))
        found = await examine(settings)
    assert found["grpc port"].verdict == BAD
    assert "grpc.listen" in found["grpc port"].advice


async def test_an_exchange_that_cannot_be_reached_is_only_a_warning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as exchange:
        feeds = FeedsSettings()
        reached = evolve(feeds.binance, url=f"ws://127.0.0.1:{exchange.getsockname()[1]}/stream")
        away = evolve(feeds.bybit, url="ws://127.0.0.1:9/v5")
        feeds = evolve(FeedsSettings.none(), binance=reached, bybit=away)
        found = await examine(evolve(settings_for(tmp_path), feeds=feeds))
    assert found["feed binance"].verdict == GOOD
    assert found["feed bybit"].verdict == WARNING
    assert "feeds.bybit.enabled" in found["feed bybit"].advice
    assert "feed hyperliquid" not in found


@pytest.mark.parametrize("text", [b"", b"no line of a node\n", b'{"local_time":"2026', b'{"local_time":}\n'])
def test_a_file_without_a_whole_line_has_no_newest_envelope(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "17").write_bytes(text)
    assert newest_envelope(tmp_path / "17") is None


def test_the_command_prints_lines_or_objects_and_exits_with_1_if_something_is_bad(tmp_path: Path) -> None:
    free = [f"--set={server}.listen=127.0.0.1:0" for server in ("grpc", "websocket", "http")]
    feeds = ("binance", "binance_futures", "hyperliquid", "bybit")
    off = [f"--set=feeds.{feed}.enabled=false" for feed in feeds]
    arguments = ["doctor", f"--set=node.data_dir={tmp_path}", f"--set=node.info_url={NOBODY}", *free, *off]
    plain = CliRunner().invoke(main, arguments)
    assert plain.exit_code == 1
    assert "✗ node's files" in plain.output
    assert "to mend" in plain.output
    as_json = CliRunner().invoke(main, [*arguments, "--json"])
    findings = [json.loads(line) for line in as_json.output.splitlines()]
    assert {"what": "grpc port", "verdict": "good", "seen": "127.0.0.1:0 is free", "advice": ""} in findings
    good = CliRunner().invoke(main, [*arguments, "--set=node.enabled=false"])
    assert good.exit_code == 0
    assert CliRunner().invoke(main, ["doctor", "--set=node.nothing=1"]).exit_code == 2
