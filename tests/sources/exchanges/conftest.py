"""Logs of the feeds go nowhere, unless a test captures them: rendering takes longer than most tests."""

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
