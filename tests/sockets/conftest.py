"""Logs of the sockets go nowhere: rendering a traceback takes longer than most tests, and keeping one keeps
alive what the tests watch being freed. A test that reads logs captures them itself.
"""

from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog


def drop(*_event: object) -> NoReturn:
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()
