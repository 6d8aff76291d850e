"""What the sockets' logs have in common: whose they are, and what makes two errors the same."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import structlog


def cause_of(error: BaseException) -> Hashable:
    """Return what makes an error the same as another: its type, and where it was raised."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    where = (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno) if traceback is not None else None
    return type(error), where


def logger(name: str) -> Any:
    """Return the room's logger, which says a connection's name with everything."""
    return structlog.get_logger("hyperstream.sockets", connection=name)
