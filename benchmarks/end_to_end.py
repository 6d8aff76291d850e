"""From the writing of a line to its receipt: the real daemon, real files, a foreign client.

Three processes and this one share the machine's cores: a generator that writes prepared blocks in the
node's pace, ``hyperstream run``, and a grpcio client with one connection per subscriber. All read the
same wall clock. A block's node time is its lines' local time, taken right before they are written, so
everything counts: the writing of the line itself, the wake-up, reading, parsing, applying, encoding,
the socket, and the client's own thread until it holds the message.

The client keeps messages as bytes and parses nothing while it is measured. The split comes from the
stamps every update carries: node time, read time, publish time. The daemon runs with clocks round its
stages (stages.py), which tell what it spent on each block until everybody had been written to.
"""

import tempfile
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define, field, frozen

from benchmarks.client import REQUESTS, read_samples
from benchmarks.latency import Receipt, backlog, parse_receipt, stage_rows
from benchmarks.measure import cpu_seconds_of, print_profile, resident_bytes
from benchmarks.processes import Daemon, Program, run_daemon, run_program
from benchmarks.report import Report, Row, json_option
from benchmarks.stages import STAGES as SPENT
from benchmarks.stages import stage_sums
from hyperstream.testing import PRESETS

NS = 1_000_000_000
TARGET_P99_MS = 5.0
POLL_SECONDS = 1.0
# A block counts as backlog when it was not applied so long after it was written.
BACKLOG_GRACE_NS = 50_000_000
AFTER_SECONDS = 0.5
FIRST_BLOCKS = 1  # so that the daemon finds files to read
SUMMARY_KEYS = (
    "seconds",
    "blocks",
    "messages",
    "megabytes",
    "p50_ms",
    "p99_ms",
    "max_ms",
    "p99_node_to_read_ms",
    "p99_read_to_publish_ms",
    "p99_publish_to_client_ms",
    *(f"{share}_{stage}_ms" for stage in SPENT for share in ("p50", "p99")),
    "backlog_max",
    "daemon_cpu_percent",
    "daemon_cpu_ms_per_block",
    "daemon_resident_megabytes",
    "client_cpu_percent",
    "generator_cpu_percent",
    "generator_late_ms",
    "daemon_warnings",
    "target_p99_ms",
    "is_met",
)


@frozen
class Plan:
    """What to run. ``each`` 0 subscribes every market."""

    seconds: float
    warm_up_seconds: float
    rate: float
    subscribers: int
    each: int
    call: str
    load: str
    markets: int
    layout: str
    profile: bool

    def blocks(self, seconds: float) -> int:
        """Blocks of so many seconds, at least one."""
        return max(1, round(seconds * self.rate))


@define(eq=False)
class Run:
    """One run's processes and what was seen of them."""

    plan: Plan
    generator: Program
    daemon: Daemon
    client: Program
    began_ns: int = 0
    written: list[list[int]] = field(factory=list)
    late_ms: float = 0.0
    heights: list[tuple[int, int]] = field(factory=list)
    cpu_seconds: dict[str, float] = field(factory=dict)
    receipts: list[Receipt] = field(factory=list)
    totals: dict[str, Any] = field(factory=dict)
    resident_bytes: int = 0
    spent: list[Row] = field(factory=list)

    async def measure(self) -> None:
        """Warm up, then write blocks for the time planned, asking for the height meanwhile."""
        plan = self.plan
        if plan.warm_up_seconds:
            await self.generator.ask(blocks=plan.blocks(plan.warm_up_seconds), rate=plan.rate)
        before = await self.client.ask(ask="samples")
        cpu_before, start = self._cpu(), trio.current_time()
        self.began_ns = (await self._ask_height())[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._poll, name="poll")
            wrote = await self.generator.ask(blocks=plan.blocks(plan.seconds), rate=plan.rate)
            nursery.cancel_scope.cancel(reason="all blocks are written")
        self.written, self.late_ms = wrote["written"], wrote["late_ms"]
        wall = trio.current_time() - start
        self.cpu_seconds = {
            name: (seconds - cpu_before[name]) / wall for name, seconds in self._cpu().items()
        }
        self.resident_bytes = resident_bytes(self.daemon.process.pid)
        await trio.sleep(AFTER_SECONDS)  # what is still on its way may arrive
        self.heights.append(await self._ask_height())
        after = await self.client.ask(ask="samples")
        if after["error"]:
            raise click.ClickException(f"a stream of the client ended: {after['error']}")
        self.totals = {key: after[key] - before[key] for key in ("messages", "bytes")}

    def read(self, samples: Path) -> None:
        """Take the receipts of the blocks measured from what the client kept."""
        heights = {block for block, _ in self.written}
        receipts = (parse_receipt(head, time_ns) for time_ns, _, head in read_samples(samples))
        self.receipts = [found for found in receipts if found is not None and found.height in heights]
        self.receipts = [found for found in self.receipts if found.node_time_ns >= self.began_ns]
        if not self.receipts:
            raise click.ClickException("no update of the measured blocks reached the client")

    async def _poll(self) -> None:
        while True:
            await trio.sleep(POLL_SECONDS)
            self.heights.append(await self._ask_height())

    async def _ask_height(self) -> tuple[int, int]:
        answer = await self.client.ask(ask="height")
        return answer["height"], answer["time_ns"]

    def _cpu(self) -> dict[str, float]:
        processes = {
            "generator": self.generator.process,
            "daemon": self.daemon.process,
            "client": self.client.process,
        }
        return {name: cpu_seconds_of(process.pid) for name, process in processes.items()}

    def backlog_rows(self) -> list[Row]:
        """The daemon's backlog whenever it was asked."""
        return [
            {
                "second": (time_ns - self.began_ns) / NS,
                "height": height,
                "backlog_blocks": backlog(self.written, height, time_ns, BACKLOG_GRACE_NS),
            }
            for height, time_ns in self.heights
        ]


