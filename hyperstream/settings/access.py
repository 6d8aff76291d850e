"""Who may call a server: what its settings must say together."""

from __future__ import annotations

from typing import Protocol

from hyperstream.errors import ConfigurationError
from hyperstream.settings.kinds import ListenAddress

NO_FILE = "none"


class AccessSettings(Protocol):
    """The settings of a server that strangers may reach."""

    @property
    def listen(self) -> ListenAddress:
        """Where it listens."""

    @property
    def certificate(self) -> str:
        """Its certificate chain."""

    @property
    def private_key(self) -> str:
        """That certificate's key."""

    @property
    def client_ca(self) -> str:
        """Whose certificates clients must show."""

    @property
    def api_keys(self) -> str:
        """The file of keys."""

    @property
    def allow_anyone(self) -> bool:
        """Whether a key may be left out."""


def require_access(settings: AccessSettings, section: str) -> None:
    """Check what settings say together; raises ConfigurationError with one line per problem.

    Whoever listens where others can reach must say who may call: keys, client certificates, or anyone.
    """
    problems = []
    has_certificate = settings.certificate != NO_FILE
    if has_certificate != (settings.private_key != NO_FILE):
        problems.append(
            f"{section}.certificate and {section}.private_key go together: set both, or none for no TLS"
        )
    if settings.client_ca != NO_FILE and not has_certificate:
        problems.append(
            f"{section}.client_ca wants TLS: set {section}.certificate and {section}.private_key too"
        )
    is_closed = settings.api_keys != NO_FILE or settings.client_ca != NO_FILE
    if not (settings.listen.is_loopback or is_closed or settings.allow_anyone):
        problems.append(
            f"{section}.listen {settings.listen} can be reached from other hosts, and nothing says who may "
            f"call: set {section}.api_keys or {section}.client_ca, or {section}.allow_anyone = true to "
            "serve anybody"
        )
    if problems:
        raise ConfigurationError("\n".join(problems))


def require_private(listen: ListenAddress, *, allow_anyone: bool, section: str) -> None:
    """Check that a server without keys is for this host only, or for anyone in plain words.

    Raises ConfigurationError.
    """
    if not (listen.is_loopback or allow_anyone):
        raise ConfigurationError(
            f"{section}.listen {listen} can be reached from other hosts, and its pages ask for no key: "
            f"listen on 127.0.0.1, or set {section}.allow_anyone = true to let anybody read them"
        )
