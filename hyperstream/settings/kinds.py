"""What a setting's value may be: each kind checks one, names itself and describes itself as JSON Schema."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

ABOUT: Final = "hyperstream.about"


@frozen
class ListenAddress:
    """Where a server listens: port 0 lets the system choose one, an IPv6 host has no brackets here."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Return ``"127.0.0.1:50051"`` or ``"[::1]:50051"`` as an address; raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"must be HOST:PORT with a port of 0 to 65535, not {text!r}")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            try:
                IPv6Address(host)
            except ValueError:
                raise ValueError(f"must have an IPv6 address between the brackets, not {host!r}") from None
        elif ":" in host:
            raise ValueError(f"must have its IPv6 address in brackets, as in [::1]:{port}, not {text!r}")
        if not host or any(character.isspace() or character in "/@" for character in host):
            raise ValueError(f"must name the host to listen on, as in 127.0.0.1:{port}, not {text!r}")
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it. A name other than localhost may be anything."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def as_listen_address(value: str | ListenAddress) -> ListenAddress:
    """Return an address, also from its text: code that builds settings may write either."""
    return ListenAddress.parse(value) if isinstance(value, str) else value


class Kind(ABC):
    """Checks one value. ``takes_text`` kinds are written as strings in TOML."""

    takes_text = False

    @property
    @abstractmethod
    def label(self) -> str:
        """What is expected, as the end of "must be …"."""

    @abstractmethod
    def parse(self, value: object, base: Path) -> object:
        """Return the checked value; ``base`` is where relative paths start. Raises ValueError ("must …")."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Describe the kind as JSON Schema."""

    def from_text(self, text: str) -> object:
        """Return what a text kind takes from the command line or the environment, before ``parse``."""
        return text

    def _refuse(self, value: object) -> ValueError:
        return ValueError(f"must be {self.label}, not {describe(value)}")


@frozen
class About:
    """A setting's kind and its one sentence of documentation; ``default`` replaces the default's own text."""

    kind: Kind
    text: str
    default: str | None = None


def about(kind: Kind, text: str, *, default: str | None = None) -> dict[str, About]:
    """Return the metadata of an attrs field that is a setting."""
    return {ABOUT: About(kind, text, default)}


def describe(value: object) -> str:
    """Return a TOML value as a message shows it: ``the string "1"``, ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the string "{value}"'
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return f"the list {value}"
    return str(value)


@frozen
class Boolean(Kind):
    """``true`` or ``false``, nothing that merely looks like it."""

    label: str = "true or false"

    def parse(self, value: object, base: Path) -> bool:  # noqa: D102, ARG002 - described by Kind
        if not isinstance(value, bool):
            raise self._refuse(value)
        return value

    def schema(self) -> dict[str, Any]:  # noqa: D102
        return {"type": "boolean"}


@frozen
class Number(Kind):
    """A finite number within bounds; ``is_whole`` for integers. Booleans are not numbers."""

    minimum: float
    maximum: float
    is_whole: bool = False

    @property
    def label(self) -> str:  # noqa: D102
        noun = "an integer" if self.is_whole else "a number"
        return f"{noun} from {self.minimum} to {self.maximum}"

    def parse(self, value: object, base: Path) -> float:  # noqa: D102, ARG002
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else int | float):
            raise self._refuse(value)
        if not math.isfinite(value) or not self.minimum <= value <= self.maximum:
            raise self._refuse(value)
        return value if self.is_whole else float(value)

    def schema(self) -> dict[str, Any]:  # noqa: D102
        name = "integer" if self.is_whole else "number"
        return {"type": name, "minimum": self.minimum, "maximum": self.maximum}


@frozen
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]
    takes_text = True

    @property
    def label(self) -> str:  # noqa: D102
        return "one of " + ", ".join(f'"{word}"' for word in self.words)

    def parse(self, value: object, base: Path) -> str:  # noqa: D102, ARG002
        if not isinstance(value, str) or value not in self.words:
            raise self._refuse(value)
        return value

    def schema(self) -> dict[str, Any]:  # noqa: D102
        return {"type": "string", "enum": list(self.words)}


@frozen
class FilePath(Kind):
    """A path, made absolute: ``~`` is the home directory, relative ones start at the configuration file.

    ``words`` stand for themselves instead of naming a path, and make the value a string.
    """

    words: tuple[str, ...] = ()
    takes_text = True

    @property
    def label(self) -> str:  # noqa: D102
        return "".join(f'"{word}" or ' for word in self.words) + "a path"

    def parse(self, value: object, base: Path) -> Path | str:  # noqa: D102
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self._refuse(value)
        if value in self.words:
            return value
        try:
            path = base / Path(value).expanduser()
        except RuntimeError:
            raise ValueError(f"must name a home directory that exists, not {value!r}") from None
        return str(path) if self.words else path

    def schema(self) -> dict[str, Any]:  # noqa: D102
        return {"type": "string", "minLength": 1}


@frozen
class WebAddress(Kind):
    """A URL of one of two schemes: http and https, or ws and wss."""

    schemes: tuple[str, str] = ("http", "https")
    takes_text = True

    @property
    def label(self) -> str:  # noqa: D102
        plain, secure = self.schemes
        return f"an {plain}:// or {secure}:// URL" if plain == "http" else f"a {plain}:// or {secure}:// URL"

    def parse(self, value: object, base: Path) -> str:  # noqa: D102, ARG002
        if not isinstance(value, str):
            raise self._refuse(value)
        try:
            parts = urlsplit(value)
            is_usable = parts.scheme in self.schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise self._refuse(value) from None
        if not is_usable or any(character.isspace() for character in value):
            raise self._refuse(value)
        return value

    def schema(self) -> dict[str, Any]:  # noqa: D102
        return {"type": "string", "pattern": f"^{self.schemes[0]}s?://[^/\\s]+"}


@frozen
class Listen(Kind):
    """An address to listen on."""

    label: str = "HOST:PORT"
    takes_text = True

    def parse(self, value: object, base: Path) -> ListenAddress:  # noqa: D102, ARG002
        if not isinstance(value, str):
            raise self._refuse(value)
        return ListenAddress.parse(value)

    def schema(self) -> dict[str, Any]:  # noqa: D102
        return {"type": "string", "pattern": "^(\\[[0-9a-fA-F:.]+\\]|[^:\\s]+):[0-9]{1,5}$"}


@frozen
class Words(Kind):
    """A list of words, at least so many of them; on the command line also separated by commas."""

    noun: str = field(default="names")
    least: int = field(default=1)

    @property
    def label(self) -> str:  # noqa: D102
        return f"a list of {self.noun}"

    def from_text(self, text: str) -> object:  # noqa: D102
        return text.split(",") if text.strip() or self.least else []

    def parse(self, value: object, base: Path) -> tuple[str, ...]:  # noqa: D102, ARG002
        if not isinstance(value, list) or len(value) < self.least:
            raise self._refuse(value)
        words = [word.strip() if isinstance(word, str) else "" for word in value]
        if not all(words):
            raise self._refuse(value)
        return tuple(words)

    def schema(self) -> dict[str, Any]:  # noqa: D102
        return {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": self.least}
