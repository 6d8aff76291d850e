"""The layer rule: who may import whom, found by reading every module's imports.

cli → app → {servers, sources, engine} → {hub, sockets} → wire → market

A room may import the rooms to its right, not those beside it. ``errors`` is for all; ``config``,
``settings`` and ``logs`` have their own importers, and so have two small things that any service and the
sockets need, ``log_once`` and ``token_bucket``; ``testing`` is for cli and tests only.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

PACKAGE = "hyperstream"
ROOT = Path(__file__).resolve().parent.parent

_SMALL = frozenset({"log_once", "token_bucket"})
_BELOW_SERVICES = _SMALL | {"hub", "sockets", "wire", "market", "v1", "errors"}
_SERVICE = _BELOW_SERVICES | {"config", "logs"}
MAY_IMPORT: dict[str, frozenset[str]] = {
    "cli": _SERVICE | {"app", "lifecycle", "servers", "sources", "engine", "settings", "testing"},
    "app": _SERVICE
    | {"activation", "lifecycle", "slow_steps", "watchdog", "figures", "servers", "sources", "engine"},
    "activation": frozenset({"config", "errors"}),
    "figures": _SERVICE | {"lifecycle", "slow_steps", "servers", "sources", "engine"},
    "lifecycle": _SERVICE | {"early_signals"},
    "slow_steps": frozenset({"log_once"}),
    "watchdog": frozenset(),
    "servers": _SERVICE,
    "sources": _SERVICE,
    "engine": _SERVICE,
    "hub": frozenset({"wire", "market", "v1", "errors"}),
    "sockets": _SMALL | {"wire", "market", "v1", "errors"},
    "wire": frozenset({"market", "v1", "errors"}),
    "market": frozenset({"errors"}),
    "v1": frozenset(),
    "errors": frozenset(),
    "log_once": frozenset(),
    "token_bucket": frozenset(),
    "config": frozenset({"settings", "errors"}),
    "settings": frozenset({"errors"}),
    "logs": frozenset({"config", "errors"}),
    "testing": frozenset({"wire", "market", "errors"}),
    "__init__": frozenset(),
    "__main__": frozenset({"cli", "early_signals"}),
    "early_signals": frozenset(),
}
ONLY_IN_GRPC_SERVER = frozenset({"asyncio", "grpclib", "trio_asyncio", "h2", "hpack", "hyperframe"})
# What a pure room must not touch: concurrency, clocks, the outside world.
IMPURE = frozenset({
    "anyio", "asyncio", "concurrent", "contextvars", "ctypes", "fcntl", "glob", "grpclib", "h11",
    "httpx", "inotify_simple", "io", "logging", "multiprocessing", "os", "pathlib", "queue", "random",
    "requests", "sched", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3",
    "ssl", "structlog", "subprocess", "sys", "syslog", "tempfile", "threading", "time", "trio",
    "trio_asyncio", "urllib", "uuid"
})  # fmt: skip
PURE_ROOMS = frozenset({"market", "wire"})
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})


@frozen
class Module:
    """A module's dotted name and its source."""

    name: str
    source: str
    is_package: bool = False

    @property
    def room(self) -> str:
        """The part of the package it belongs to: ``market`` of ``hyperstream.market.book``."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "__init__"


@frozen
class Import:
    """A name imported, the line it stands in."""

    target: str
    line: int


def violations(module: Module) -> list[str]:
    """Return what a module does against the rule: ``name:line: what, and what is allowed``."""
    tree = ast.parse(module.source)
    found = []
    if module.room not in MAY_IMPORT:
        return [f"{module.name}:1: the room {module.room} has no place in the layer rule; give it one"]
    for imported in imports(tree, module):
        where = f"{module.name}:{imported.line}:"
        top, _, rest = imported.target.partition(".")
        if top == PACKAGE:
            room = rest.partition(".")[0] or "__init__"
            if room not in MAY_IMPORT[module.room] | {module.room, "__init__"}:
                allowed = ", ".join(sorted(MAY_IMPORT[module.room])) or "nothing"
                found.append(f"{where} {module.room} must not import {room}; it may import {allowed}")
        elif top in ONLY_IN_GRPC_SERVER and not _is_grpc_server(module):
            found.append(f"{where} {top} belongs in {PACKAGE}.servers.grpc only")
        elif top in IMPURE and module.room in PURE_ROOMS:
            found.append(f"{where} {module.room} is pure: no {top}; hand the value in")
    if module.room in PURE_ROOMS:
        found += impurities(tree, module)
    return found


def imports(tree: ast.AST, module: Module) -> Iterator[Import]:
    """Yield every import in the module: at the top, in functions, under TYPE_CHECKING, by import_module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _resolve(node, module)
            for alias in node.names:
                is_room = base == PACKAGE and alias.name != "*"
                yield Import(f"{base}.{alias.name}" if is_room else base, node.lineno)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield Import(argument.value, node.lineno)


