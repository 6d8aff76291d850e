"""From a venue's frame to a gRPC subscriber: the real daemon between a fake venue and a foreign client.

Three processes and this one share the machine's cores. Each frame carries the time at which it was written,
and the subscriber's update repeats it: what lies between is the socket, the wake-up, decoding, the engine,
the stream, and the client's own thread. The split is made at the daemon's own stamps.
"""

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define, field, frozen

from benchmarks.feed_stamps import KINDS, SYMBOLS, stamp_ns
from benchmarks.feed_subscriber import read_samples
from benchmarks.measure import cpu_seconds_of, percentile, print_profile, resident_bytes
from benchmarks.processes import NO_FEEDS, Daemon, Program, run_program, start_daemon
from benchmarks.report import Report, Row
from hyperstream.market.venues import BINANCE
from hyperstream.v1 import price_pb2

WARM_UP_SECONDS = 1.0
AFTER_SECONDS = 0.5
SUBSCRIBED_SECONDS = 30.0
POLL_SECONDS = 0.05
STREAMS = len(set(KINDS)) * len(SYMBOLS)
STAGES = ("frame_to_read", "read_to_publish", "publish_to_client", "frame_to_client")
PROFILE_ROWS = 40
_NS_PER_MS = 1e6


@frozen
class Receipt:
    """An update: when its newest frame was written, read, published, and when it came; in ns."""

    frame_ns: int
    read_ns: int
    publish_ns: int
    receipt_ns: int

    def stages_ms(self) -> tuple[float, ...]:
        """The latencies, in the order of STAGES."""
        times = (self.frame_ns, self.read_ns, self.publish_ns, self.receipt_ns)
        steps = [(later - earlier) / _NS_PER_MS for earlier, later in pairwise(times)]
        return *steps, (self.receipt_ns - self.frame_ns) / _NS_PER_MS


@define(eq=False)
class Run:
    """What was measured. ``merged`` frames were replaced by newer ones before they were sent.

    ``bare_ms`` are the latencies of as many frames to a bare loop, before the daemon was started.
    """

    receipts: list[Receipt]
    frames: int
    merged: int
    late_ms: float
    seconds: float
    daemon_cpu_seconds: float
    daemon_resident_bytes: int
    troubles: list[str]
    bare_ms: list[float] = field(factory=list)


def read_receipts(samples: Path, since_ns: int) -> tuple[list[Receipt], int]:
    """Return the receipts of frames written since then, and how many more these replaced."""
    receipts, merged = [], 0
    for receipt_ns, data in read_samples(samples):
        for event in price_pb2.StreamPricesResponse.FromString(data).events:
            update = event.price
            frame_ns = max(stamp_ns(update.bid_size), stamp_ns(update.last_size))
            if event.WhichOneof("event") == "price" and frame_ns >= since_ns:
                merged += event.merged
                receipts.append(Receipt(frame_ns, update.receive_time_ns, update.publish_time_ns, receipt_ns))
    return receipts, merged


async def play(
    directory: Path, messages: int, rate: float, flush_seconds: float, profile: Path | None
) -> Run:
    """Start everything, warm up, send the frames, end everything."""
    samples, symbols = directory / "samples", ",".join(SYMBOLS)
    async with run_program("feed_venue") as venue:
        told = await venue.answer()
        bare_ms = await time_bare(venue, told["url"], messages, rate)
        settings = {
            **NO_FEEDS,
            **told["settings"],
            "feeds.binance.enabled": "true",
            "feeds.binance.symbols": symbols,
            "prices.flush_seconds": flush_seconds,
            "node.enabled": "false",
        }
        async with (
            start_daemon(settings, profile=profile) as daemon,
            trio.open_nursery() as nursery,
            run_program(
                "feed_subscriber",
                *("--target", daemon.target, "--venue", BINANCE, "--symbols", symbols, "--output", samples),
            ) as subscriber,
        ):
            nursery.start_soon(daemon.follow_log, name="daemon log")
            await subscriber.answer()
            await wait_subscribed(venue)
            await venue.ask(messages=min(messages, round(rate * WARM_UP_SECONDS)), rate=rate)
            await trio.sleep(AFTER_SECONDS)
            run = await measure(venue, subscriber, daemon, messages, rate, samples)
            nursery.cancel_scope.cancel(reason="measured")
    run.bare_ms = bare_ms
    return run


