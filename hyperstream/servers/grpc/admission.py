"""A call's headers, judged before anything is started for it: what is wrong is answered at once.

The answers are gRPC's (doc/PROTOCOL-HTTP2.md there): trailers only, always with a content-type, because
without one clients report UNKNOWN whatever the status says.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Sequence

from attrs import define, field, frozen
from grpclib.const import Status
from grpclib.metadata import encode_grpc_message

from hyperstream.servers.door.keys import ApiKey, KeyRing
from hyperstream.servers.door.usage import Usage
from hyperstream.servers.grpc.compression import ACCEPTED, GZIP, IDENTITY, accepts_gzip

CONTENT_TYPE = "application/grpc"
BEARER = "bearer "
Headers = Sequence[tuple[str, str]]

_TIMEOUT = re.compile(r"[0-9]{1,8}[HMSmun]")
_PRINTABLE = re.compile(r"[\x20-\x7e\t]*")
_SUBTYPES = frozenset({"", "proto"})
_NO_KEY = "this server wants an API key: send it as metadata, `authorization: Bearer KEY` or `x-api-key: KEY`"
_WRONG_KEY = "this API key is not known here: it may have been revoked, or belong to another server"


@frozen
class Refusal:
    """A status, its sentence, and the HTTP status where gRPC wants another than 200.

    ``cause`` is a short name to count by.
    """

    status: Status
    sentence: str
    cause: str
    http_status: int = 200

    def headers(self) -> list[tuple[str, str]]:
        """The whole answer."""
        answer = [
            (":status", str(self.http_status)),
            ("content-type", CONTENT_TYPE),
            ("grpc-status", str(self.status.value)),
            ("grpc-message", encode_grpc_message(self.sentence)),
        ]
        if self.status is Status.UNIMPLEMENTED:
            answer.append(("grpc-accept-encoding", ACCEPTED))
        return answer


@frozen
class Admitted:
    """A call that may start: by which key, and how its messages are encoded."""

    key: ApiKey | None
    usage: Usage | None
    request_encoding: str
    wants_gzip: bool


@define(eq=False)
class Admission:
    """Judges calls. Without ``keys`` everybody is let in; ``is_key_optional`` lets in who sends none."""

    paths: Iterable[str]
    keys: KeyRing | None = None
    is_key_optional: bool = False
    _usages: dict[str, Usage] = field(init=False, factory=dict)

    def judge(self, headers: Headers) -> Admitted | Refusal:
        """Look at the headers of a call; nothing is charged yet."""
        fields = dict(headers)
        refusal = self._malformed(fields, headers) or self._unservable(fields)
        if refusal is not None:
            return refusal
        key: ApiKey | None = None
        if self.keys is not None:
            found = self._authenticate(self.keys, fields)
            if isinstance(found, Refusal):
                return found
            key = found
        usage = self._usage(key) if key is not None else None
        wants_gzip = accepts_gzip(fields.get("grpc-accept-encoding", ""))
        return Admitted(key, usage, fields.get("grpc-encoding", IDENTITY), wants_gzip)

    def reload(self) -> None:
        """Give keys in use the limits they have now."""
        if self.keys is None:
            return
        for name, usage in list(self._usages.items()):
            key = self.keys.keys.get(name)
            if key is not None:
                usage.set_limits(key.limits)
            elif not usage.streams:
                del self._usages[name]

    def _usage(self, key: ApiKey) -> Usage:
        usage = self._usages.get(key.name)
        if usage is None:
            usage = self._usages[key.name] = Usage(key.name, key.limits)
        return usage

    def _authenticate(self, keys: KeyRing, fields: dict[str, str]) -> ApiKey | Refusal | None:
        given = fields.get("x-api-key", "")
        authorization = fields.get("authorization", "")
        if authorization[: len(BEARER)].lower() == BEARER:
            given = authorization[len(BEARER) :].strip()
        if not given:
            if self.is_key_optional:
                return None
            return Refusal(Status.UNAUTHENTICATED, _NO_KEY, "calls without a key")
        return keys.find(given) or Refusal(Status.UNAUTHENTICATED, _WRONG_KEY, "calls with an unknown key")

    def _malformed(self, fields: dict[str, str], headers: Headers) -> Refusal | None:
        base, _, subtype = fields.get("content-type", "").partition(";")[0].strip().partition("+")
        if base != CONTENT_TYPE or subtype not in _SUBTYPES:
            return _malformed(f"the content-type must be {CONTENT_TYPE} or {CONTENT_TYPE}+proto", 415)
        if fields.get("te") != "trailers":
            return _malformed(
                "the header `te: trailers` is missing: a proxy on the way may drop trailers", 400
            )
        for name, value in headers:
            if name == "grpc-timeout" and not _TIMEOUT.fullmatch(value):
                return _malformed("grpc-timeout must be one to eight digits and one of H M S m u n")
            if not _PRINTABLE.fullmatch(value):
                return _malformed(f"the value of {name} must be printable ASCII")
            if name.endswith("-bin") and not _is_base64(value):
                return _malformed(f"the value of {name} must be base64")
        return None

    def _unservable(self, fields: dict[str, str]) -> Refusal | None:
        encoding = fields.get("grpc-encoding", IDENTITY)
        if encoding not in (IDENTITY, GZIP):
            return Refusal(
                Status.UNIMPLEMENTED, f"messages may be compressed by {GZIP} only", "unknown compression"
            )
        if fields[":path"] not in self.paths:
            return Refusal(Status.UNIMPLEMENTED, "there is no such method here", "unknown methods")
        timeout = fields.get("grpc-timeout")
        if timeout is not None and not int(timeout[:-1]):
            return Refusal(Status.DEADLINE_EXCEEDED, "the deadline had passed at the start", "no time left")
        return None


def _malformed(sentence: str, http_status: int = 200) -> Refusal:
    return Refusal(Status.INTERNAL, sentence, "malformed calls", http_status)


def _is_base64(value: str) -> bool:
    try:
        for part in value.split(","):
            b64decode(part + "=" * (-len(part) % 4), validate=True)
    except binascii.Error:
        return False
    return True
