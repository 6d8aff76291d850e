"""Every part's figures together."""

from __future__ import annotations

from attrs import frozen

from hyperstream.engine.engine import EngineStatistics
from hyperstream.engine.marks.keeper import MarkStatistics
from hyperstream.engine.prices.engine import PriceStatistics
from hyperstream.hub.hub import HubStatistics
from hyperstream.servers.grpc.server import GrpcStatistics
from hyperstream.servers.websocket.server import WebSocketStatistics
from hyperstream.slow_steps import StepStatistics
from hyperstream.sources.exchanges.statistics import FeedStatistics
from hyperstream.sources.node.statistics import NodeStatistics


@frozen
class DaemonStatistics:
    """Every part's figures."""

    engine: EngineStatistics
    hub: HubStatistics
    grpc: GrpcStatistics
    websocket: WebSocketStatistics | None
    node: NodeStatistics
    feeds: dict[str, FeedStatistics]
    prices: PriceStatistics
    marks: MarkStatistics
    steps: StepStatistics
