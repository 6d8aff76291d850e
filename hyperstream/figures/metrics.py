"""The daemon's figures as Prometheus reads them.

Names begin with ``hyperstream_`` and end in their unit. What happened by cause is one metric with a label, so
that a cause that is new needs no new name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from hyperstream.engine.engine import EngineStatistics
from hyperstream.engine.marks.keeper import MarkStatistics
from hyperstream.engine.prices.engine import PriceStatistics
from hyperstream.figures.statistics import DaemonStatistics
from hyperstream.hub.hub import Hub, HubStatistics
from hyperstream.slow_steps import StepStatistics
from hyperstream.sources.exchanges.statistics import FeedStatistics
from hyperstream.sources.node.statistics import NodeStatistics


def engine_metrics(
    engine: EngineStatistics, block_age_seconds: float, read_age_seconds: float
) -> Iterator[Metric]:
    """Blocks, books and what was wrong with them; the ages are left out before there was a block."""
    yield gauge("block_height", "The last block applied.", engine.height)
    if engine.blocks:
        yield gauge("block_age_seconds", "How old that block is by its own time.", block_age_seconds)
        yield gauge("block_read_age_seconds", "How long ago it was read.", read_age_seconds)
    yield counter("blocks", "Blocks of diffs applied.", engine.blocks)
    yield counter("diffs", "Diffs applied.", engine.events)
    yield counter("trades", "Trades of the node.", engine.trades)
    yield gauge("markets", "Markets of the node.", engine.markets)
    yield gauge("orders", "Resting orders in all books.", engine.orders)
    yield gauge("doubtful_markets", "Markets whose book may be wrong until repaired.", len(engine.doubtful))
    yield gauge("stop_orders", "Orders that wait for their price, in all markets.", engine.stop_orders)
    yield gauge(
        "doubtful_stop_order_markets",
        "Markets whose waiting orders may be wrong until repaired.",
        len(engine.doubtful_stop_orders),
    )
    yield _by_cause("engine_events", "What the node wrote that is not as it should be.", engine.counts)


def node_metrics(node: NodeStatistics) -> Iterator[Metric]:
    """What was read of the node's files."""
    for name, help_text in (
        ("lines", "Lines read."),
        ("bytes_read", "Bytes read."),
        ("duplicates", "Lines or blocks that the node wrote again."),
        ("unreadable_lines", "Lines that cannot be read."),
        ("late_parts", "Parts of blocks that came after the block was closed."),
        ("gaps", "Losses announced."),
        ("missing_blocks", "Heights in these."),
        ("truncations", "Files that became shorter."),
        ("recreations", "Files that were replaced."),
    ):
        family = CounterMetricFamily(f"hyperstream_node_{name}", help_text, labels=["source"])
        for source in node.sources:
            family.add_metric([source.kind], getattr(source, name))
        yield family
    yield counter("node_snapshot_attempts", "Snapshots asked for.", node.snapshot.attempts)
    yield counter("node_repairs", "Repairs asked for.", node.repairs)


def subscriber_metrics(statistics: HubStatistics, hub: Hub) -> Iterator[Metric]:
    """Who follows, and what waits for them."""
    yield gauge("subscriptions", "Subscriptions that are open.", statistics.subscriptions)
    waiting = [subscription.waiting for subscription in hub.subscriptions]
    yield gauge(
        "waiting_messages", "Messages that wait for slow subscribers.", sum(each[0] for each in waiting)
    )
    yield gauge("waiting_bytes", "Bytes of these.", sum(each[1] for each in waiting))
    yield _by_cause(
        "subscriber_events",
        "Resyncs, cuts and the like, of subscribers that read too slowly.",
        statistics.counts,
    )


