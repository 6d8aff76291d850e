"""How commands end: settings that do not load, errors told in a sentence, crashes told readably."""

import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final

import click
import structlog
import trio

from hyperstream.config import Effective, load_effective
from hyperstream.errors import ConfigurationError, HyperstreamError

DRAINED: Final = 0
FAILED: Final = 1
MISCONFIGURED: Final = 2

_MAX_TRACEBACKS: Final = 5
_MACHINERY = ("/trio/_core/", "/outcome/", "/trio/_util.py")

log = structlog.get_logger("hyperstream.cli")

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file with the settings; $HYPERSTREAM_CONFIG names it where this is not given.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting, as in --set node.data_dir=/srv/hl/data. May be given again and again.",
)


class Misconfigured(click.ClickException):
    """Ends the command with exit code 2 and one line per problem."""

    exit_code = MISCONFIGURED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the problems on standard error."""
        click.echo("The configuration cannot be used:", file=file, err=True)
        for problem in self.message.splitlines():
            click.echo(f"  {problem}", file=file, err=True)


def load_or_exit(path: Path | None, overrides: Sequence[str]) -> Effective:
    """Load the settings; problems end the command."""
    try:
        return load_effective(path, overrides=overrides)
    except ConfigurationError as exc:
        raise Misconfigured(str(exc)) from exc


def run_to_exit_code(main: Callable[..., Awaitable[int]], *arguments: Any) -> int:
    """Run ``main`` under Trio and return its exit code; an exception is logged and becomes one.

    Errors that hyperstream raises on purpose are told by their message. Anything else is a bug:
    it is told with the tracebacks that matter, without the groups round them.
    """
    try:
        return trio.run(main, *arguments)
    except (KeyboardInterrupt, Exception, BaseExceptionGroup) as exc:
        return report(exc)


def report(exc: BaseException) -> int:
    """Log why the process ends; return its exit code."""
    found = leaves(exc)
    bugs = [leaf for leaf in found if not isinstance(leaf, HyperstreamError | KeyboardInterrupt)]
    if bugs:
        log.critical("crashed", exception=readable_traceback(bugs))
        return FAILED
    for leaf in found:
        if isinstance(leaf, HyperstreamError):
            log.error(str(leaf))
    if all(isinstance(leaf, ConfigurationError) for leaf in found):
        return MISCONFIGURED
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in found):
        log.warning("interrupted")
    return FAILED


def leaves(exc: BaseException) -> list[BaseException]:
    """Return the exceptions inside nested groups, or the exception itself."""
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for inner in exc.exceptions for leaf in leaves(inner)]
    return [exc]


def readable_traceback(bugs: Sequence[BaseException]) -> str:
    """Return the tracebacks of exceptions without the frames of Trio's own machinery."""
    texts = []
    for bug in bugs[:_MAX_TRACEBACKS]:
        told = traceback.TracebackException.from_exception(bug, compact=True)
        _trim(told)
        texts.append("".join(told.format()).rstrip())
    if len(bugs) > _MAX_TRACEBACKS:
        texts.append(f"… and {len(bugs) - _MAX_TRACEBACKS} more")
    return "\n\n".join(texts)


def _trim(told: traceback.TracebackException) -> None:
    kept = [frame for frame in told.stack if not any(part in frame.filename for part in _MACHINERY)]
    if kept:
        told.stack[:] = kept
    for linked in (told.__cause__, told.__context__):
        if linked is not None:
            _trim(linked)
