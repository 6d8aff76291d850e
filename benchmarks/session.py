"""A WebSocket session that follows every market at full load: does it keep up, or is it told what it misses?

The node, the daemon and the client are processes; the client has one connection and a subscription for each
market and channel. A block is there when its last message has been read. With ``--bytes-per-second`` the
client reads no faster than that: every sequence it did not get must then have been told as merged or dropped.
"""

import tempfile
from pathlib import Path
from typing import Any

import click
import trio
from attrs import frozen

from benchmarks.measure import cpu_seconds_of, percentile, resident_bytes
from benchmarks.processes import run_daemon, run_program
from benchmarks.report import Report, Row, json_option
from hyperstream.testing import PRESETS

FIRST_BLOCKS = 3
SETTLE_SECONDS = 2.0
SUMMARY_KEYS = (
    "subscriptions",
    "block_p50_ms",
    "block_p99_ms",
    "daemon_share_percent",
    "missed",
    "missed_untold",
    "keeps_up",
)


@frozen
class Plan:
    """What is run."""

    markets: int
    load: str
    channels: str
    rate: float
    warm_up_seconds: float
    seconds: float
    bytes_per_second: float


async def run(directory: Path, plan: Plan) -> Row:
    """Start everything, measure, end everything."""
    snapshot = directory / "snapshot.json"
    warm, measured = round(plan.warm_up_seconds * plan.rate), round(plan.seconds * plan.rate)
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", plan.load),
        *("--markets", str(plan.markets), "--blocks", str(FIRST_BLOCKS + warm + measured)),
    ) as generator:
        symbols = (await generator.answer())["symbols"]
        await generator.ask(blocks=FIRST_BLOCKS, rate=plan.rate)
        async with run_daemon(directory, snapshot, "by_block") as daemon, trio.open_nursery() as nursery:
            nursery.start_soon(daemon.follow_log, name="daemon log")
            async with run_program(
                "gateway_client",
                *("--port", str(daemon.websocket_port), "--connections", "1"),
                *("--symbols", ",".join(symbols), "--channels", plan.channels),
                *("--bytes-per-second", str(plan.bytes_per_second)),
            ) as client:
                error = (await client.answer())["error"]
                if error:
                    raise click.ClickException(f"the session was refused: {error}")
                await generator.ask(blocks=warm, rate=plan.rate)
                await client.ask(ask="begin")
                used = cpu_seconds_of(daemon.process.pid)
                wrote = await generator.ask(blocks=measured, rate=plan.rate)
                used = cpu_seconds_of(daemon.process.pid) - used
                await trio.sleep(SETTLE_SECONDS)
                told = await client.ask(ask="samples")
                resident = resident_bytes(daemon.process.pid)
            nursery.cancel_scope.cancel(reason="measured")
    return _row(plan, len(symbols), told, {height for height, _ in wrote["written"]}, used, resident)


def _row(
    plan: Plan, markets: int, told: dict[str, Any], heights: set[int], used: float, resident: int
) -> Row:
    latencies = sorted(ns / 1e6 for height, ns in told["blocks"] if height in heights)
    return {
        "subscriptions": markets * len(plan.channels.split(",")),
        "blocks": len(heights),
        "blocks_complete": len(latencies),
        "messages_per_second": told["messages"] / plan.seconds,
        "megabytes_per_second": told["bytes"] / plan.seconds / 1e6,
        "block_p50_ms": percentile(latencies, 0.5),
        "block_p99_ms": percentile(latencies, 0.99),
        "block_max_ms": latencies[-1] if latencies else 0.0,
        "daemon_share_percent": 100 * used / plan.seconds,
        "daemon_megabytes": resident / 1e6,
        "missed": told["holes"],
        "missed_untold": told["holes"] - told["merged"] - told["dropped"],
        "error": told["error"],
    }


@click.command()
@click.option("--markets", type=int, default=600, show_default=True)
@click.option("--load", type=click.Choice(list(PRESETS)), default="mainnet", show_default=True)
@click.option("--channels", default="l2Book", show_default=True, help="Comma-separated: l2Book,bbo,trades.")
@click.option("--rate", type=float, default=15.0, show_default=True, help="Blocks a second.")
@click.option("--warm-up-seconds", type=float, default=3.0, show_default=True)
@click.option("--seconds", type=float, default=20.0, show_default=True)
@click.option("--bytes-per-second", type=float, default=0.0, help="The client reads no faster than that.")
@json_option
def main(
    markets: int,
    load: str,
    channels: str,
    rate: float,
    warm_up_seconds: float,
    seconds: float,
    bytes_per_second: float,
    as_json: bool,
) -> None:
    """Follow every market on one WebSocket."""
    report = Report("session", as_json)
    plan = Plan(markets, load, channels, rate, warm_up_seconds, seconds, bytes_per_second)
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        row = trio.run(run, Path(name), plan)
    report.table("session", [row])
    figures = {key: row[key] for key in SUMMARY_KEYS if key in row}
    report.summary({**figures, "keeps_up": not row["missed"] and not row["error"]})


if __name__ == "__main__":
    main()
