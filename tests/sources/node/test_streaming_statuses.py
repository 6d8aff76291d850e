"""Skimming the statuses: passing over rejections unread must give what reading every line gives."""

import random

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.sources.node.blocks import STREAMING, make_reader
from hyperstream.sources.node.reader import STATUSES, Reader
from hyperstream.wire.node_blocks import HeightGap, StatusBlock
from tests.sources.node.node_lines import batches, line, status

NAMES = ("open", "canceled", "filled", "triggered", "reduceOnlyCanceled")
REJECTIONS = ("badAloPxRejected", "perpMarginRejected", "iocCancelRejected", "tickRejected")
COINS = ("BTC", "@1", "RUNE", "xyz:XYZ100", "kPEPE")


def statuses_reader() -> Reader:
    return make_reader(STATUSES, STREAMING, lambda *_, **__: None)


def kept(data: bytes, cuts: tuple[int, ...]) -> list[tuple[int, list[bytes]]]:
    reader = statuses_reader()
    items = [item for batch in batches(data, cuts) for item in reader.feed(batch)] + reader.flush()
    return [(item.height, item.lines) for item in items if isinstance(item, StatusBlock)]


def some_line(draw: random.Random, height: int, rejected: float) -> bytes:
    events = []
    for _ in range(draw.choices((1, 2, 3), (95, 4, 1))[0]):
        name = draw.choice(REJECTIONS if draw.random() < rejected else NAMES)
        cloid = draw.choice((None, "0x" + "7" * 32))
        events.append(status(draw.randrange(10**12), name, draw.choice(COINS), cloid))
    return line(height, events, digits=draw.choices((9, 6), (98, 2))[0])


@given(seed=st.integers(0, 2**32), rejected=st.sampled_from((0.5, 0.9, 0.97, 1.0)))
def test_skimming_keeps_what_reading_line_by_line_keeps(seed: int, rejected: float) -> None:
    draw = random.Random(seed)
    lines = [some_line(draw, height, rejected) for height in (5, 6, 8) for _ in range(draw.randrange(1, 60))]
    data = b"".join(text + b"\n" for text in lines)
    ends = [0]
    for text in lines:
        ends.append(ends[-1] + len(text) + 1)
    expected = [
        (height, [text for text in lines if b":%d," % height in text[:160] and not is_one_rejection(text)])
        for height in (5, 6, 8)
    ]
    assert kept(data, ()) == expected
    assert kept(data, tuple(ends)) == expected


def is_one_rejection(text: bytes) -> bool:
    return b'Rejected"' in text and text.count(b'"status":') == 1


def test_a_block_of_rejections_only_still_tells_its_height() -> None:
    data = b"".join(line(height, [status(1)]) + b"\n" for height in (5, 5, 6))
    assert kept(data, ()) == [(5, []), (6, [])]


def test_rejections_of_a_stretch_are_not_looked_at() -> None:
    reader = statuses_reader()
    data = b"".join(line(5, [status(number)]) + b"\n" for number in range(500))
    [batch] = batches(data, ())
    reader.feed(batch)
    assert reader.counters.lines == 2  # the first and the last


def test_a_torn_order_before_a_rejection_in_a_stretch_is_noticed() -> None:
    second = 1_000_000_000
    before = [line(5, [status(number)], local_ns=number) for number in range(50)]
    torn = line(5, [status(1, "open")], local_ns=60)[:150]
    after = [line(5, [status(number)], local_ns=10 * second + number) for number in range(50)]
    data = b"".join(text + b"\n" for text in before) + torn + b"".join(text + b"\n" for text in after)
    reader = statuses_reader()
    [batch] = batches(data, ())
    items = reader.feed(batch) + reader.flush()
    assert reader.counters.unreadable == 1
    assert [(item.first_missing, item.last_missing) for item in items if isinstance(item, HeightGap)] == [
        (5, 6)
    ]
