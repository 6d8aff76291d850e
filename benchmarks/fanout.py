"""One message to many subscribers: this server beside grpcio's asyncio server, in one run.

Both servers are processes of their own that send the same book delta of 500 bytes at the same pace, in turn,
to as many subscribers of the same light client (``light_client.py``). Counted is the processor time of the
server's process alone, publisher included, divided by the messages that the client received.

    --subscribers N    just that many; may be repeated
    --books            book updates delivered to 100 subscribers of 50 markets each, at mainnet load
    --stuck            what 50 subscribers that never read do to one that does
    --websocket        the same over WebSocket, beside trio-websocket and websockets
"""

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
import trio
from attrs import define, field, frozen

from benchmarks.fanout_books import measure_books
from benchmarks.fanout_payload import SYMBOL
from benchmarks.fanout_stuck import measure_stuck
from benchmarks.fanout_websocket import measure_websocket
from benchmarks.measure import percentile
from benchmarks.processes import Program, run_program
from benchmarks.report import Report, Row, json_option

DEFAULT_SUBSCRIBERS = (10, 50, 200, 1000)
# So many deliveries a second leave both servers, and the client, well below saturation.
MAX_DELIVERIES_PER_SECOND = 12_000
MAX_RATE, MIN_RATE = 60.0, 15.0
WARM_UP_MESSAGES = 30
TARGET_RATIO = 0.35
TARGET_CPU_US = 15.0
TARGET_MEMORY_KB = 60.0
RATIO_SUBSCRIBERS, CPU_SUBSCRIBERS = 200, 1000
SUMMARY_KEYS = (
    "subscribers",
    "rate",
    "cpu_us_per_delivery",
    "grpcio_cpu_us_per_delivery",
    "cpu_ratio",
    "p50_ms",
    "p99_ms",
    "grpcio_p50_ms",
    "grpcio_p99_ms",
    "share_delivered",
    "grpcio_share_delivered",
    "memory_kb_per_subscriber",
    "grpcio_memory_kb_per_subscriber",
    "is_met",
)


@frozen
class Round:
    """What one server did in one round."""

    cpu_seconds: float
    delivered: int
    due: int
    latencies_us: Sequence[int]

    @property
    def cpu_us_per_delivery(self) -> float:
        return self.cpu_seconds / max(1, self.delivered) * 1e6


@define(eq=False)
class Contender:
    """A server with its subscribers."""

    server: Program
    client: Program
    subscribers: int
    resident_before: int
    rounds: list[Round] = field(factory=list)
    resident_after: int = 0

    async def play(self, messages: int, rate: float) -> None:
        """Publish so many messages and note what became of them."""
        await self.client.ask(ask="begin")
        published = await self.server.ask(messages=messages, rate=rate)
        got = await self.client.ask(ask="samples")
        if got["error"]:
            raise click.ClickException(f"a subscriber of {self.server.name} failed: {got['error']}")
        due = messages * self.subscribers
        self.rounds.append(Round(published["cpu_seconds"], got["messages"], due, got["latencies_us"]))
        self.resident_after = (await self.server.ask(ask="state"))["resident_bytes"]

    def figures(self) -> dict[str, float]:
        """The best round's processor time, and everything else of all rounds together."""
        latencies = sorted(latency for played in self.rounds for latency in played.latencies_us)
        return {
            "cpu_us_per_delivery": min(played.cpu_us_per_delivery for played in self.rounds),
            "p50_ms": percentile(latencies, 0.5) / 1e3,
            "p99_ms": percentile(latencies, 0.99) / 1e3,
            "share_delivered": sum(played.delivered for played in self.rounds)
            / sum(played.due for played in self.rounds),
            "memory_kb_per_subscriber": (self.resident_after - self.resident_before) / self.subscribers / 1e3,
        }


def rate_for(subscribers: int) -> float:
    """Return the messages a second that so many subscribers get."""
    return max(MIN_RATE, min(MAX_RATE, MAX_DELIVERIES_PER_SECOND / subscribers))


