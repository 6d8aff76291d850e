"""``fanout.py --websocket``: one message to many WebSocket subscribers, beside two other servers."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import click
from attrs import define, field

from benchmarks.measure import percentile
from benchmarks.processes import Program, run_program
from benchmarks.report import Report, Row

DEFAULT_SUBSCRIBERS = (200, 1000)
MAX_DELIVERIES_PER_SECOND = 12_000
MAX_RATE, MIN_RATE = 60.0, 10.0
WARM_UP_MESSAGES = 30
TARGET_OF_TRIO, TARGET_OF_WEBSOCKETS = 0.5, 1.0
TARGET_PLAIN_KB, TARGET_COMPRESSED_KB = 30.0, 50.0


@define(eq=False)
class Contender:
    """A server with its subscribers."""

    server: Program
    client: Program
    subscribers: int
    resident_before: int
    cpu_us: list[float] = field(factory=list)
    latencies_us: list[int] = field(factory=list)
    delivered: int = 0
    due: int = 0
    sent_bytes: int = 0
    resident_after: int = 0

    async def play(self, messages: int, rate: float) -> None:
        """Publish so many messages and note what became of them."""
        await self.client.ask(ask="begin")
        published = await self.server.ask(messages=messages, rate=rate)
        got = await self.client.ask(ask="samples")
        if got["error"]:
            raise click.ClickException(f"a subscriber of {self.server.name} failed: {got['error']}")
        self.delivered += got["messages"]
        self.due += messages * self.subscribers
        self.sent_bytes += got["bytes"]
        self.cpu_us.append(published["cpu_seconds"] / max(1, got["messages"]) * 1e6)
        self.latencies_us += got["latencies_us"]
        self.resident_after = (await self.server.ask(ask="state"))["resident_bytes"]

    def figures(self, name: str) -> dict[str, float]:
        """The best round's processor time, everything else of all rounds together."""
        latencies = sorted(self.latencies_us)
        row = {
            f"{name}_cpu_us_per_delivery": min(self.cpu_us),
            f"{name}_memory_kb_per_subscriber": (self.resident_after - self.resident_before)
            / self.subscribers
            / 1e3,
            f"{name}_share_delivered": self.delivered / self.due,
            f"{name}_bytes_per_delivery": self.sent_bytes / max(1, self.delivered),
        }
        if latencies:
            row[f"{name}_p50_ms"] = percentile(latencies, 0.5) / 1e3
            row[f"{name}_p99_ms"] = percentile(latencies, 0.99) / 1e3
        return row


async def start(stack: AsyncExitStack, kind: str, subscribers: int, *, deflates: bool = False) -> Contender:
    """Start a server, warm it up with one subscriber, then connect all of them."""
    flags = ("--deflate",) if deflates else ()
    server = await stack.enter_async_context(run_program("fanout_websocket_server", "--kind", kind, *flags))
    port = (await server.answer())["port"]

    async def connect(inner: AsyncExitStack, count: int) -> Program:
        options = ("--port", str(port), "--subscribers", str(count), *flags)
        client = await inner.enter_async_context(run_program("websocket_client", *options))
        await client.answer()
        return client

    async with AsyncExitStack() as first:
        await connect(first, 1)
        await server.ask(messages=WARM_UP_MESSAGES, rate=MAX_RATE)
    before = (await server.ask(ask="state"))["resident_bytes"]
    contender = Contender(server, await connect(stack, subscribers), subscribers, before)
    await contender.play(WARM_UP_MESSAGES, rate_for(subscribers))
    return Contender(server, contender.client, subscribers, before)


def rate_for(subscribers: int) -> float:
    """Return the messages a second that so many subscribers get."""
    return max(MIN_RATE, min(MAX_RATE, MAX_DELIVERIES_PER_SECOND / subscribers))


async def compare(subscribers: int, seconds: float, rounds: int) -> Row:
    """Let all servers serve so many subscribers, in turn."""
    rate = rate_for(subscribers)
    async with AsyncExitStack() as stack:
        contenders = {
            "ours": await start(stack, "ours", subscribers),
            "compressed": await start(stack, "ours", subscribers, deflates=True),
            "trio_websocket": await start(stack, "trio", subscribers),
            "websockets": await start(stack, "websockets", subscribers),
        }
        for _ in range(rounds):
            for contender in contenders.values():
                await contender.play(round(seconds * rate), rate)
    row: dict[str, float] = {"subscribers": subscribers, "rate": rate}
    for name, contender in contenders.items():
        row |= contender.figures(name)
    mine = row["ours_cpu_us_per_delivery"]
    of_trio = mine / row["trio_websocket_cpu_us_per_delivery"]
    of_websockets = mine / row["websockets_cpu_us_per_delivery"]
    return row | {
        "of_trio_websocket": of_trio,
        "of_websockets": of_websockets,
        "is_met": of_trio <= TARGET_OF_TRIO
        and of_websockets <= TARGET_OF_WEBSOCKETS
        and row["ours_memory_kb_per_subscriber"] <= TARGET_PLAIN_KB
        and row["compressed_memory_kb_per_subscriber"] <= TARGET_COMPRESSED_KB,
    }


async def measure_websocket(
    report: Report, counts: Sequence[int], seconds: float, rounds: int
) -> dict[str, Any]:
    """One row for each count; returns the last one, with the verdict on all."""
    rows = []
    for subscribers in counts or DEFAULT_SUBSCRIBERS:
        rows.append(await compare(subscribers, seconds, rounds))
        report.table(f"fan-out over WebSocket to {subscribers}", rows[-1:])
    return {**rows[-1], "is_met": all(row["is_met"] for row in rows)}