async def run_plan(plan: Plan, directory: Path, profile: Path | None) -> Run:
    """Start everything, measure, end everything."""
    snapshot, samples, stages = directory / "snapshot.json", directory / "samples", directory / "stages"
    prepared = plan.blocks(plan.seconds) + plan.blocks(plan.warm_up_seconds)
    async with run_program(
        "generator",
        *("--data-dir", directory, "--snapshot", snapshot, "--load", plan.load, "--layout", plan.layout),
        *("--markets", str(plan.markets), "--blocks", str(prepared + FIRST_BLOCKS)),
    ) as generator:
        symbols = (await generator.answer())["symbols"]
        await generator.ask(blocks=FIRST_BLOCKS, rate=plan.rate)
        async with (
            run_daemon(directory, snapshot, plan.layout, profile=profile, stages=stages) as daemon,
            trio.open_nursery() as nursery,
            run_program(
                "client",
                *("--target", daemon.target, "--call", plan.call, "--streams", str(plan.subscribers)),
                *("--symbols", ",".join(symbols), "--each", str(plan.each), "--output", samples),
            ) as client,
        ):
            nursery.start_soon(daemon.follow_log, name="daemon log")
            await client.answer()
            run = Run(plan, generator, daemon, client)
            await run.measure()
            nursery.cancel_scope.cancel(reason="measured")
    run.read(samples)
    run.spent = stage_sums(stages, {height for height, _ in run.written})
    return run


def tell(run: Run, report: Report) -> None:
    """Print a run's tables and summary."""
    plan = run.plan
    stages = stage_rows(run.receipts)
    report.table("latency", stages)
    report.table("spent on a block", run.spent)
    rows = run.backlog_rows()
    report.table("backlog", rows)
    report.table(
        "processor time",
        [{"process": name, "percent_of_a_core": share * 100} for name, share in run.cpu_seconds.items()],
    )
    for trouble in list(run.daemon.troubles)[:5]:
        report.note(f"the daemon warned: {trouble}")
    by_stage = {str(row["stage"]): row for row in stages}
    whole = by_stage["node to client"]
    backlog_max = max(int(str(row["backlog_blocks"])) for row in rows)
    p99 = float(str(whole["p99_ms"]))
    report.summary(
        {
            "seconds": plan.seconds,
            "blocks": len(run.written),
            "messages": run.totals["messages"],
            "megabytes": run.totals["bytes"] / 1e6,
            "p50_ms": whole["p50_ms"],
            "p99_ms": p99,
            "max_ms": whole["max_ms"],
            "p99_node_to_read_ms": by_stage["node to read"]["p99_ms"],
            "p99_read_to_publish_ms": by_stage["read to publish"]["p99_ms"],
            "p99_publish_to_client_ms": by_stage["publish to client"]["p99_ms"],
            **{
                f"{share}_{row['stage']}_ms": row[f"{share}_ms"]
                for row in run.spent
                for share in ("p50", "p99")
            },
            "backlog_max": backlog_max,
            "daemon_cpu_percent": run.cpu_seconds["daemon"] * 100,
            "daemon_cpu_ms_per_block": run.cpu_seconds["daemon"] / plan.rate * 1e3,
            "daemon_resident_megabytes": run.resident_bytes / 1e6,
            "client_cpu_percent": run.cpu_seconds["client"] * 100,
            "generator_cpu_percent": run.cpu_seconds["generator"] * 100,
            "generator_late_ms": run.late_ms,
            "daemon_warnings": len(run.daemon.troubles),
            "target_p99_ms": TARGET_P99_MS,
            "is_met": p99 <= TARGET_P99_MS and backlog_max == 0,
        }
    )


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0.1), default=30.0, show_default=True)
@click.option("--warm-up-seconds", type=click.FloatRange(min=0), default=2.0, show_default=True)
@click.option(
    "--rate", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Blocks a second."
)
@click.option("--subscribers", type=click.IntRange(min=1), default=10, show_default=True)
@click.option("--markets-per-subscriber", "each", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--every-market", is_flag=True, help='Each subscriber asks for "*".')
@click.option("--call", type=click.Choice(list(REQUESTS)), default="orderbook", show_default=True)
@click.option("--load", type=click.Choice(list(PRESETS)), default="mainnet", show_default=True)
@click.option("--markets", type=click.IntRange(min=1), default=600, show_default=True)
@click.option("--layout", type=click.Choice(["by_block", "streaming"]), default="by_block", show_default=True)
@click.option("--profile", is_flag=True, help="Run the daemon under cProfile; latencies suffer.")
@json_option
def main(every_market: bool, each: int, as_json: bool, **rest: Any) -> None:
    """From the writing of a line to its receipt by a gRPC client in another process.

    Prepared blocks take about 0.7 MB of memory each at mainnet load, in the generator.
    """
    plan = Plan(each=0 if every_market else each, **rest)
    report = Report("end_to_end", as_json)
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        directory = Path(name)
        profile = directory / "profile" if plan.profile else None
        run = trio.run(run_plan, plan, directory, profile)
        if profile is not None:
            report.note(print_profile(profile))
    tell(run, report)


if __name__ == "__main__":
    main()