async def wait_subscribed(venue: Program) -> None:
    """Wait until somebody follows all streams of the venue."""
    with trio.fail_after(SUBSCRIBED_SECONDS):
        while (await venue.ask(ask="streams"))["streams"] < STREAMS:  # noqa: ASYNC110 - it is another process
            await trio.sleep(POLL_SECONDS)


async def time_bare(venue: Program, url: str, messages: int, rate: float) -> list[float]:
    """Return how long frames take to a bare loop on this machine now, in ms."""
    latencies_ms: list[float] = []
    async with run_program("feed_bare") as bare, trio.open_nursery() as nursery:

        async def receive() -> None:
            got = await bare.ask(url=url, timed_messages=messages)
            latencies_ms.extend(latency / _NS_PER_MS for latency in got["latencies_ns"])

        nursery.start_soon(receive, name="bare loop")
        await wait_subscribed(venue)
        await venue.ask(messages=messages, rate=rate)
    return sorted(latencies_ms)


async def measure(
    venue: Program, subscriber: Program, daemon: Daemon, messages: int, rate: float, samples: Path
) -> Run:
    """Send the frames and gather what became of them."""
    pid = daemon.process.pid
    began_ns, cpu_before = time.time_ns(), cpu_seconds_of(pid)
    sent = await venue.ask(messages=messages, rate=rate)
    seconds, cpu_after = (time.time_ns() - began_ns) / 1e9, cpu_seconds_of(pid)
    await trio.sleep(AFTER_SECONDS)  # what is still on its way may arrive
    got = await subscriber.ask(ask="samples")
    if got["error"]:
        raise click.ClickException(f"the subscriber's stream ended: {got['error']}")
    receipts, merged = read_receipts(samples, began_ns)
    if not receipts:
        raise click.ClickException("no update reached the subscriber")
    return Run(
        receipts,
        sent["sent"],
        merged,
        sent["late_ms"],
        seconds,
        cpu_after - cpu_before,
        resident_bytes(pid),
        list(daemon.troubles),
    )


def stage_rows(receipts: list[Receipt]) -> list[Row]:
    """One row for each stage."""
    columns = zip(*(receipt.stages_ms() for receipt in receipts), strict=True)
    rows: list[Row] = []
    for stage, column in zip(STAGES, columns, strict=True):
        found = sorted(column)
        rows.append(
            {
                "stage": stage.replace("_", " "),
                "p50_ms": percentile(found, 0.5),
                "p99_ms": percentile(found, 0.99),
                "max_ms": found[-1],
            }
        )
    return rows


async def latency(
    report: Report, seconds: float, rate: float, flush_seconds: float, *, is_profiled: bool
) -> dict[str, Any]:
    """Measure and report; return the figures."""
    with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
        directory = Path(name)
        profile = directory / "profile" if is_profiled else None
        run = await play(directory, round(seconds * rate), rate, flush_seconds, profile)
        if profile is not None:
            report.note(print_profile(profile, PROFILE_ROWS))
    rows = stage_rows(run.receipts)
    report.table(f"from frame to subscriber, {rate:,.0f} frames a second", rows)
    for trouble in run.troubles:
        report.note(f"the daemon warned: {trouble}")
    total = rows[-1]
    return {
        "frames_per_second": run.frames / run.seconds,
        "share_delivered": (len(run.receipts) + run.merged) / run.frames,
        "merged": run.merged,
        "p50_ms": total["p50_ms"],
        "p99_ms": total["p99_ms"],
        "max_ms": total["max_ms"],
        "bare_p50_ms": percentile(run.bare_ms, 0.5),
        "bare_p99_ms": percentile(run.bare_ms, 0.99),
        "daemon_cpu_percent": run.daemon_cpu_seconds / run.seconds * 100,
        "daemon_resident_megabytes": run.daemon_resident_bytes / 1e6,
        "venue_late_ms": run.late_ms,
        "daemon_warnings": len(run.troubles),
    }