async def run_client(stack: AsyncExitStack, port: int, subscribers: int) -> Program:
    """Connect so many subscribers."""
    options = ("--port", str(port), "--streams", str(subscribers), "--symbols", SYMBOL)
    client = await stack.enter_async_context(run_program("light_client", *options))
    await client.answer()
    return client


async def start_contender(stack: AsyncExitStack, module: str, subscribers: int) -> Contender:
    """Start a server, warm it up with one subscriber, then connect all of them."""
    server = await stack.enter_async_context(run_program(module))
    port = (await server.answer())["port"]
    async with AsyncExitStack() as first:
        await run_client(first, port, 1)
        await server.ask(messages=WARM_UP_MESSAGES, rate=MAX_RATE)
    before = (await server.ask(ask="state"))["resident_bytes"]
    client = await run_client(stack, port, subscribers)
    contender = Contender(server, client, subscribers, before)
    await contender.play(WARM_UP_MESSAGES, rate_for(subscribers))
    contender.rounds.clear()
    return contender


async def compare(subscribers: int, seconds: float, rounds: int) -> Row:
    """Let both servers serve so many subscribers, in turn."""
    rate = rate_for(subscribers)
    async with AsyncExitStack() as stack:
        ours = await start_contender(stack, "fanout_ours", subscribers)
        grpcio = await start_contender(stack, "fanout_grpcio", subscribers)
        for _ in range(rounds):
            for contender in (ours, grpcio):
                await contender.play(round(seconds * rate), rate)
    mine, theirs = ours.figures(), grpcio.figures()
    ratio = mine["cpu_us_per_delivery"] / theirs["cpu_us_per_delivery"]
    return {
        "subscribers": subscribers,
        "rate": rate,
        **mine,
        **{f"grpcio_{name}": value for name, value in theirs.items()},
        "cpu_ratio": ratio,
        "is_met": mine["memory_kb_per_subscriber"] <= TARGET_MEMORY_KB
        and (subscribers != RATIO_SUBSCRIBERS or ratio <= TARGET_RATIO)
        and (subscribers != CPU_SUBSCRIBERS or mine["cpu_us_per_delivery"] <= TARGET_CPU_US),
    }


async def compare_all(report: Report, counts: Sequence[int], seconds: float, rounds: int) -> dict[str, Any]:
    """One row for each count; returns the last one, with the verdict on all."""
    rows = []
    for subscribers in counts:
        row = await compare(subscribers, seconds, rounds)
        rows.append({key: row[key] for key in SUMMARY_KEYS})
        report.table(f"fan-out to {subscribers}", rows[-1:])
    return {**rows[-1], "is_met": all(row["is_met"] for row in rows)}


@click.command()
@click.option(
    "--subscribers", "counts", type=click.IntRange(min=1), multiple=True, help="Default: 10 50 200 1000."
)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Of a round.")
@click.option("--rounds", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--books", is_flag=True, help="Measure books at mainnet load instead.")
@click.option("--stuck", is_flag=True, help="Measure what stuck subscribers do instead.")
@click.option("--websocket", is_flag=True, help="Measure the WebSocket gateway instead.")
@click.option("--load", default="mainnet", hidden=True)
@click.option("--markets", type=int, default=600, hidden=True)
@json_option
def main(
    counts: tuple[int, ...],
    seconds: float,
    rounds: int,
    books: bool,
    stuck: bool,
    websocket: bool,
    load: str,
    markets: int,
    as_json: bool,
) -> None:
    """One message to many subscribers, beside grpcio's asyncio server."""
    report = Report("fanout", as_json)
    if books:
        with tempfile.TemporaryDirectory(prefix="hyperstream-benchmark-") as name:
            count = counts[-1] if counts else 0
            report.summary(
                trio.run(measure_books, report, Path(name), count, seconds * rounds, load, markets)
            )
    elif websocket:
        report.summary(trio.run(measure_websocket, report, counts, seconds, rounds))
    elif stuck:
        report.summary(trio.run(measure_stuck, report, seconds, rounds))
    else:
        report.summary(trio.run(compare_all, report, counts or DEFAULT_SUBSCRIBERS, seconds, rounds))


if __name__ == "__main__":
    main()
