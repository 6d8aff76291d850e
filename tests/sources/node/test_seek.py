"""Finding a height by bisection finds what a scan of every line finds."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from hyperstream.sources.node.hours import Hour
from hyperstream.sources.node.seek import Place, find_place
from tests.sources.node.node_lines import diff, line, write


def scan(lines: list[tuple[str, int, int]], height: int) -> tuple[str, int, int] | None:
    """The first of ``(file, offset, height)`` above ``height``."""
    return next((found for found in lines if found[2] > height), None)


def write_files(directory: Path, draw: random.Random, is_dense: bool) -> list[tuple[str, int, int]]:
    """Write some hourly files; return file, offset and height of every line."""
    found = []
    height = 100
    for file in ("20260505/9", "20260505/10", "20260505/23", "20260506/0")[: draw.randrange(1, 5)]:
        data = b""
        for _ in range(draw.choice((0, 1, 2, 30))):
            height += 1 if is_dense else draw.choice((0, 0, 1, 3))
            if draw.random() < 0.1:
                data += draw.choice((b"\n", b"no line of the node\n", b'{"local_time":"2026\n'))
            found.append((file, len(data), height))
            events = [diff(number) for number in range(draw.choice((0, 1, 40)))]
            data += line(height, events) + b"\n"
        write(directory, file, data + draw.choice((b"", line(height + 1, [])[:70])), end=b"")
    return found


@given(seed=st.integers(0, 2**32), is_dense=st.booleans())
def test_bisection_finds_what_a_scan_finds(seed: int, is_dense: bool) -> None:
    draw = random.Random(seed)
    with TemporaryDirectory() as name:
        directory = Path(name)
        lines = write_files(directory, draw, is_dense)
        newest = lines[-1][2] if lines else 100
        for height in (99, 100, *(draw.randrange(100, newest + 3) for _ in range(5)), newest):
            place = find_place(directory, height)
            assert place is not None
            expected = scan(lines, height)
            assert place.has_earlier == any(found[2] <= height for found in lines)
            if expected is None:
                assert place.height is None
                continue
            file, offset, above = expected
            assert (place.hour.file, place.height) == (file, above)
            # Unreadable lines before the first of a file are passed to the reader, which counts them.
            assert place.offset in (offset, 0)
            if offset and (file, 0) in {found[:2] for found in lines}:
                assert place.offset == offset


def test_no_files_have_no_place(tmp_path: Path) -> None:
    assert find_place(tmp_path / "absent", 5) is None


def test_the_end_of_growing_files_is_after_the_last_whole_line(tmp_path: Path) -> None:
    whole = line(5, [])
    write(tmp_path, "20260505/9", whole + b"\n" + line(6, [])[:50], end=b"")
    assert find_place(tmp_path, 5) == Place(Hour("20260505", 9, "9"), len(whole) + 1, None, has_earlier=True)


def test_a_new_empty_file_after_the_height_is_where_to_go_on(tmp_path: Path) -> None:
    write(tmp_path, "20260505/9", line(5, []))
    write(tmp_path, "20260505/10", end=b"")
    assert find_place(tmp_path, 5) == Place(Hour("20260505", 10, "10"), 0, None, has_earlier=True)


def test_blocks_written_twice_stand_whole_after_the_place_found(tmp_path: Path) -> None:
    heights = [1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8]
    path = write(tmp_path, "20260505/9", *(line(height, [diff(height)]) for height in heights))
    for height in range(1, 8):
        place = find_place(tmp_path, height)
        assert place is not None
        rest = path.read_bytes()[place.offset :]
        for above in range(height + 1, 9):
            assert b'"block_number":%d,' % above in rest
