"""The installed daemon's gateway and the programs people already have: unmodified, they see the node's truth.

They come with ``make clients``; the TypeScript SDK does where there is Node.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.ports import held_port

from .program import Daemon, Program
from .stage import Stage, in_thread, staged

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("clients")
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
NODE = shutil.which("node")
TYPESCRIPT_SDK = PROGRAMS / "node_modules" / "@nktkas" / "hyperliquid"

needs_clients = pytest.mark.skipif(not PYTHON.exists(), reason="run `make clients` first")
needs_node = pytest.mark.skipif(
    NODE is None or not TYPESCRIPT_SDK.exists(),
    reason="run `make clients` where node (20.19 or later) and npm are installed",
)
FREE = {"websocket.listen": "127.0.0.1:0", "websocket.all_mids_seconds": 0.1}
MARKETS = ("BTC", "ETH", "@107")


@pytest.fixture
def fixed_ports() -> Iterator[dict[str, Any]]:
    """Settings of a daemon that is found again where it was, however often it is restarted."""
    with held_port() as grpc_port, held_port() as port:
        yield {**FREE, "grpc.listen": f"127.0.0.1:{grpc_port}", "websocket.listen": f"127.0.0.1:{port}"}


def python_client(name: str, *arguments: str) -> Program:
    return Program(str(PROGRAMS / name), *arguments, start=[str(PYTHON)])


def node_client(*arguments: str) -> Program:
    flags = ["--experimental-websocket", "--no-warnings"]
    return Program(str(PROGRAMS / "nktkas.mjs"), *arguments, start=[str(NODE), *flags])


async def told(program: Program, is_wanted: Callable[[Any], object], what: str) -> Any:
    """Wait for a line of JSON that the program writes."""

    def read(line: str) -> Any:
        try:
            return json.loads(line)
        except ValueError:
            return None

    line = await in_thread(lambda: program.wait_for(lambda text: is_wanted(read(text) or {}), what))
    return read(line)


async def keep_stepping(stage: Stage) -> None:
    """Let the market move until cancelled."""
    while True:
        stage.step()
        await trio.sleep(0.02)


def top(stage: Stage, coin: str, depth: int = 5) -> list[list[tuple[float, float]]]:
    """The best levels that the node's book truly has."""
    book = stage.node.truth(coin, depth)
    return [[(float(price), float(size)) for price, size, _ in side] for side in (book.bids, book.asks)]


def levels(book: dict[str, Any], depth: int = 5) -> list[list[tuple[float, float]]]:
    """The same of an l2Book message."""
    return [[(float(level["px"]), float(level["sz"])) for level in side[:depth]] for side in book["levels"]]


def mid(stage: Stage, coin: str) -> Decimal:
    """The mid price of the book that the node truly has."""
    book = stage.node.truth(coin, 1)
    return (Decimal(book.bids[0][0]) + Decimal(book.asks[0][0])) / 2


def time_ms(message: Any) -> int:
    """The time of a message about a market, of its last trade if it is one of trades."""
    return int((message[-1] if isinstance(message, list) else message)["time"])


async def moved(stage: Stage, blocks: int = 60) -> None:
    """Let the market move for a while, and the daemon see it."""
    await stage.steps(blocks)
    await stage.caught_up()


@needs_clients
async def test_hyperliquids_own_sdk_sees_the_nodes_books_and_trades(tmp_path: Path) -> None:
    kinds = ("l2Book", "trades", "bbo")
    wishes = [json.dumps({"type": kind, "coin": "BTC"}) for kind in kinds]
    wishes += ['{"type":"allMids"}', '{"type":"candle","coin":"BTC","interval":"1m"}']
    async with staged(tmp_path, markets=MARKETS, settings=FREE) as stage:
        base_url = f"http://127.0.0.1:{await in_thread(stage.daemon.gateway_port)}"
        with python_client("hyperliquid_sdk.py", base_url, *wishes) as sdk:
            first = await told(sdk, lambda line: "coins" in line, "the SDK's start")
            assert {"BTC", "ETH", "@107"} <= set(first["coins"])
            assert {"BTC", "ETH", "@107"} <= set(first["mids"])
            await told(sdk, lambda line: line.get("channel") == "l2Book", "a book")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_stepping, stage)
                for kind in (*kinds, "allMids", "candle"):
                    await told(sdk, lambda line, kind=kind: line.get("channel") == kind, kind)  # type: ignore[misc]
                nursery.cancel_scope.cancel(reason="everything came")
            await moved(stage)
            truth = top(stage, "BTC")
            is_true = lambda line: line.get("channel") == "l2Book" and levels(line["data"]) == truth  # noqa: E731
            await told(sdk, is_true, "the true book")


@needs_clients
async def test_ccxt_sees_the_nodes_books_and_trades_and_survives_a_restart(
    tmp_path: Path, fixed_ports: dict[str, Any]
) -> None:
    async with staged(tmp_path, markets=MARKETS, settings=fixed_ports) as stage:
        port = await in_thread(stage.daemon.gateway_port)
        with python_client("ccxt_hyperliquid.py", f"http://127.0.0.1:{port}", "BTC") as ccxt:
            await told(ccxt, lambda line: "book" in line, "a book")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_stepping, stage)
                trade = (await told(ccxt, lambda line: "trade" in line, "a trade"))["trade"]
                assert {"id", "price", "amount", "side"} == set(trade)
                nursery.cancel_scope.cancel(reason="everything came")
            await _restarted(stage)
            await moved(stage)
            truth = [[list(level) for level in side] for side in top(stage, "BTC")]
            await told(ccxt, lambda line: line.get("book") == truth, "the true book")


@needs_node
async def test_the_typescript_sdk_is_answered_refused_and_survives_a_restart(
    tmp_path: Path, fixed_ports: dict[str, Any]
) -> None:
    async with staged(tmp_path, markets=MARKETS, settings=fixed_ports) as stage:
        port = await in_thread(stage.daemon.gateway_port)
        with node_client(f"http://127.0.0.1:{port}", "BTC") as sdk:

            async def hears(kind: str, is_wanted: Callable[[Any], object] = bool) -> Any:
                is_it = lambda line: line.get("kind") == kind and is_wanted(line["data"])  # noqa: E731
                return (await told(sdk, is_it, kind))["data"]

            await hears("subscribed")
            assert "no market is called 'NOPE'" in await hears("refused")
            assert {"BTC", "ETH", "@107"} <= set(await hears("mids"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_stepping, stage)
                for kind in ("l2Book", "trades", "bbo", "allMids"):
                    await hears(kind)
                nursery.cancel_scope.cancel(reason="everything came")
            await _restarted(stage)
            restart_ms = stage.truth.block_times[stage.node.height] // 1_000_000
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_stepping, stage)
                for kind in ("l2Book", "trades", "bbo"):
                    await hears(kind, lambda data: time_ms(data) > restart_ms)
                nursery.cancel_scope.cancel(reason="everything came again")
            await moved(stage)
            truth, true_mid = top(stage, "BTC"), mid(stage, "BTC")
            await hears("l2Book", lambda data: levels(data) == truth)
            await hears("allMids", lambda data: Decimal(data["mids"]["BTC"]) == true_mid)


async def _restarted(stage: Stage) -> None:
    """End the daemon as systemd does, and start another one with the same settings."""
    stage.daemon.process.send_signal(signal.SIGTERM)
    assert await in_thread(stage.daemon.wait) == 0
    stage.daemon = Daemon(stage.settings)
    await in_thread(stage.daemon.gateway_port)
