"""Frames of three venues through socket, router and decoder, beside ``websockets`` in a bare loop.

Two receivers take the same frames in turn, each in a process of its own: the bare loop that anybody would
write (``feed_bare.py``), and a connection with its router and the venue's decoder (``feed_ours.py``). Both
are given frames faster than they take them (``feed_sender.py``).
"""

from collections.abc import Mapping
from typing import Any

import click
from attrs import define, field, frozen

from benchmarks.feed_frames import SOURCES
from benchmarks.processes import Program, run_program
from benchmarks.report import Report, Row

DIFFERENT_FRAMES = 20_000  # of a venue, sent again and again
WARM_UP_MESSAGES = 5_000


@frozen
class Round:
    """What one receiver did in one round."""

    messages: int
    cpu_seconds: float
    seconds: float


@define(eq=False)
class Contender:
    """A receiver, and its rounds by venue."""

    name: str
    program: Program
    more: Mapping[str, object]
    rounds: dict[str, list[Round]] = field(factory=lambda: {venue: [] for venue in SOURCES})

    async def play(self, port: int, venue: str, messages: int) -> Round:
        """Receive so many messages of a venue."""
        url = f"ws://127.0.0.1:{port}/{venue}?messages={messages}"
        got = await self.program.ask(url=url, venue=venue, **self.more)
        if got["messages"] != messages:
            raise click.ClickException(f"{self.name} got {got['messages']} of {messages} messages of {venue}")
        return Round(got["messages"], got["cpu_seconds"], got["seconds"])

    def cpu_us(self, venue: str) -> float:
        """Processor time a message, of the best round."""
        return min(played.cpu_seconds / played.messages for played in self.rounds[venue]) * 1e6

    def mean_cpu_us(self) -> float:
        """Processor time a message, as many from each venue."""
        return sum(map(self.cpu_us, self.rounds)) / len(self.rounds)

    def per_second(self, venue: str) -> float:
        """Messages a second of wall time, of the best round."""
        return max(played.messages / played.seconds for played in self.rounds[venue])


async def flood(report: Report, messages: int, rounds: int, *, is_profiled: bool) -> dict[str, Any]:
    """Let the receivers take the same frames in turn; return the figures."""
    profiling = ("--profile",) if is_profiled else ()
    async with (
        run_program("feed_sender", "--frames", str(min(messages, DIFFERENT_FRAMES))) as sender,
        run_program("feed_bare") as bare_program,
        run_program("feed_ours", *profiling) as our_program,
    ):
        told = await sender.answer()
        bare = Contender("the bare loop", bare_program, {"parses": False})
        parsing = Contender("the bare loop that parses", bare_program, {"parses": True})
        ours = Contender("hyperstream.sockets", our_program, {})
        contenders = (bare, parsing, ours)
        for venue in SOURCES:
            for contender in contenders:
                await contender.play(told["port"], venue, min(messages, WARM_UP_MESSAGES))
        for _ in range(rounds):
            for venue in SOURCES:
                for contender in contenders:
                    contender.rounds[venue].append(await contender.play(told["port"], venue, messages))
    rows: list[Row] = [
        {
            "venue": venue,
            "bytes": told["bytes"][venue],
            "cpu_us": ours.cpu_us(venue),
            "bare_us": bare.cpu_us(venue),
            "parsing_us": parsing.cpu_us(venue),
            "per_second": ours.per_second(venue),
            "bare_per_second": bare.per_second(venue),
            "ratio": bare.cpu_us(venue) / ours.cpu_us(venue),
        }
        for venue in SOURCES
    ]
    report.table("messages through socket, router and decoder", rows)
    return {
        "messages_per_second": 1e6 / ours.mean_cpu_us(),
        "bare_messages_per_second": 1e6 / bare.mean_cpu_us(),
        "cpu_us_per_message": ours.mean_cpu_us(),
        "bare_cpu_us_per_message": bare.mean_cpu_us(),
        "parsing_cpu_us_per_message": parsing.mean_cpu_us(),
        "ratio": bare.mean_cpu_us() / ours.mean_cpu_us(),
    }
