"""From what a client kept of each message to latencies, split at the server's own stamps."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.measure import percentile
from benchmarks.report import Row

STAGES = ("node_to_read", "read_to_publish", "publish_to_client", "node_to_client")
_NS_PER_MS = 1e6
_HEIGHT, _NODE_TIME, _READ_TIME, _PUBLISH_TIME = 5, 7, 8, 9
_VARINT, _BYTES = 0, 2


class Receipt(NamedTuple):
    """One message: the height and times (ns) of its first event, and when it came."""

    height: int
    node_time_ns: int
    read_time_ns: int
    publish_time_ns: int
    receipt_time_ns: int

    def stages_ms(self) -> tuple[float, ...]:
        """The latencies, in the order of STAGES."""
        _, node, read, publish, receipt = self
        return (
            (read - node) / _NS_PER_MS,
            (publish - read) / _NS_PER_MS,
            (receipt - publish) / _NS_PER_MS,
            (receipt - node) / _NS_PER_MS,
        )


def parse_receipt(head: bytes, receipt_time_ns: int) -> Receipt | None:
    """Read the head of a message's first event; None for events without a block, such as notices."""
    fields: dict[int, int] = {}
    try:
        at = _enter(head, _enter(head, 0))
        while _PUBLISH_TIME not in fields:
            tag, at = _varint(head, at)
            number, kind = tag >> 3, tag & 7
            value, at = _varint(head, at)
            if kind == _BYTES:
                at += value
            elif kind == _VARINT:
                fields[number] = value
            else:
                return None
            if number > _PUBLISH_TIME:
                return None
        return Receipt(
            fields[_HEIGHT],
            fields[_NODE_TIME],
            fields[_READ_TIME],
            fields[_PUBLISH_TIME],
            receipt_time_ns,
        )
    except (IndexError, KeyError):
        return None


def stage_rows(receipts: Sequence[Receipt]) -> list[Row]:
    """One row per stage: percentiles in milliseconds."""
    columns = zip(*(receipt.stages_ms() for receipt in receipts), strict=True)
    rows: list[Row] = []
    for stage, values in zip(STAGES, columns, strict=True):
        ascending = sorted(values)
        rows.append(
            {
                "stage": stage.replace("_", " "),
                "p50_ms": percentile(ascending, 0.5),
                "p90_ms": percentile(ascending, 0.9),
                "p99_ms": percentile(ascending, 0.99),
                "p999_ms": percentile(ascending, 0.999),
                "max_ms": ascending[-1],
            }
        )
    return rows


def backlog(written: Iterable[Sequence[int]], height: int, time_ns: int, grace_ns: int) -> int:
    """Return how many blocks written ``grace_ns`` before ``time_ns`` the daemon had not applied then."""
    due = [block for block, written_ns in written if written_ns + grace_ns <= time_ns]
    return max(0, max(due, default=0) - height)


def _enter(data: bytes, at: int) -> int:
    """Step into the message field at this place."""
    tag, at = _varint(data, at)
    if tag & 7 != _BYTES:
        raise KeyError(tag)
    return _varint(data, at)[1]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
