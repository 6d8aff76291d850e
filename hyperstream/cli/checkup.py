"""What ``hyperstream doctor`` looks at, each thing by itself; nothing of it changes anything."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import trio
from attrs import frozen

from hyperstream.config import ListenAddress, NodeSettings, Settings
from hyperstream.errors import ConfigurationError, FormatError, LayoutError
from hyperstream.servers.door.binding import bind
from hyperstream.servers.door.limits import SPARE_DESCRIPTORS
from hyperstream.sources.node.hours import newest_hour
from hyperstream.sources.node.info import InfoClient, InfoError
from hyperstream.sources.node.layout import FLAGS, NotYet, directory_of, existing_sources, find_layout
from hyperstream.sources.node.reader import ENVELOPE, KINDS
from hyperstream.wire.node_lines import Envelope, parse_envelope

GOOD, WARNING, BAD = "good", "warning", "bad"

# A node on this host writes every block within a second or two of its time, and 10 blocks a second.
SILENT_SECONDS = 10.0
BEHIND_SECONDS = 10.0
AHEAD_SECONDS = 0.5
ASK_SECONDS = 5.0
_TAIL_BYTES = 4 * 1024 * 1024
_FEWEST_WATCHES = 64
_NS = 1_000_000_000


@frozen
class Finding:
    """One thing looked at: how it is, what was seen, and what to do if it is not good."""

    what: str
    verdict: str
    seen: str
    advice: str = ""


async def look(settings: Settings) -> list[Finding]:
    """Look at everything that a daemon with these settings needs."""
    findings: list[Finding] = []
    if settings.node.enabled:
        findings += look_at_files(settings.node)
        findings.append(await look_at_info_server(settings.node))
        findings += look_at_snapshot_place(settings.node)
    findings += look_at_ports(settings)
    findings += look_at_limits(settings)
    findings += await look_at_exchanges(settings)
    return findings


# --- the node's files, and the clock they were written by ---


def look_at_files(node: NodeSettings) -> Iterator[Finding]:
    """The directories, the flags the node was started with, and how fresh what it writes is."""
    what = "node's files"
    try:
        layout = find_layout(node.data_dir, node.layout)
    except LayoutError as exc:
        yield Finding(what, BAD, "they cannot be used", str(exc))
        return
    if isinstance(layout, NotYet):
        yield Finding(what, BAD, "there are none yet", f"the daemon would wait for {layout.waiting_for}")
        return
    verdict = WARNING if layout.doubt else GOOD
    yield Finding(what, verdict, f"layout {layout.name} below {node.data_dir}", layout.doubt)
    present = existing_sources(node.data_dir, layout.name)
    for kind in KINDS:
        if kind not in present:
            yield Finding(f"node's {kind}", WARNING, "not written", f"start the node with {FLAGS[kind]}")
            continue
        yield from _look_at_source(directory_of(node.data_dir, kind, layout.name), kind)


def _look_at_source(directory: Path, kind: str) -> Iterator[Finding]:
    what = f"node's {kind}"
    try:
        newest = newest_hour(directory)
        if newest is None:
            yield Finding(what, WARNING, f"no file yet in {directory}", "is the node running?")
            return
        path = directory / newest.file
        age = time.time() - path.stat().st_mtime
        envelope = newest_envelope(path)
    except LayoutError as exc:
        yield Finding(what, BAD, "they cannot be listed", str(exc))
        return
    except OSError as exc:
        yield Finding(
            what, BAD, f"cannot be read: {exc.strerror}", "give the user of hyperstream access to them"
        )
        return
    # Of fills there may be none for a while.
    if age > SILENT_SECONDS and kind != "fills":
        yield Finding(what, BAD, f"nothing was written for {age:,.0f} s to {path}", "is the node running?")
    elif envelope is None:
        yield Finding(what, WARNING, f"no whole line at the end of {path}", "look again in a moment")
    else:
        yield Finding(what, GOOD, f"block {envelope.height} in {newest.file}, written {age:.1f} s ago")
        if kind == "diffs":
            yield _look_at_clock(envelope)


def newest_envelope(path: Path) -> Envelope | None:
    """The head of the newest whole line of a file; None if none can be found."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _TAIL_BYTES))
        tail = file.read()
    at = tail.rfind(ENVELOPE, 0, tail.rfind(b"\n") + 1)
    try:
        return parse_envelope(tail[at:]) if at >= 0 else None
    except FormatError:
        return None


def _look_at_clock(envelope: Envelope) -> Finding:
    """The clock of this host against the chain's, and the node against the chain."""
    late = (envelope.node_time_ns - envelope.block_time_ns) / _NS
    if late < -AHEAD_SECONDS:
        return Finding(
            "clock",
            BAD,
            f"blocks are {-late:.1f} s in the future of this host",
            "set the clock: run chrony or systemd-timesyncd, and look at `timedatectl`",
        )
    if late > BEHIND_SECONDS:
        return Finding(
            "clock",
            WARNING,
            f"the node wrote its newest block {late:,.1f} s after the block's time",
            "the node is still catching up, or the clock of this host is fast: look at `timedatectl`",
        )
    return Finding("clock", GOOD, f"the node wrote its newest block {late:.2f} s after the block's time")


