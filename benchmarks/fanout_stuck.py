"""What subscribers that never read do to one that does: its latency with and without them.

Rounds without and with them take turns on one server. In a round with them fifty connect before the healthy
one, so that everything they cost comes before its turn, and enough is published, before and during
the measurement, to shut their windows and fill their outboxes. Server and client have a core each: a
client that is woken on the server's core waits there for whatever the server does next.
"""

from contextlib import AsyncExitStack
from statistics import median
from typing import Any

import click
import trio

from benchmarks.fanout_payload import SYMBOL
from benchmarks.measure import percentile
from benchmarks.processes import Program, give_core, run_program
from benchmarks.report import Report, Row

STUCK = 50
RATE = 200.0
# 500 bytes each: more than a window and a socket's buffers hold.
FILL_MESSAGES = 400
FILL_RATE = 1000.0
LEAVE_SECONDS, POLL_SECONDS = 30.0, 0.05
TARGET_MOVE = 0.1
OUTBOX_KB = 1049.0
SUMMARY_KEYS = (
    "subscribers",
    "stuck",
    "p50_ms",
    "p50_with_stuck_ms",
    "p99_ms",
    "p99_with_stuck_ms",
    "p99_move_percent",
    "share_delivered",
    "memory_kb_per_stuck",
    "is_met",
)


async def measure_stuck(report: Report, seconds: float, rounds: int) -> Row:
    """Take turns without and with stuck subscribers; returns the figures."""
    messages = round(seconds * RATE)
    rows: list[dict[str, Any]] = []
    async with run_program("fanout_ours") as server:
        port = (await server.answer())["port"]
        give_core(server, 0)
        await _play(server, port, 0, messages)  # warms up
        for _ in range(rounds):
            rows += [await _play(server, port, stuck, messages) for stuck in (0, STUCK)]
    report.table("rounds", rows)
    quiet, crowded = ([row for row in rows if bool(row["stuck"]) is has_stuck] for has_stuck in (False, True))
    p99 = median(row["p99_ms"] for row in quiet)
    p99_stuck = median(row["p99_ms"] for row in crowded)
    memory = max(row["memory_kb_per_stuck"] for row in crowded)
    return {
        "subscribers": 1,
        "stuck": STUCK,
        "p50_ms": median(row["p50_ms"] for row in quiet),
        "p50_with_stuck_ms": median(row["p50_ms"] for row in crowded),
        "p99_ms": p99,
        "p99_with_stuck_ms": p99_stuck,
        "p99_move_percent": (p99_stuck / p99 - 1) * 100,
        "share_delivered": min(row["share_delivered"] for row in rows),
        "memory_kb_per_stuck": memory,
        "is_met": p99_stuck < p99 * (1 + TARGET_MOVE) and memory < 2 * OUTBOX_KB,
    }


async def _play(server: Program, port: int, stuck: int, messages: int) -> dict[str, Any]:
    """One round: connect, fill what is stuck, measure the healthy subscriber."""
    with trio.fail_after(LEAVE_SECONDS):
        while (await server.ask(ask="state"))["subscribers"]:  # noqa: ASYNC110 - it is another process
            await trio.sleep(POLL_SECONDS)
    before = (await server.ask(ask="state"))["resident_bytes"]
    options = ("--port", str(port), "--streams", "1", "--stuck", str(stuck), "--symbols", SYMBOL)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(run_program("light_client", *options))
        await client.answer()
        give_core(client, 1)
        await server.ask(messages=FILL_MESSAGES, rate=FILL_RATE)
        await client.ask(ask="begin")
        await server.ask(messages=messages, rate=RATE)
        got = await client.ask(ask="samples")
        state = await server.ask(ask="state")
    if got["error"]:
        raise click.ClickException(f"the healthy subscriber failed: {got['error']}")
    return {
        "stuck": stuck,
        "p50_ms": percentile(got["latencies_us"], 0.5) / 1e3,
        "p99_ms": percentile(got["latencies_us"], 0.99) / 1e3,
        "share_delivered": got["messages"] / messages,
        "subscribers_at_end": state["subscribers"],
        "memory_kb_per_stuck": (state["resident_bytes"] - before) / 1e3 / max(1, stuck),
    }
