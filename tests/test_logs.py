"""Logs: where they go, how they look, what happens to repeated causes and to lines that cannot be written."""

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from hyperstream.config import LogSettings
from hyperstream.logs import reset, set_up


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """Leave structlog, logging and warnings as they were."""
    level = logging.getLogger().level
    yield
    reset()
    logging.getLogger().setLevel(level)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    """A stream whose writes fail while ``is_full``."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    structlog.get_logger("hyperstream.engine").info("block applied", height=985_000_001)
    (line,) = json_lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "hyperstream.engine",
        "event": "block applied",
        "height": 985_000_001,
    }


def test_lines_are_text_with_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    set_up(LogSettings(), stream=stream)
    structlog.get_logger("hyperstream.engine").info("block applied", height=7)
    assert "block applied" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    set_up(LogSettings(), stream=stream)
    structlog.get_logger("hyperstream.engine").info("block applied")
    assert "\x1b[" not in stream.getvalue()


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("text", False)])
def test_the_setting_beats_the_terminal(form: str, is_json: bool) -> None:
    stream = Terminal() if is_json else io.StringIO()
    set_up(LogSettings(format=form), stream=stream)
    structlog.get_logger("hyperstream.x").warning("told")
    assert stream.getvalue().startswith("{") is is_json


def test_under_the_journal_lines_carry_their_priority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        set_up(LogSettings(), stream=stream)
        log = structlog.get_logger("hyperstream.x")
        log.warning("first")
        log.error("second")
        log.critical("third")
        lines = (tmp_path / "journal").read_text().splitlines()
    assert [line[:4] for line in lines] == ["<4>{", "<3>{", "<2>{"]


def test_another_streams_journal_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    structlog.get_logger("hyperstream.x").warning("told")
    assert json_lines(stream)[0]["event"] == "told"


def test_less_important_events_are_left_out() -> None:
    stream = io.StringIO()
    set_up(LogSettings(level="warning"), stream=stream)
    log = structlog.get_logger("hyperstream.x")
    log.info("not told")
    log.warning("told")
    assert [line["event"] for line in json_lines(stream)] == ["told"]


def test_libraries_are_heard_from_warning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own stumble over the broken record
    stream = io.StringIO()
    set_up(LogSettings(level="debug"), stream=stream)
    logging.getLogger("httpx").info("HTTP Request: POST")
    logging.getLogger("grpclib.server").warning("connection %s lost", 5)
    logging.getLogger("asyncio").error("took %d", "text, so this does not fit")
    lines = json_lines(stream)
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("grpclib.server", "warning"),
        ("asyncio", "error"),
    ]
    assert lines[0]["event"] == "connection 5 lost"
    assert "do not fit" in lines[1]["event"]


def test_warnings_of_python_become_log_lines() -> None:
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old spelling", DeprecationWarning, stacklevel=1)
    assert "old spelling" in json_lines(stream)[0]["event"]


def test_exceptions_carry_their_traceback() -> None:
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    try:
        raise ValueError("odd size")
    except ValueError:
        structlog.get_logger("hyperstream.x").exception("line skipped")
    assert "ValueError: odd size" in json_lines(stream)[0]["exception"]


def test_any_field_can_be_written() -> None:
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    fields: dict[str, Any] = {"big": 2**70, "path": Path("/x"), "half": "\ud800", "table": {3: b"x"}}
    structlog.get_logger("hyperstream.x").warning("odd", **fields)
    (line,) = json_lines(stream)
    assert line["big"] == 2**70
    assert "/x" in line["path"]


def test_set_up_again_moves_loggers_made_before_and_keeps_libraries_single() -> None:
    first, second = io.StringIO(), io.StringIO()
    log = structlog.get_logger("hyperstream.x")
    set_up(LogSettings(), stream=first)
    log.warning("to the first")
    set_up(LogSettings(), stream=second)
    log.warning("to the second")
    logging.getLogger("httpx").warning("library")
    assert [line["event"] for line in json_lines(first)] == ["to the first"]
    assert [line["event"] for line in json_lines(second)] == ["to the second", "library"]


def test_reset_takes_everything_back() -> None:
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    reset()
    logging.getLogger("httpx").warning("nobody routes this")
    assert stream.getvalue() == ""
    assert not structlog.is_configured()


def test_standard_error_is_where_logs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up(LogSettings())
    structlog.get_logger("hyperstream.x").warning("told")
    assert json_lines(stream)[0]["event"] == "told"


def test_lines_that_cannot_be_written_are_counted_and_told_later() -> None:
    stream = FullDisk()
    set_up(LogSettings(), stream=stream)
    log = structlog.get_logger("hyperstream.x")
    log.warning("lost")
    log.warning("lost too")
    stream.is_full = False
    log.warning("told")
    told, line = stream.getvalue().splitlines()
    assert told == "2 log lines before this one could not be written"
    assert json.loads(line)["event"] == "told"


def test_a_closed_stream_does_not_end_the_daemon() -> None:
    stream = io.StringIO()
    set_up(LogSettings(), stream=stream)
    stream.close()
    structlog.get_logger("hyperstream.x").warning("nobody hears this")


def test_characters_the_stream_lacks_are_escaped() -> None:
    raw = io.BytesIO()
    set_up(LogSettings(), stream=io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    structlog.get_logger("hyperstream.x").warning("größer")
    assert b"gr\\xf6\\xdfer" in raw.getvalue()