def server_metrics(statistics: DaemonStatistics) -> Iterator[Metric]:
    """Connections and what peers did."""
    servers: dict[str, tuple[int, int, Mapping[str, int]]] = {
        "grpc": (statistics.grpc.connections, statistics.grpc.streams, statistics.grpc.counts)
    }
    gateway = statistics.websocket
    if gateway is not None:
        servers["websocket"] = (gateway.connections, gateway.sessions, gateway.counts)
    connections = GaugeMetricFamily(
        "hyperstream_connections", "Connections that are open.", labels=["server"]
    )
    streams = GaugeMetricFamily(
        "hyperstream_streams", "gRPC calls, and sessions, that are open.", labels=["server"]
    )
    peers = CounterMetricFamily(
        "hyperstream_peer_events", "What peers did, and what was done about it.", labels=["server", "cause"]
    )
    for server, (connected, streaming, counts) in servers.items():
        connections.add_metric([server], connected)
        streams.add_metric([server], streaming)
        for cause, count in counts.items():
            peers.add_metric([server, cause], count)
    yield from (connections, streams, peers)


def feed_metrics(feeds: Mapping[str, FeedStatistics]) -> Iterator[Metric]:
    """The exchanges' feeds."""
    states = GaugeMetricFamily(
        "hyperstream_feed_state", "1 for the state a feed is in.", labels=["venue", "state"]
    )
    for name, feed in feeds.items():
        states.add_metric([name, feed.state], 1)
    yield states
    for kind, name, help_text in (
        (GaugeMetricFamily, "topics", "Topics wanted of a venue."),
        (GaugeMetricFamily, "streams", "Streams subscribed, or on their way."),
        (CounterMetricFamily, "items", "Items handed on."),
        (CounterMetricFamily, "gaps", "Gaps told."),
        (CounterMetricFamily, "snapshots", "Snapshots of books taken."),
        (CounterMetricFamily, "rest_requests", "Requests over HTTP."),
        (CounterMetricFamily, "rest_failures", "Those of them that failed."),
        (CounterMetricFamily, "replaced_lines", "Connections replaced before they were cut."),
    ):
        family = kind(f"hyperstream_feed_{name}", help_text, labels=["venue"])
        for venue, feed in feeds.items():
            family.add_metric([venue], getattr(feed, name))
        yield family
    losses = CounterMetricFamily(
        "hyperstream_feed_losses", "Connections lost, not planned.", labels=["venue"]
    )
    for venue, feed in feeds.items():
        losses.add_metric([venue], sum(connection.losses for connection in feed.connections))
    yield losses


def price_metrics(prices: PriceStatistics) -> Iterator[Metric]:
    """Prices, bars and indicators."""
    yield gauge("price_markets", "Markets of all venues whose prices are kept.", prices.markets)
    yield gauge("price_series", "Series of prices, bars and indicators that are computed.", prices.series)
    yield counter("price_items", "Items of feeds taken.", prices.items)
    yield counter("price_batches", "Batches of prices published.", prices.batches)
    yield _by_cause("price_events", "What was not as it should be.", prices.counts)


def mark_metrics(marks: MarkStatistics) -> Iterator[Metric]:
    """Mark prices."""
    yield gauge("mark_price_markets", "Markets whose mark price is computed.", marks.markets)
    yield counter("mark_prices", "Mark prices computed.", marks.computed)


def step_metrics(steps: StepStatistics) -> Iterator[Metric]:
    """Whether one task held the others up."""
    yield counter("long_steps", "Steps of a task that held the others up for over 20 ms.", steps.long_steps)
    yield gauge("longest_step_seconds", "The longest of these.", steps.longest_seconds)


def gauge(name: str, help_text: str, value: float, **labels: str) -> Metric:
    """One number that goes up and down."""
    family = GaugeMetricFamily(f"hyperstream_{name}", help_text, labels=list(labels))
    family.add_metric(list(labels.values()), float(value))
    return family


def counter(name: str, help_text: str, value: float) -> Metric:
    """One number that only rises."""
    return CounterMetricFamily(f"hyperstream_{name}", help_text, value=value)


def _by_cause(name: str, help_text: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"hyperstream_{name}", help_text, labels=["cause"])
    for cause, count in counts.items():
        family.add_metric([cause], count)
    return family
