"""A fake node in this process, the daemon beside it, and a client of the daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import trio
from attrs import define

from hyperstream.testing import Block, FakeNode, Fault

from .client import Client
from .program import PATIENCE_SECONDS, Daemon
from .truth import TruthLog

in_thread = trio.to_thread.run_sync

MARKETS = ("BTC", "ETH", "@107", "PURR/USDC", "xyz:XYZ100")
EVENING_NS = 1_778_018_340_000_000_000  # 2026-05-05 21:59 UTC: two hours later is another day
# Enough for the whole of a test, so that a busy machine is not taken for a slow subscriber.
ROOMY = {"grpc.max_subscriber_queue_messages": 1_000_000, "grpc.max_subscriber_queue_bytes": 1 << 30}


@define(eq=False)
class Stage:
    """The parts; ``settings`` are the daemon's, to start another one on the same files."""

    node: FakeNode
    truth: TruthLog
    settings: dict[str, Any]
    daemon: Daemon
    client: Client

    def step(self, *faults: Fault) -> Block:
        """Let the node make one block with these faults."""
        for fault in faults:
            self.node.inject(fault)
        block = self.node.step()
        self.truth.record(block)
        return block

    async def steps(self, blocks: int) -> None:
        """Let the node make some blocks, as fast as it can."""
        for _ in range(blocks):
            self.step()
            await trio.lowlevel.checkpoint()

    async def caught_up(self) -> None:
        """Wait until the daemon has applied the node's last block; what faults hold back is written."""
        self.node.settle()
        await wait_height(self.client, self.node.height)


async def wait_height(client: Client, height: int) -> None:
    """Wait until the daemon has applied this block."""
    with trio.fail_after(PATIENCE_SECONDS):
        while await height_of(client) < height:  # noqa: ASYNC110 - another process brings it about
            await trio.sleep(0.005)


async def height_of(client: Client) -> int:
    """The last block the daemon has applied, 0 while it loads its books."""
    try:
        return int((await in_thread(lambda: client.call("GetMarkets"))).height)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return 0


@asynccontextmanager
async def staged(
    directory: Path,
    layout: str = "by_block",
    *,
    seed: int = 1,
    markets: Sequence[str] = MARKETS,
    start_time_ns: int | None = EVENING_NS,
    settings: dict[str, Any] | None = None,
) -> AsyncIterator[Stage]:
    """Start a node and a daemon that has its books; both are gone at the end."""
    data_dir = directory / "data"
    node = FakeNode(data_dir, seed=seed, layout=layout, markets=markets, start_time_ns=start_time_ns)
    node.step()
    truth = TruthLog(node)
    async with node.serve_info() as url:
        chosen = {"node.data_dir": data_dir, "node.info_url": url, **ROOMY, **(settings or {})}
        with Daemon(chosen) as daemon:
            port = await in_thread(daemon.port)
            with Client(port) as client:
                await wait_height(client, node.height)
                stage = Stage(node, truth, chosen, daemon, client)
                try:
                    yield stage
                finally:
                    stage.daemon.end()  # another one than at the start, if the test has restarted it
    node.close()
