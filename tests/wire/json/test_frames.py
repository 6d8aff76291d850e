"""Frames are what a WebSocket peer reads, whatever their length, whole, in parts or compressed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.wire.json.frames import DeflatedFrames, text_frame, text_part

from .values import messages

TEXTS = st.text(max_size=400) | st.integers(0, 70_000).map(lambda size: "x" * size)


@given(st.lists(TEXTS, max_size=6))
def test_frames_joined_are_messages_one_after_the_other(texts: list[str]) -> None:
    assert list(messages(b"".join(text_frame(text.encode()) for text in texts))) == texts


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_every_length_has_the_header_it_must_have(size: int) -> None:
    frame = text_frame(b"x" * size)
    assert list(messages(frame)) == ["x" * size]
    assert len(frame) - size == (2 if size < 126 else 4 if size < 65_536 else 10)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_parts_are_one_message(texts: list[str]) -> None:
    last = len(texts) - 1
    parts = [
        text_part(text.encode(), is_first=index == 0, is_last=index == last)
        for index, text in enumerate(texts)
    ]
    assert list(messages(b"".join(parts))) == ["".join(texts)]


@given(st.lists(TEXTS, max_size=4), st.integers(1, 9), st.integers(9, 15))
def test_compressed_frames_do_not_lean_on_each_other(texts: list[str], level: int, window: int) -> None:
    seal = DeflatedFrames(level, 64, window)
    frames = [seal(text.encode()) for text in texts]
    for frame, text in zip(frames, texts, strict=True):
        assert list(messages(frame, deflate=True)) == [text]
    assert list(messages(b"".join(reversed(frames)), deflate=True)) == texts[::-1]


def test_short_messages_are_not_compressed_and_long_ones_get_smaller() -> None:
    seal = DeflatedFrames(1, 100)
    assert seal(b"x" * 99) == text_frame(b"x" * 99)
    assert len(seal(b"x" * 1000)) < 50
