"""What the daemon knows of itself: metrics, a status in JSON, and reasons why it is not ready."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any

from attrs import asdict, define
from prometheus_client.metrics_core import Metric

from hyperstream.config import Settings
from hyperstream.engine.engine import Engine
from hyperstream.figures.metrics import (
    engine_metrics,
    feed_metrics,
    gauge,
    mark_metrics,
    node_metrics,
    price_metrics,
    server_metrics,
    step_metrics,
    subscriber_metrics,
)
from hyperstream.figures.statistics import DaemonStatistics
from hyperstream.figures.status import describe_subscriber, plain, slowest, topics_followed_most
from hyperstream.hub.hub import Hub
from hyperstream.lifecycle import Lifecycle
from hyperstream.sources.exchanges.state import CONNECTED, OFF

__all__ = ["DaemonFigures", "DaemonStatistics"]

_NS = 1_000_000_000
_NAMED_BOOKS = 5


@define(eq=False)
class DaemonFigures:
    """The figures of a daemon, for its pages. ``statistics`` returns every part's as they are now."""

    settings: Settings
    lifecycle: Lifecycle
    hub: Hub
    engine: Engine
    statistics: Callable[[], DaemonStatistics]
    now_ns: Callable[[], int]

    def troubles(self) -> list[str]:
        """Why the daemon is not ready: a sentence each, none when it is."""
        statistics = self.statistics()
        found = ["the daemon is draining"] if self.lifecycle.is_draining else []
        if self.settings.node.enabled:
            found += self._node_troubles(statistics)
        for name, feed in statistics.feeds.items():
            if feed.state not in (CONNECTED, OFF):
                found.append(f"feed {name}: {feed.state}{f', {feed.detail}' if feed.detail else ''}")
        return found

    def _node_troubles(self, statistics: DaemonStatistics) -> Iterator[str]:
        engine = statistics.engine
        if not engine.is_ready:
            yield f"the books are not loaded: {statistics.node.state}"
        elif engine.blocks and (age := self._since(engine.read_time_ns)) > self.settings.http.stale_seconds:
            yield f"no block of the node for {age:.0f} s: {statistics.node.state}"
        if engine.doubtful:
            named = ", ".join(sorted(engine.doubtful)[:_NAMED_BOOKS])
            yield f"{len(engine.doubtful)} books are doubtful until they are repaired: {named}"

    def _since(self, time_ns: int) -> float:
        return max(0, self.now_ns() - time_ns) / _NS

    def summary(self) -> str:
        """How it does, in a sentence."""
        troubles = self.troubles()
        if troubles:
            return "; ".join(troubles)
        engine = self.engine.statistics()
        return f"block {engine.height}, {engine.markets} markets, {len(self.hub.subscriptions)} subscriptions"

    def status(self) -> dict[str, Any]:
        """Every source, topic and subscriber; of thousands of these, the first so many."""
        statistics, troubles = self.statistics(), self.troubles()
        engine = statistics.engine
        return {
            "version": version("hyperstream"),
            "time_ns": self.now_ns(),
            "is_ready": not troubles,
            "troubles": troubles,
            "block_age_seconds": self._since(engine.block_time_ns) if engine.blocks else None,
            **asdict(statistics, value_serializer=lambda _, __, value: plain(value)),
            "topics": topics_followed_most(self.engine.all_markets()),
            "subscribers": [describe_subscriber(each) for each in slowest(self.hub.subscriptions)],
        }

    def metrics(self) -> Iterable[Metric]:
        """Everything that is counted."""
        statistics = self.statistics()
        engine = statistics.engine
        python = platform.python_version()
        yield gauge("build_info", "What runs.", 1, version=version("hyperstream"), python=python)
        yield gauge("ready", "Whether /readyz says so.", not self.troubles())
        yield gauge("draining", "Whether the daemon is ending.", self.lifecycle.is_draining)
        ages = self._since(engine.block_time_ns), self._since(engine.read_time_ns)
        yield from engine_metrics(engine, *ages)
        yield from node_metrics(statistics.node)
        yield from subscriber_metrics(statistics.hub, self.hub)
        yield from server_metrics(statistics)
        yield from feed_metrics(statistics.feeds)
        yield from price_metrics(statistics.prices)
        yield from mark_metrics(statistics.marks)
        yield from step_metrics(statistics.steps)
