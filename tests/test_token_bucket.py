"""A token bucket on a clock that is handed in."""

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.token_bucket import TokenBucket


def test_a_burst_is_let_through_and_then_so_many_a_second() -> None:
    bucket = TokenBucket(per_second=10, burst=3)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1) for _ in range(2)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_a_debt_is_paid_off_in_time() -> None:
    bucket = TokenBucket(per_second=100, burst=50)
    assert bucket.owe(0.0, 50) == 0
    assert bucket.owe(0.0, 20) == 0.2
    assert bucket.owe(0.2, 10) == 0.1


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(per_second=1000, burst=1)
    assert bucket.take(5.0)
    assert not bucket.take(5.0)
    assert not bucket.take(1.0)


@given(st.lists(st.floats(0, 0.5), max_size=200))
def test_never_more_than_burst_and_rate_allow(pauses: list[float]) -> None:
    bucket = TokenBucket(per_second=7, burst=5)
    now = 0.0
    taken = 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
    assert taken <= 5 + 7 * now + 1e-6


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
        bucket.owe(now)
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            window = sent[last] - sent[first]
            assert last - first + 1 <= burst + window * rate + 1e-6


def test_what_goes_at_once_is_paid_for_by_what_can_wait() -> None:
    bucket = TokenBucket(2.0, 1)
    for _ in range(4):  # pongs: nobody asked
        bucket.owe(10.0)
    assert bucket.delay(10.0) == 2.0  # three in debt and one to come, two a second
    assert bucket.delay(12.0) == 0.0


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(None, 1)
    for _ in range(1000):
        assert bucket.take(0.0)
    assert bucket.delay(0.0) == 0.0
