"""TLS contexts made from files, and remade when told."""

from __future__ import annotations

import ssl
from pathlib import Path

from attrs import define, field

from hyperstream.errors import ConfigurationError


@define(eq=False)
class Certificates:
    """The certificate, key and client CA, and the context made of them.

    ``section`` is the settings' they come from ("grpc"), ``alpn`` the protocol offered. ``reload`` reads
    the files again for the connections to come; those that are open keep what they have.
    """

    certificate: Path
    private_key: Path
    client_ca: Path | None
    section: str
    alpn: str
    context: ssl.SSLContext = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Read the files. Raises ConfigurationError, and keeps the context, if they cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols([self.alpn])
        self._load(context)
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except OSError as exc:
                raise self._unusable("client_ca", self.client_ca, exc) from exc
            context.verify_mode = ssl.CERT_REQUIRED
        self.context = context

    def _load(self, context: ssl.SSLContext) -> None:
        for setting, path in (("certificate", self.certificate), ("private_key", self.private_key)):
            try:
                with path.open("rb"):
                    pass
            except OSError as exc:
                raise self._unusable(setting, path, exc) from exc
        try:
            # A password would be asked for on the terminal; there is none to ask.
            context.load_cert_chain(self.certificate, self.private_key, password=_no_password)
        except (OSError, ValueError) as exc:
            more = f" with {self.section}.private_key {self.private_key}"
            raise self._unusable("certificate", self.certificate, exc, more) from exc

    def _unusable(self, setting: str, path: Path, exc: Exception, more: str = "") -> ConfigurationError:
        reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or exc
        return ConfigurationError(f"{self.section}.{setting}: {path} cannot be used{more}: {reason}")


def _no_password() -> str:
    raise ValueError("the key is encrypted: hyperstream wants one without a password")
