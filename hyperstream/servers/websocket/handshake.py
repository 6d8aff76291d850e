"""Who may open a WebSocket: the request judged before anything is made of it (RFC 6455, 4.2)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Collection
from http import HTTPStatus

from attrs import define, field, frozen
from wsproto.utilities import generate_accept_token

from hyperstream.servers.door.http import HttpRefusal, HttpRequest
from hyperstream.servers.door.keys import ApiKey, KeyRing
from hyperstream.servers.door.usage import Usage
from hyperstream.servers.websocket.deflate import accept_offer

PATH = "/ws"
# Where programs written for Bybit connect; the same is spoken everywhere.
PATHS = frozenset({PATH, *(f"/v5/public/{family}" for family in ("linear", "spot", "inverse", "option"))})
ANY_ORIGIN = "*"
_BEARER = "bearer "
_VERSION = "13"
_NO_KEY = "this server wants an API key: send it as a header, `authorization: Bearer KEY` or `x-api-key: KEY`"
_WRONG_KEY = "this API key is not known here: it may have been revoked, or belong to another server"
_CHALLENGE = (("www-authenticate", "Bearer"),)


@frozen
class Upgrade:
    """A handshake that is accepted: the headers to answer, and the compression window, 0 for none."""

    headers: tuple[tuple[str, str], ...]
    window_bits: int


@define(eq=False)
class Visitors:
    """Judges who comes. Without ``keys`` everybody is let in; ``is_key_optional`` lets in who sends none."""

    origins: Collection[str]
    keys: KeyRing | None
    is_key_optional: bool
    is_compressing: bool
    _usages: dict[str, Usage] = field(factory=dict)

    def judge(self, request: HttpRequest) -> Usage | None:
        """Whose request it is, None if nobody's in particular. Raises HttpRefusal."""
        if request.has_query:
            text = "nothing is taken from the query of the URL: send keys as headers, and wishes as messages"
            raise HttpRefusal(HTTPStatus.BAD_REQUEST, text, "requests with a query")
        origin = request.headers.get("origin")
        if origin is not None and not self.allows_origin(origin):
            text = f"pages of {origin[:100]} may not connect: websocket.origins does not name it"
            raise HttpRefusal(HTTPStatus.FORBIDDEN, text, "foreign origins")
        if self.keys is None or request.method == "OPTIONS":
            return None  # a browser asks whether it may send a key before it sends one, and without one
        return self._authenticate(self.keys, request.headers)

    def allows_origin(self, origin: str) -> bool:
        """Whether scripts of this page may connect."""
        return ANY_ORIGIN in self.origins or origin in self.origins

    def cross_origin_headers(self, request: HttpRequest) -> tuple[tuple[str, str], ...]:
        """What lets a browser's script read the answer (CORS)."""
        origin = request.headers.get("origin")
        if origin is None or not self.allows_origin(origin):
            return ()
        allowed = ANY_ORIGIN if ANY_ORIGIN in self.origins else origin
        return (("access-control-allow-origin", allowed), ("vary", "origin"))

    def reload(self) -> None:
        """Give keys in use the limits they have now."""
        if self.keys is None:
            return
        self.keys.reload()
        for name, usage in list(self._usages.items()):
            key = self.keys.keys.get(name)
            if key is not None:
                usage.set_limits(key.limits)
            elif not usage.streams:
                del self._usages[name]

    def _authenticate(self, keys: KeyRing, headers: dict[str, str]) -> Usage | None:
        given = headers.get("x-api-key", "")
        authorization = headers.get("authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            given = authorization[len(_BEARER) :].strip()
        if not given:
            if self.is_key_optional:
                return None
            raise HttpRefusal(HTTPStatus.UNAUTHORIZED, _NO_KEY, "requests without a key", _CHALLENGE)
        found = keys.find(given)
        if found is None:
            raise HttpRefusal(HTTPStatus.UNAUTHORIZED, _WRONG_KEY, "requests with an unknown key", _CHALLENGE)
        return self._usage(found)

    def _usage(self, key: ApiKey) -> Usage:
        usage = self._usages.get(key.name)
        if usage is None:
            usage = self._usages[key.name] = Usage(key.name, key.limits)
        return usage

    def upgrade(self, request: HttpRequest) -> Upgrade:
        """The answer to a handshake. Raises HttpRefusal if it is none."""
        headers = request.headers
        if request.method != "GET":
            text = f"a WebSocket is opened with GET, not {request.method[:20]}"
            allow = (("allow", "GET"),)
            raise HttpRefusal(HTTPStatus.METHOD_NOT_ALLOWED, text, "handshakes without GET", allow)
        if request.version < "1.1":
            text = f"a WebSocket is opened with HTTP/1.1, not {request.version}"
            raise HttpRefusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, text, "handshakes of an older HTTP")
        if headers.get("sec-websocket-version") != _VERSION:
            text = f"only version {_VERSION} of the WebSocket protocol is spoken here"
            version = (("sec-websocket-version", _VERSION),)
            raise HttpRefusal(HTTPStatus.UPGRADE_REQUIRED, text, "handshakes of another version", version)
        key = headers.get("sec-websocket-key", "")
        if not _is_nonce(key):
            text = "sec-websocket-key must be 16 bytes in base64"
            raise HttpRefusal(HTTPStatus.BAD_REQUEST, text, "handshakes without a key")
        answer = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", generate_accept_token(key.encode()).decode()),
        ]
        offered = headers.get("sec-websocket-extensions", "")
        accepted = accept_offer(offered) if self.is_compressing else None
        if accepted is None:
            return Upgrade(tuple(answer), 0)
        answer.append(("sec-websocket-extensions", accepted[0]))
        return Upgrade(tuple(answer), accepted[1])


def is_upgrade(request: HttpRequest) -> bool:
    """Whether the request asks for a WebSocket."""
    tokens = {token.strip().lower() for token in request.headers.get("connection", "").split(",")}
    return "upgrade" in tokens and request.headers.get("upgrade", "").lower() == "websocket"


def _is_nonce(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
