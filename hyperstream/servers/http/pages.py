"""What the pages say, made of what the daemon knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Protocol

import orjson
from attrs import frozen
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_HTML = "text/html; charset=utf-8"


class Figures(Protocol):
    """What the daemon knows of itself."""

    def troubles(self) -> list[str]:
        """Why it is not ready, a sentence each; empty when it is."""

    def metrics(self) -> Iterable[Metric]:
        """Everything that is counted."""

    def status(self) -> dict[str, Any]:
        """Every source, topic and subscriber, as JSON can say it."""


@frozen
class Page:
    """An answer."""

    body: bytes
    content_type: str = _TEXT
    status: int = HTTPStatus.OK


class Pages:
    """The pages by path."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Collector(figures))
        self._by_path: Mapping[str, Callable[[], Page]] = {
            "/": self._overview,
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
            "/status": self._status,
        }
        self._html = files(__package__).joinpath("overview.html").read_bytes()

    @property
    def paths(self) -> list[str]:
        """The paths there are."""
        return list(self._by_path)

    def find(self, path: str) -> Page | None:
        """The page at a path, as things stand now."""
        make = self._by_path.get(path)
        return make() if make is not None else None

    def _health(self) -> Page:
        return Page(b"alive\n")

    def _readiness(self) -> Page:
        troubles = self._figures.troubles()
        if not troubles:
            return Page(b"ready\n")
        text = "".join(f"{trouble}\n" for trouble in troubles)
        return Page(text.encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _metrics(self) -> Page:
        return Page(generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def _status(self) -> Page:
        return Page(orjson.dumps(self._figures.status(), option=orjson.OPT_APPEND_NEWLINE), _JSON)

    def _overview(self) -> Page:
        return Page(self._html, _HTML)


class _Collector:
    """The daemon's figures as the library asks for them."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Everything that is counted, now."""
        return self._figures.metrics()
