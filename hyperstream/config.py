"""Settings: frozen values from TOML, environment variables and ``--set``, checked once when loaded.

A later layer wins: file, then ``HYPERSTREAM_NODE__DATA_DIR`` (section and key joined by two
underscores), then ``--set node.data_dir=…``. Code receives the section it needs and may rely on it.
Each field's sentence is the source of ``hyperstream config schema`` and docs/configuration.md.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from attrs import AttrsInstance, Factory, field, fields, frozen

from hyperstream.errors import ConfigurationError
from hyperstream.settings.access import NO_FILE, require_access, require_private
from hyperstream.settings.catalogue import catalogue
from hyperstream.settings.feeds import (
    BinanceFeedSettings,
    BinanceFuturesFeedSettings,
    BybitFeedSettings,
    FeedsSettings,
    HyperliquidFeedSettings,
)
from hyperstream.settings.grpc import GrpcSettings
from hyperstream.settings.http import HttpSettings
from hyperstream.settings.kinds import (
    ABOUT,
    Boolean,
    Choice,
    FilePath,
    ListenAddress,
    Number,
    WebAddress,
    Words,
    about,
)
from hyperstream.settings.layers import read_layers
from hyperstream.settings.prices import PriceSettings
from hyperstream.settings.websocket import WebSocketSettings

__all__ = [
    "NO_FILE",
    "BinanceFeedSettings",
    "BinanceFuturesFeedSettings",
    "BybitFeedSettings",
    "Effective",
    "FeedsSettings",
    "GrpcSettings",
    "HttpSettings",
    "HyperliquidFeedSettings",
    "LifecycleSettings",
    "ListenAddress",
    "LogSettings",
    "NodeSettings",
    "PriceSettings",
    "Settings",
    "WebSocketSettings",
    "load",
    "load_effective",
    "require_access",
]

PartT = TypeVar("PartT", bound=AttrsInstance)
SNAPSHOT_NAME = "hyperstream_l4_snapshot.json"


@frozen
class NodeSettings:
    """The Hyperliquid node whose files are read."""

    enabled: bool = field(
        default=True, metadata=about(Boolean(), "Whether the node's files are read at all.")
    )
    data_dir: Path = field(
        default=Factory(lambda: Path("~/hl/data").expanduser()),
        metadata=about(
            FilePath(),
            "The node's data directory, the one that holds node_raw_book_diffs_by_block and its siblings.",
            default="~/hl/data",
        ),
    )
    layout: str = field(
        default="auto",
        metadata=about(
            Choice(("auto", "by_block", "streaming")),
            "How the node writes: by_block (--batch-by-block), streaming (--stream-with-block-info), "
            "or auto to take what is fresh.",
        ),
    )
    info_url: str = field(
        default="http://localhost:3001/info",
        metadata=about(
            WebAddress(), "The node's info server (--serve-info): snapshots and the list of markets."
        ),
    )
    snapshot: str = field(
        default="auto",
        metadata=about(
            FilePath(("auto", "none")),
            "Where books start: auto asks the info server, none starts them empty, "
            "anything else is the path of an L4 snapshot file.",
        ),
    )
    snapshot_file: Path | None = field(
        default=None,
        metadata=about(
            FilePath(),
            "Where the node is asked to write its L4 snapshot; both the node and hyperstream must reach it.",
            default=f"{SNAPSHOT_NAME} in node.data_dir",
        ),
    )
    markets: tuple[str, ...] = field(
        default=("*",),
        metadata=about(
            Words("symbols"),
            'The symbols to keep books of, spelled as the node writes them; "*" is every market.',
        ),
    )
    quiet_seconds: float = field(
        default=0.05,
        metadata=about(
            Number(0.001, 10.0),
            "How long a file of the streaming layout must be quiet before its last block counts as complete.",
        ),
    )
    snapshot_retry_seconds: float = field(
        default=5.0,
        metadata=about(
            Number(0.01, 3600.0), "How long to wait before asking again for a snapshot that failed."
        ),
    )
    channel_blocks: int = field(
        default=64,
        metadata=about(
            Number(1, 100_000, is_whole=True),
            "How many blocks may wait between the tailers and the engine before the tailers pause.",
        ),
    )
    status_wait_seconds: float = field(
        default=5.0,
        metadata=about(
            Number(0.0, 600.0),
            "How long order-level events wait for a block's statuses before they go out without attributes.",
        ),
    )

    @property
    def snapshot_output(self) -> Path:
        """``snapshot_file``, or its default place in ``data_dir``."""
        return self.snapshot_file or self.data_dir / SNAPSHOT_NAME


@frozen
class LifecycleSettings:
    """Starting and stopping."""

    drain_seconds: float = field(
        default=5.0,
        metadata=about(
            Number(0.0, 3600.0),
            "How long streams may take to end after the first signal before they are cut.",
        ),
    )


@frozen
class LogSettings:
    """What the daemon says about itself, on standard error."""

    level: str = field(
        default="info",
        metadata=about(Choice(("debug", "info", "warning", "error")), "The least important events to show."),
    )
    format: str = field(
        default="auto",
        metadata=about(
            Choice(("auto", "json", "text")),
            "json is one object per line, text is for people; auto is text on a terminal and json elsewhere.",
        ),
    )


@frozen
class Settings:
    """Everything the daemon can be told, by section."""

    node: NodeSettings = field(factory=NodeSettings)
    feeds: FeedsSettings = field(factory=FeedsSettings)
    prices: PriceSettings = field(factory=PriceSettings)
    grpc: GrpcSettings = field(factory=GrpcSettings)
    websocket: WebSocketSettings = field(factory=WebSocketSettings)
    http: HttpSettings = field(factory=HttpSettings)
    lifecycle: LifecycleSettings = field(factory=LifecycleSettings)
    log: LogSettings = field(factory=LogSettings)


@frozen
class Effective:
    """Settings and where each came from: file, variable or ``--set`` by full name; defaults are absent."""

    settings: Settings
    origins: Mapping[str, str]


def load(
    path: Path | None = None, *, overrides: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings of a file (or of ``$HYPERSTREAM_CONFIG``), the environment and ``--set`` texts.

    Raises ConfigurationError with one line per problem: where, which setting, what it must be.
    """
    return load_effective(path, overrides=overrides, environ=environ).settings


def load_effective(
    path: Path | None = None, *, overrides: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> Effective:
    """Like ``load``, and tells where every value came from."""
    defaults = Settings()
    reading = read_layers(catalogue(defaults), path, environ, overrides)
    if reading.problems:
        raise ConfigurationError("\n".join(reading.problems))
    settings = _built(defaults, reading.values)
    check_access(settings)
    return Effective(settings, reading.origins)


def check_access(settings: Settings) -> None:
    """Check that every server that others can reach says who may call. Raises ConfigurationError."""
    require_access(settings.grpc, "grpc")
    require_access(settings.websocket, "websocket")
    require_private(settings.http.listen, allow_anyone=settings.http.allow_anyone, section="http")


def _built(defaults: PartT, values: Mapping[str, object], group: str = "") -> PartT:
    """Return settings, or a part of them, with the values that were given by full name."""
    given: dict[str, object] = {}
    for attribute in fields(type(defaults)):
        name = f"{group}{attribute.name}"
        if ABOUT not in attribute.metadata:
            given[attribute.name] = _built(getattr(defaults, attribute.name), values, f"{name}.")
        elif name in values:
            given[attribute.name] = values[name]
    return type(defaults)(**given)