def impurities(tree: ast.AST, module: Module) -> Iterator[str]:
    """Yield what a pure room calls or defines that it must not: clocks, files, coroutines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _called(node)
            is_clock = name in CLOCK_CALLS and isinstance(node.func, ast.Attribute) and not node.args
            is_plain = isinstance(node.func, ast.Name) and name in IMPURE_CALLS
            if is_clock or is_plain:
                yield f"{module.name}:{node.lineno}: {module.room} is pure: no {name}()"
        elif isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield f"{module.name}:{node.lineno}: {module.room} is pure: nothing async"


def package_modules() -> list[Module]:
    """Read every module of the package."""
    modules = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name, path.read_text(), is_package))
    return modules


def _is_grpc_server(module: Module) -> bool:
    return f"{module.name}.".startswith(f"{PACKAGE}.servers.grpc.")


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _resolve(node: ast.ImportFrom, module: Module) -> str:
    """Return the absolute name of the module an ``import from`` names, relative ones included."""
    if node.level == 0:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def test_every_module_keeps_the_layer_rule() -> None:
    found = [line for module in package_modules() for line in violations(module)]
    assert not found, "\n" + "\n".join(found)


def test_the_package_is_really_read() -> None:
    names = {module.name for module in package_modules()}
    assert {"hyperstream.market.book", "hyperstream.wire.diffs", "hyperstream.cli.run"} <= names


def test_the_rule_itself_has_no_loop() -> None:
    """No room can reach itself through the rooms it may import."""
    for start in MAY_IMPORT:
        reached, pending = set(), list(MAY_IMPORT[start])
        while pending:
            room = pending.pop()
            if room not in reached:
                reached.add(room)
                pending += MAY_IMPORT[room]
        assert start not in reached


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("hyperstream.market.book", "import hyperstream.wire.diffs", "market must not import wire"),
        (
            "hyperstream.market.book",
            "from hyperstream.config import Settings",
            "market must not import config",
        ),
        ("hyperstream.wire.diffs", "from hyperstream import hub", "wire must not import hub"),
        (
            "hyperstream.hub.topic",
            "def f():\n    from hyperstream.engine import core",
            "hub must not import engine",
        ),
        ("hyperstream.sources.node.tail", "from hyperstream.servers import grpc", "must not import servers"),
        ("hyperstream.engine.core", "from ..sources.node import tail", "engine must not import sources"),
        ("hyperstream.engine.core", "from .. import app", "engine must not import app"),
        ("hyperstream.hub.topic", "from hyperstream.config import Settings", "hub must not import config"),
        ("hyperstream.servers.grpc.server", "import hyperstream.testing", "servers must not import testing"),
        ("hyperstream.app", "import hyperstream.cli.run", "app must not import cli"),
        ("hyperstream.errors", "import hyperstream.market.book", "errors must not import market"),
        (
            "hyperstream.market.book",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hyperstream.hub import topic",
            "hyperstream.market.book:3: market must not import hub",
        ),
        (
            "hyperstream.market.book",
            "import importlib\nimportlib.import_module('hyperstream.hub.topic')",
            "market must not import hub",
        ),
        ("hyperstream.engine.core", "import asyncio", "asyncio belongs in hyperstream.servers.grpc only"),
        ("hyperstream.cli.watch", "from grpclib.client import Channel", "grpclib belongs in"),
        ("hyperstream.servers.http.server", "import h2.events", "h2 belongs in"),
        ("hyperstream.servers.grpcish", "import trio_asyncio", "trio_asyncio belongs in"),
        ("hyperstream.market.book", "import trio", "market is pure: no trio"),
        ("hyperstream.wire.diffs", "from pathlib import Path", "wire is pure: no pathlib"),
        ("hyperstream.wire.diffs", "import os.path", "wire is pure: no os"),
        ("hyperstream.market.book", "from time import monotonic", "market is pure: no time"),
        ("hyperstream.market.book", "import structlog", "market is pure: no structlog"),
        (
            "hyperstream.market.book",
            "from datetime import datetime\ndatetime.now()",
            "hyperstream.market.book:2: market is pure: no now()",
        ),
        ("hyperstream.wire.diffs", "open('x')", "wire is pure: no open()"),
        ("hyperstream.market.book", "async def f(): ...", "market is pure: nothing async"),
        ("hyperstream.novelties.x", "", "the room novelties has no place in the layer rule"),
    ],
)
def test_a_planted_violation_is_found(name: str, source: str, expected: str) -> None:
    (found,) = violations(Module(name, source))
    assert expected in found
    assert found.startswith(f"{name}:")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("hyperstream.cli.run", "from hyperstream import app\nfrom hyperstream.testing import FakeNode"),
        ("hyperstream.app", "import hyperstream.servers.grpc.server\nimport trio"),
        (
            "hyperstream.engine.core",
            "from hyperstream.hub.topic import Topic\nfrom hyperstream.log_once import LogOnce",
        ),
        (
            "hyperstream.wire.diffs",
            "from hyperstream.market.book import Book\nfrom . import fills\nimport orjson",
        ),
        (
            "hyperstream.servers.grpc.server",
            "import trio_asyncio\nimport h2.events\nfrom grpclib import server",
        ),
        ("hyperstream.servers.grpc", "import trio_asyncio"),
        ("hyperstream.market.order", "from hyperstream import errors\nfrom datetime import datetime"),
        ("hyperstream.engine", "from . import core"),
    ],
)
def test_what_is_allowed_is_not_reported(name: str, source: str) -> None:
    is_package = name in ("hyperstream.engine", "hyperstream.servers.grpc")
    assert violations(Module(name, source, is_package)) == []


def test_a_pure_room_runs_without_the_world() -> None:
    """The names that pure rooms must not import are real modules, so that none is misspelled."""
    known = set(sys.stdlib_module_names) | {"anyio", "grpclib", "h11", "httpx", "inotify_simple", "requests"}
    assert known | {"structlog", "trio", "trio_asyncio"} >= IMPURE
