"""API keys: a TOML file of names, SHA-256 hashes and limits. The keys themselves are kept nowhere.

    [desk-1]
    sha256 = "…64 hexadecimal digits…"
    streams = 20                  # calls at the same time
    connections = 4
    markets = 100                 # markets subscribed to, all streams together
    bytes_per_second = 1000000    # sent, all streams together

A key has 256 random bits, so its plain hash tells nothing; slow hashes are for passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from hyperstream.errors import ConfigurationError

KEY_PREFIX = "hs_"
_MIN_RATE = 16_384
_BARE_NAME = re.compile(r"[A-Za-z0-9_-]+")
_HEX_DIGITS = frozenset("0123456789abcdef")


@frozen
class KeyLimits:
    """What one key's calls may use together; infinite where nothing is said."""

    streams: float = math.inf
    connections: float = math.inf
    markets: float = math.inf
    bytes_per_second: float = math.inf


@frozen
class ApiKey:
    """A key's name, the SHA-256 of its text, and its limits."""

    name: str
    sha256: bytes = field(repr=False)
    limits: KeyLimits


@define(eq=False)
class KeyRing:
    """The keys in force, by name. ``reload`` replaces them; calls that run go on.

    ``setting`` is where the path was set, for what is said of the file.
    """

    path: Path
    setting: str = "grpc.api_keys"
    keys: Mapping[str, ApiKey] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the file again. Raises ConfigurationError, and keeps the keys, if it cannot be used."""
        self.keys = {key.name: key for key in read_keys(self.path, self.setting)}

    def find(self, text: str) -> ApiKey | None:
        """The key with this text. Takes the same time whether, and where, one is found."""
        given = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self.keys.values():
            if hmac.compare_digest(key.sha256, given):
                found = key
        return found


def make_key() -> str:
    """Return a new key."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def key_entry(name: str, text: str) -> str:
    """Return the lines of the file for a key."""
    quoted = name if _BARE_NAME.fullmatch(name) else json.dumps(name)
    return f'[{quoted}]\nsha256 = "{hashlib.sha256(text.encode()).hexdigest()}"\n'


def read_keys(path: Path, setting: str = "grpc.api_keys") -> list[ApiKey]:
    """Read a file of keys; raises ConfigurationError with one line for each thing that is wrong."""
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError as exc:
        raise ConfigurationError(f"{setting}: {path} does not exist") from exc
    except OSError as exc:
        raise ConfigurationError(f"{setting}: {path} cannot be read: {exc.strerror}") from exc
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigurationError(f"{setting}: {path} is not TOML: {exc}") from exc
    problems: list[str] = []
    keys = [_read_key(name, entry, problems) for name, entry in table.items()]
    if not keys:
        problems.append("holds no key; `hyperstream config key NAME` makes one")
    problems += _same_hashes(keys)
    if problems:
        raise ConfigurationError("\n".join(f"{setting}: {path}: {problem}" for problem in problems))
    return keys


def _read_key(name: str, entry: Any, problems: list[str]) -> ApiKey:
    if not isinstance(entry, dict):
        problems.append(f"{name} must be a table, [{name}], with a sha256")
        entry = {"sha256": "0" * 64}
    digest = entry.pop("sha256", None)
    if not isinstance(digest, str) or len(digest) != 64 or not set(digest) <= _HEX_DIGITS:
        problems.append(f"[{name}] sha256 must be 64 hexadecimal digits in lower case")
        digest = "0" * 64
    limits: dict[str, float] = {}
    for what, value in entry.items():
        least = _MIN_RATE if what == "bytes_per_second" else 1
        if what not in ("streams", "connections", "markets", "bytes_per_second"):
            problems.append(
                f"[{name}] {what} is not a limit; there are streams, connections, markets, bytes_per_second"
            )
        elif isinstance(value, bool) or not isinstance(value, int) or value < least:
            problems.append(f"[{name}] {what} must be an integer of at least {least}, not {value!r}")
        else:
            limits[what] = value
    return ApiKey(name, bytes.fromhex(digest), KeyLimits(**limits))


def _same_hashes(keys: Iterable[ApiKey]) -> list[str]:
    names: dict[bytes, str] = {}
    problems = []
    for key in keys:
        first = names.setdefault(key.sha256, key.name)
        if first != key.name and any(key.sha256):
            problems.append(f"[{key.name}] has the same key as [{first}]")
    return problems
