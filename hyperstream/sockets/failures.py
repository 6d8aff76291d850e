"""Why a connection could not be made: a few kinds that an operator can act on."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from hyperstream.errors import ConnectFailed

MAX_RETRY_AFTER_SECONDS: Final = 3600.0


class FailureKind(StrEnum):
    """What went wrong; `hyperstream.errors.ConnectFailed` carries one."""

    PROVIDER = "provider failed"
    DNS = "name not found"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    TIMEOUT = "timed out"
    CERTIFICATE = "bad certificate"
    TLS = "TLS failed"
    CLOSED = "closed"
    REJECTED = "rejected"
    RATE_LIMITED = "rate limited"
    NOT_WEBSOCKET = "not a WebSocket"
    AUTHENTICATION = "authentication failed"


def retry_after_seconds(value: str, now: datetime | None = None) -> float | None:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), at most an hour."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def network_failure(error: BaseException, where: str) -> ConnectFailed:
    """Return what a low-level error means. ``where`` is the host and port."""
    kind, detail = FailureKind.UNREACHABLE, str(error)
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            kind, detail = FailureKind.CERTIFICATE, cause.verify_message
            break
        if isinstance(cause, ssl.SSLError):
            kind, detail = FailureKind.TLS, getattr(cause, "reason", None) or str(cause)
            break
        if isinstance(cause, socket.gaierror):
            kind, detail = FailureKind.DNS, cause.strerror or str(cause)
            break
        if isinstance(cause, OSError) and cause.errno is not None:
            kind, detail = _kind_of(cause.errno), cause.strerror or str(cause)
            break
    else:
        if not isinstance(error, OSError):
            kind, detail = FailureKind.CLOSED, detail or "the peer hung up"
    return ConnectFailed(kind, f"{where}: {detail}")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it was made of and what caused it, the outermost first."""
    pending = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            pending += current.exceptions
        pending += [linked for linked in (current.__cause__, current.__context__) if linked is not None]


def _kind_of(number: int) -> FailureKind:
    if number == errno.ECONNREFUSED:
        return FailureKind.REFUSED
    if number == errno.ETIMEDOUT:
        return FailureKind.TIMEOUT
    if number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return FailureKind.CLOSED
    return FailureKind.UNREACHABLE
