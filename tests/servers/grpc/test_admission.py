"""Every call is judged by its headers; whatever is wrong has a status, a sentence and a content-type."""

from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.servers.door.keys import KeyRing, key_entry
from hyperstream.servers.grpc.admission import Admission, Admitted, Refusal

KEY = "hs_test"
GOOD = {
    ":method": "POST",
    ":path": "/s/M",
    ":scheme": "http",
    "content-type": "application/grpc",
    "te": "trailers",
}


def judged(more: dict[str, str | None], admission: Admission | None = None) -> Any:
    fields = {name: value for name, value in {**GOOD, **more}.items() if value is not None}
    return (admission or Admission({"/s/M"})).judge(list(fields.items()))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"content-type": "application/grpc+proto"},
        {"content-type": "application/grpc; charset=utf-8"},
        {"grpc-timeout": "99999999H"},
        {"grpc-timeout": "1n"},
        {"x-bin": "AAE"},
        {"x-bin": "AAE=,AAE"},
        {"grpc-encoding": "gzip"},
        {"grpc-encoding": "identity"},
    ],
)
def test_what_grpc_allows_is_let_in(more: dict[str, str | None]) -> None:
    assert isinstance(judged(more), Admitted)


@pytest.mark.parametrize(
    ("more", "status", "http_status"),
    [
        ({"content-type": None}, Status.INTERNAL, 415),
        ({"content-type": "application/json"}, Status.INTERNAL, 415),
        ({"content-type": "application/grpc+json"}, Status.INTERNAL, 415),
        ({"te": None}, Status.INTERNAL, 400),
        ({":path": "/s/Nope"}, Status.UNIMPLEMENTED, 200),
        ({"grpc-timeout": "0n"}, Status.DEADLINE_EXCEEDED, 200),
        ({"grpc-timeout": "00000000S"}, Status.DEADLINE_EXCEEDED, 200),
        ({"grpc-timeout": "9" * 400 + "S"}, Status.INTERNAL, 200),
        ({"grpc-timeout": "1"}, Status.INTERNAL, 200),
        ({"grpc-timeout": "-1S"}, Status.INTERNAL, 200),
        ({"grpc-timeout": "1.5S"}, Status.INTERNAL, 200),
        ({"grpc-timeout": "٣S"}, Status.INTERNAL, 200),
        ({"grpc-encoding": "deflate"}, Status.UNIMPLEMENTED, 200),
        ({"grpc-encoding": "snappy"}, Status.UNIMPLEMENTED, 200),
        ({"x-name": "\xe9"}, Status.INTERNAL, 200),
        ({"x-bin": "A"}, Status.INTERNAL, 200),
        ({"x-bin": "!!!!"}, Status.INTERNAL, 200),
    ],
)
def test_what_is_wrong_is_refused(more: dict[str, str | None], status: Status, http_status: int) -> None:
    refusal = judged(more)
    assert isinstance(refusal, Refusal)
    headers = dict(refusal.headers())
    assert headers["content-type"] == "application/grpc"
    assert headers[":status"] == str(http_status)
    assert headers["grpc-status"] == str(status.value)
    assert headers["grpc-message"]


def test_an_unknown_compression_is_told_which_ones_there_are() -> None:
    assert dict(judged({"grpc-encoding": "zstd"}).headers())["grpc-accept-encoding"] == "identity,gzip"


@pytest.fixture
def closed(tmp_path: Path) -> Admission:
    path = tmp_path / "keys.toml"
    path.write_text(key_entry("desk-1", KEY))
    return Admission({"/s/M"}, KeyRing(path))


@pytest.mark.parametrize(
    "more",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"x-api-key": KEY},
        {"authorization": "Basic eDp5", "x-api-key": KEY},
    ],
)
def test_a_key_is_taken_from_either_header(closed: Admission, more: dict[str, str | None]) -> None:
    admitted = judged(more, closed)
    assert isinstance(admitted, Admitted)
    assert admitted.usage is not None
    assert admitted.usage.name == "desk-1"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({}, "wants an API key: send it as metadata"),
        ({"authorization": "Basic eDp5"}, "wants an API key"),
        ({"authorization": "Bearer "}, "wants an API key"),
        ({"authorization": "Bearer wrong"}, "not known here"),
        ({"x-api-key": KEY + "x"}, "not known here"),
    ],
)
def test_without_a_key_nothing_is_served(
    closed: Admission, more: dict[str, str | None], sentence: str
) -> None:
    refusal = judged(more, closed)
    assert refusal.status is Status.UNAUTHENTICATED
    assert sentence in refusal.sentence


def test_where_anyone_may_call_a_key_may_be_left_out_but_not_be_wrong(closed: Admission) -> None:
    closed.is_key_optional = True
    assert judged({}, closed).usage is None
    assert judged({"x-api-key": KEY}, closed).usage.name == "desk-1"
    assert judged({"x-api-key": "wrong"}, closed).status is Status.UNAUTHENTICATED


def test_the_calls_of_a_key_share_one_account_and_its_limits_follow_the_file(closed: Admission) -> None:
    one, other = (judged({"x-api-key": KEY}, closed).usage for _ in range(2))
    assert one is other
    assert closed.keys is not None
    closed.keys.path.write_text(key_entry("desk-1", KEY) + "streams = 1\n")
    closed.keys.reload()
    closed.reload()
    assert one.limits.streams == 1


NAMES = st.sampled_from([*GOOD, "grpc-timeout", "grpc-encoding", "authorization", "x-bin", "x", ""])


@given(st.lists(st.tuples(NAMES, st.text(st.characters(max_codepoint=255), max_size=20)), max_size=8))
def test_any_headers_get_a_verdict(headers: list[tuple[str, str]]) -> None:
    verdict = Admission({"/s/M"}).judge([*GOOD.items(), *headers])
    assert isinstance(verdict, Admitted | Refusal)