# --- the info server and the snapshot it writes ---


async def look_at_info_server(node: NodeSettings) -> Finding:
    """Whether it answers, which snapshots and asset indices depend on."""
    what = "info server"
    async with InfoClient(node.info_url) as info:
        try:
            meta = await info.ask({"type": "meta"}, ASK_SECONDS)
        except InfoError as exc:
            needed = node.snapshot == "auto"
            advice = "" if needed else " (books start without it, but markets have no asset index)"
            return Finding(what, BAD if needed else WARNING, "no usable answer", f"{exc}{advice}")
    count = len(meta.get("universe", ())) if isinstance(meta, dict) else 0
    return Finding(what, GOOD, f"{node.info_url} lists {count} perpetuals")


def look_at_snapshot_place(node: NodeSettings) -> Iterator[Finding]:
    """Where books start from."""
    what = "snapshot"
    if node.snapshot == "none":
        yield Finding(what, WARNING, "books start empty", 'set node.snapshot = "auto" for whole books')
        return
    if node.snapshot != "auto":
        path = Path(node.snapshot)
        is_there = os.access(path, os.R_OK)
        yield Finding(
            what, GOOD if is_there else BAD, f"{path} {'can' if is_there else 'cannot'} be read",
            "" if is_there else "name a file that exists in node.snapshot, or set it to auto",
        )  # fmt: skip
        return
    place = node.snapshot_output.parent
    if os.access(place, os.R_OK | os.X_OK):
        yield Finding(what, GOOD, f"the node is asked to write {node.snapshot_output}")
    else:
        advice = "create it, writable for the node and readable for hyperstream, or set node.snapshot_file"
        yield Finding(what, BAD, f"{place} cannot be reached", advice)


# --- this host ---


def look_at_ports(settings: Settings) -> Iterator[Finding]:
    """Whether everything can listen where it should."""
    servers: list[tuple[str, ListenAddress]] = [("grpc", settings.grpc.listen)]
    if settings.websocket.enabled:
        servers.append(("websocket", settings.websocket.listen))
    if settings.http.enabled:
        servers.append(("http", settings.http.listen))
    for name, listen in servers:
        try:
            bind(listen, name, f"{name}.listen").close()
        except ConfigurationError as exc:
            yield Finding(f"{name} port", BAD, f"{listen} cannot be had", str(exc))
        else:
            yield Finding(f"{name} port", GOOD, f"{listen} is free")


def look_at_limits(settings: Settings) -> Iterator[Finding]:
    """Descriptors for the connections allowed, and watches for the node's files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.grpc.max_connections + settings.websocket.max_connections + SPARE_DESCRIPTORS
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        yield Finding("descriptors", GOOD, f"{wanted:,} may be needed, and may be had")
    else:
        yield Finding(
            "descriptors",
            WARNING,
            f"{hard:,} may be had, {wanted:,} may be needed: connections past that are refused",
            f"raise LimitNOFILE= of the unit (or `ulimit -Hn`) to {wanted}, or lower …max_connections",
        )
    for name, least in (("max_user_watches", _FEWEST_WATCHES), ("max_user_instances", 8)):
        path = Path("/proc/sys/fs/inotify", name)
        try:
            value = int(path.read_text())
        except (OSError, ValueError):
            continue
        if value < least:
            advice = f"set fs.inotify.{name} to {least} or more with sysctl; without it files are polled"
            yield Finding("inotify", WARNING, f"{name} is {value}", advice)


# --- the exchanges ---


async def look_at_exchanges(settings: Settings) -> list[Finding]:
    """Whether the feeds that are switched on can be reached at all."""
    feeds = settings.feeds
    wanted = (
        ("binance", feeds.binance.enabled, feeds.binance.url),
        ("binance_futures", feeds.binance_futures.enabled, feeds.binance_futures.url),
        ("bybit", feeds.bybit.enabled, feeds.bybit.url),
        ("hyperliquid", feeds.hyperliquid.enabled, feeds.hyperliquid.url),
    )
    findings: list[Finding] = []

    async def knock(name: str, url: str) -> None:
        findings.append(await _knock(name, url))

    async with trio.open_nursery() as nursery:
        for name, is_enabled, url in wanted:
            if is_enabled:
                nursery.start_soon(knock, name, url, name=f"knock {name}")
    return sorted(findings, key=lambda finding: finding.what)


async def _knock(name: str, url: str) -> Finding:
    what = f"feed {name}"
    address = httpx.URL(url)
    port = address.port or (443 if address.scheme == "wss" else 80)
    try:
        with trio.fail_after(ASK_SECONDS):
            stream = await trio.open_tcp_stream(address.host, port)
            await stream.aclose()
    except (OSError, trio.TooSlowError) as exc:
        reason = "no answer" if isinstance(exc, trio.TooSlowError) else str(exc)
        advice = (
            f"let this host reach it, or set feeds.{name}.enabled = false; books of the node do not need it"
        )
        return Finding(what, WARNING, f"{address.host}:{port} cannot be reached: {reason}", advice)
    return Finding(what, GOOD, f"{address.host}:{port} can be reached")
