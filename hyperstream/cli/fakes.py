"""What the simulate commands share: they end on a signal, and tell what cannot be had in a sentence."""

import signal

import click
import trio


async def stop_on_signal(scope: trio.CancelScope) -> None:
    """Cancel a scope at SIGINT or SIGTERM."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel(reason="a signal asked for it")


def as_click_error(exc: OSError | ExceptionGroup[Exception]) -> click.ClickException | None:
    """Return what to tell of what the system refused, or None when there is anything else among it."""
    trouble = _only_os_errors(exc)
    return None if trouble is None else click.ClickException("; ".join(map(str, trouble)))


def _only_os_errors(exc: OSError | ExceptionGroup[Exception]) -> list[OSError] | None:
    if isinstance(exc, OSError):
        return [exc]
    found: list[OSError] = []
    for inner in exc.exceptions:
        if not isinstance(inner, OSError | ExceptionGroup):
            return None
        deeper = _only_os_errors(inner)
        if deeper is None:
            return None
        found += deeper
    return found
