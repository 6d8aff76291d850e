"""Sliding windows."""

from hyperstream.testing.exchanges.quotas import Window, Windows


def test_so_many_in_any_stretch_and_no_more() -> None:
    window = Window(limit=3, seconds=10.0)
    assert [window.take(at) for at in (0.0, 4.0, 5.0, 9.9)] == [True, True, True, False]
    assert window.wait_seconds(9.0) == 1.0
    assert window.take(10.0)
    assert not window.take(10.1)
    assert window.used(14.0) == 2


def test_units_count_and_a_refused_request_takes_nothing() -> None:
    window = Window(limit=10, seconds=60.0)
    assert window.take(0.0, 8)
    assert not window.take(1.0, 3)
    assert window.take(1.0, 2)
    assert window.used(1.0) == 10


def test_a_limit_of_nothing_is_none() -> None:
    window = Window(limit=0, seconds=1.0)
    assert all(window.take(0.0) for _ in range(1_000))


def test_every_key_has_its_own_window() -> None:
    windows = Windows(limit=1, seconds=1.0)
    assert windows["a"].take(0.0)
    assert windows["b"].take(0.0)
    assert not windows["a"].take(0.5)
