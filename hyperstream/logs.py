"""Logs: readable lines on a terminal, JSON lines elsewhere; one place that sets them up.

Modules say ``log = structlog.get_logger("hyperstream.<room>")`` and log events as short sentences
with ``key=value`` fields. For causes that may repeat a thousand times a second see ``log_once.py``.
"""

import json
import logging
import os
import sys
from typing import Any, TextIO

import orjson
import structlog
from attrs import define
from structlog.typing import EventDict, WrappedLogger

from hyperstream.config import LogSettings

# Priorities of syslog; journald reads them from the start of a line and shows or filters by them.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def set_up(settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Send all logs to ``stream`` (standard error), libraries' own logging included from WARNING up.

    A live view that owns the terminal hands in a file or a buffer instead. May be called again: the
    last call counts, also for loggers made before.
    """
    output = _Output(sys.stderr if stream is None else stream)
    is_journal = _is_journal(output.stream)
    is_terminal = not is_journal and output.stream.isatty()
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    if settings.format == "text" or (settings.format == "auto" and is_terminal):
        rendering: list[structlog.typing.Processor] = [
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False, key="timestamp"),
            structlog.dev.ConsoleRenderer(
                colors=is_terminal and not os.environ.get("NO_COLOR"),
                exception_formatter=structlog.dev.plain_traceback,
                pad_event_to=0,
            ),
        ]
    else:
        rendering = [
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _render_json,
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.processors.add_log_level,
            *rendering,
            *([_prefix_priority] if is_journal else []),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _Logger(names[0] if names else "hyperstream", output),
        cache_logger_on_first_use=False,
    )
    _leave_libraries()
    root = logging.getLogger()
    root.addHandler(_FromLibraries(logging.WARNING))
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def reset() -> None:
    """Undo ``set_up``: for a program that embeds the daemon for a while, and for tests."""
    _leave_libraries()
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def _leave_libraries() -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _FromLibraries)]:
        root.removeHandler(handler)


@define(eq=False)
class _Output:
    """The stream lines go to. A line that cannot be written is counted and told with the next that can."""

    stream: TextIO
    lost_lines: int = 0

    def write(self, line: str) -> None:
        told = (
            f"{self.lost_lines} log lines before this one could not be written\n" if self.lost_lines else ""
        )
        try:
            try:
                self.stream.write(f"{told}{line}\n")
            except UnicodeEncodeError:
                self.stream.write(f"{told}{line}\n".encode("ascii", "backslashreplace").decode())
            self.stream.flush()
        except (OSError, ValueError):
            # The terminal is gone, the disk full, the file closed: no reason for market data to stop.
            self.lost_lines += 1
        else:
            self.lost_lines = 0


@define(eq=False)
class _Logger:
    """What structlog hands its finished lines to."""

    name: str
    output: _Output

    def msg(self, message: str) -> None:
        self.output.write(message)

    debug = info = warning = error = critical = log = exception = fatal = err = failure = msg


class _FromLibraries(logging.Handler):
    """Brings records of the standard library's logging into the same stream."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = record.getMessage()
        except Exception as exc:  # a library's broken format string must not end the daemon
            event = f"{record.msg!r} (its arguments do not fit: {exc!r})"
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        structlog.get_logger(record.name).log(record.levelno, event, **fields)


def _render_json(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> str:
    ordered = {key: event_dict.pop(key) for key in ("time", "level", "logger", "event") if key in event_dict}
    ordered.update(event_dict)
    try:
        return orjson.dumps(ordered, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which orjson refuses.
        return json.dumps(ordered, default=repr, skipkeys=True)


def _prefix_priority(_logger: WrappedLogger, name: str, line: Any) -> Any:
    return f"<{_PRIORITIES.get(name, 6)}>{line}"


def _is_journal(stream: TextIO) -> bool:
    """Whether the stream is the journal's: systemd tells its device and inode in ``JOURNAL_STREAM``."""
    told = os.environ.get("JOURNAL_STREAM")
    if not told:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{status.st_dev}:{status.st_ino}"
