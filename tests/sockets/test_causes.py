"""What makes two errors the same cause."""

from __future__ import annotations

from hyperstream.sockets.causes import cause_of


def test_errors_of_one_place_are_one_cause() -> None:
    def fail(text: str) -> Exception:
        try:
            raise ValueError(text)
        except ValueError as error:
            return error

    assert cause_of(fail("a")) == cause_of(fail("b"))
    assert cause_of(fail("a")) != cause_of(ValueError("a"))
