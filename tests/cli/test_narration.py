"""What a replay says, to a program, to a pipe and to a person."""

import io
import json
import sys

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from hyperstream.cli.narration import (
    SHOWN_MARKETS,
    JsonNarrator,
    MarketSummary,
    Narrator,
    PlainNarrator,
    State,
    Summary,
    TerminalNarrator,
    narration,
)

STATE = State(
    part=0.5, blocks=10, blocks_per_second=14.9, played_height=985_000_010, height=985_000_009, doubtful=1
)
BTC = MarketSummary("BTC", "81307.0", "81308.0", 51_351, "")
ODD = MarketSummary("@107", None, "24.1", 3, "unknown order: order 7 is updated, but does not rest there")


def summary(*markets: MarketSummary, is_caught_up: bool = True) -> Summary:
    return Summary(
        seconds=2.0,
        blocks=20,
        events=21_923,
        unreadable_lines=1,
        played_height=985_000_020,
        height=985_000_020 if is_caught_up else 985_000_007,
        is_caught_up=is_caught_up,
        markets=markets,
        counts={"unknown order": 2},
    )


def tell_all(narrator: Narrator, told: Summary) -> None:
    narrator.listening("127.0.0.1:50051", "by_block of monday")
    narrator.note("no snapshot")
    narrator.progress(STATE)
    narrator.summary(told)


def terminal_text(told: Summary) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    fields = "{task.percentage:>3.0f}%  {task.fields[height]}  {task.fields[rate]}"
    with Progress(BarColumn(), TextColumn(fields), console=console, auto_refresh=False) as bar:
        tell_all(TerminalNarrator(console, bar), told)
    return stream.getvalue()


def test_a_program_gets_one_object_per_line() -> None:
    stream = io.StringIO()
    tell_all(JsonNarrator(stream), summary(BTC, ODD))
    listening, note, progress, end = map(json.loads, stream.getvalue().splitlines())
    assert listening == {"type": "listening", "address": "127.0.0.1:50051", "recording": "by_block of monday"}
    assert note == {"type": "note", "text": "no snapshot"}
    assert progress["type"] == "progress"
    assert progress["height"] == 985_000_009
    assert end["type"] == "summary"
    assert end["is_sound"] is False
    assert end["markets"][0] == {
        "symbol": "BTC",
        "best_bid": "81307.0",
        "best_ask": "81308.0",
        "orders": 51_351,
        "doubt": "",
    }
    assert end["markets"][1]["best_bid"] is None
    assert end["counts"] == {"unknown order": 2}


def test_a_pipe_gets_plain_lines_with_every_market() -> None:
    stream = io.StringIO()
    tell_all(PlainNarrator(stream), summary(BTC, ODD))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "hyperstream watch bbo '*' --target 127.0.0.1:50051" in text
    assert " 50%  height 985000009  10 blocks  14.9 blocks/s  1 doubtful" in text
    assert "20 blocks, 21,923 events, 2 markets, 1 unreadable lines in 2.0 s (10.0 blocks/s)" in text
    assert "DOUBTFUL: unknown order" in text
    assert text.splitlines()[-1] == "1 of 2 markets are DOUBTFUL: their books may be wrong."


def test_a_person_gets_a_table_and_the_verdict() -> None:
    text = terminal_text(summary(BTC, ODD))
    assert "hyperstream watch bbo '*' --target 127.0.0.1:50051" in text
    assert "81307.0" in text
    assert text.index("@107") < text.index("BTC", text.index("best bid")), "what is doubtful comes first"
    assert "1 of 2 markets are DOUBTFUL" in text


def test_a_table_of_very_many_markets_is_cut_and_says_so() -> None:
    markets = [MarketSummary(f"M{number}", "1.0", "2.0", number, "") for number in range(SHOWN_MARKETS + 7)]
    text = terminal_text(summary(*markets, ODD))
    assert "… and 8 markets more" in text
    assert "@107" in text


def test_symbols_are_not_read_as_markup() -> None:
    assert "[red]" in terminal_text(summary(MarketSummary("[red]", "1.0", "2.0", 1, "")))


@pytest.mark.parametrize(
    ("told", "is_sound", "verdict"),
    [
        (summary(BTC), True, "All 1 books are sound at height 985000020."),
        (summary(BTC, ODD), False, "1 of 2 markets are DOUBTFUL: their books may be wrong."),
        (
            summary(BTC, is_caught_up=False),
            False,
            "The daemon stands at height 985000007 and did not reach 985000020.",
        ),
    ],
)
def test_the_verdict_is_one_sentence(told: Summary, is_sound: bool, verdict: str) -> None:
    assert (told.is_sound, told.verdict) == (is_sound, verdict)


def test_no_bar_is_drawn_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with narration(is_json=False) as (narrator, logs):
        assert isinstance(narrator, PlainNarrator)
        assert logs is sys.stderr
    with narration(is_json=True) as (narrator, logs):
        assert isinstance(narrator, JsonNarrator)
        assert logs is sys.stderr
    assert stream.getvalue() == ""


def test_on_a_terminal_logs_are_written_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    with narration(is_json=False) as (narrator, logs):
        assert isinstance(narrator, TerminalNarrator)
        narrator.listening("127.0.0.1:1", "by_block of monday")
        narrator.progress(STATE)
        logs.write("a book is doubtful\n")
        logs.flush()
        narrator.summary(summary(BTC))
    text = stream.getvalue()
    assert "a book is doubtful" in text
    assert "height 985000009" in text
    assert "All 1 books are sound" in text
