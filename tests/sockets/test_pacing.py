"""The rate limit, and causes that are logged once."""

from __future__ import annotations

import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hyperstream.sockets.pacing import MAX_CAUSES, Causes, TokenBucket, cause_of


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_no_more_goes_in_any_window_than_rate_and_burst_allow(
    rate: float, burst: int, idle: list[float]
) -> None:
    bucket, now, sent = TokenBucket(rate, burst), 0.0, []
    for pause in idle:
        now += pause
        now += bucket.delay(now)
        assert bucket.delay(now) <= 1e-6, "having waited as told, it may go"
        bucket.take(now)
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            window = sent[last] - sent[first]
            assert last - first + 1 <= burst + window * rate + 1e-6


def test_what_goes_at_once_is_paid_for_by_what_can_wait() -> None:
    bucket = TokenBucket(2.0, 1)
    for _ in range(4):  # pongs: nobody asked
        bucket.take(10.0)
    assert bucket.delay(10.0) == 2.0  # three in debt and one to come, two a second
    assert bucket.delay(12.0) == 0.0


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(None, 1)
    for _ in range(1000):
        bucket.take(0.0)
    assert bucket.delay(0.0) == 0.0


def test_a_cause_is_logged_once_and_then_counted_at_most_once_a_minute() -> None:
    now = 0.0
    causes = Causes(structlog.get_logger(), lambda: now)
    with capture_logs() as logs:
        for _ in range(100):
            causes.warning("it broke", "a", detail=1)
        causes.warning("it broke", "b", detail=2)
        now = 60.0
        causes.warning("it broke", "a", detail=3)
    assert [(line["detail"], line.get("times")) for line in logs] == [(1, None), (2, None), (3, 100)]
    assert logs[-1]["times_in_all"] == 101


def test_a_cause_is_news_again_once_things_have_been_well() -> None:
    causes = Causes(structlog.get_logger(), lambda: 0.0)
    with capture_logs() as logs:
        causes.warning("cannot connect", "a")
        causes.warning("another", "a")
        causes.forget("cannot connect")
        causes.warning("cannot connect", "a")
        causes.warning("another", "a")
    assert [line["event"] for line in logs] == ["cannot connect", "another", "cannot connect"]


def test_endless_causes_are_bounded() -> None:
    causes = Causes(structlog.get_logger(), lambda: 0.0)
    with capture_logs() as logs:
        for number in range(10 * MAX_CAUSES):
            causes.warning("it broke", number)
    assert len(logs) == MAX_CAUSES + 1


def test_errors_of_one_place_are_one_cause() -> None:
    def fail(text: str) -> Exception:
        try:
            raise ValueError(text)
        except ValueError as error:
            return error

    assert cause_of(fail("a")) == cause_of(fail("b"))
    assert cause_of(fail("a")) != cause_of(ValueError("a"))
