"""The node's JSON text, key for key in the node's own order.

Formatted by hand: a JSON library costs several times as much, and could not promise the
order. Sizes and prices arrive as integers of 10^-8 and are spelled through ``Spelling``.
"""

from datetime import UTC, datetime

from hyperstream.market.decimals import format_e8
from hyperstream.testing.orders import Order

ZERO_HASH = "0x" + "0" * 64

STATUSES, DIFFS, FILLS = "node_order_statuses", "node_raw_book_diffs", "node_fills"
STEMS = (FILLS, DIFFS, STATUSES)  # the order in which the node writes a block


class Spelling(dict[int, str]):
    """``spell[value]`` is the venue's spelling of an integer of 10^-8; remembers what it spelled."""

    def __init__(self, limit: int = 300_000) -> None:
        super().__init__()
        self.limit = limit

    def __missing__(self, value: int) -> str:
        if len(self) >= self.limit:
            self.clear()
        text = self[value] = format_e8(value) if value >= 0 else "-" + format_e8(-value)
        return text


spell = Spelling()


def order(symbol: str, placed: Order, size: int) -> str:
    """Return the order object of statuses and snapshots; ``size`` is what remains."""
    side = "B" if placed.is_bid else "A"
    extra = placed.extra
    tif = f'"{placed.tif}"' if placed.tif else "null"
    if extra is None:
        return (
            f'{{"coin":"{symbol}","side":"{side}","limitPx":"{spell[placed.px]}","sz":"{spell[size]}",'
            f'"oid":{placed.oid},"timestamp":{placed.timestamp},"triggerCondition":"N/A","isTrigger":false,'
            f'"triggerPx":"0.0","children":[],"isPositionTpsl":false,"reduceOnly":false,"orderType":"Limit",'
            f'"origSz":"{spell[placed.original]}","tif":{tif},"cloid":{placed.cloid}}}'
        )
    children = ",".join(order(symbol, child, child.size) for child in extra.children)
    return (
        f'{{"coin":"{symbol}","side":"{side}","limitPx":"{spell[placed.px]}","sz":"{spell[size]}",'
        f'"oid":{placed.oid},"timestamp":{placed.timestamp},"triggerCondition":"{trigger_condition(placed)}",'
        f'"isTrigger":{_boolean(extra.is_trigger)},"triggerPx":"{spell[extra.trigger_px]}",'
        f'"children":[{children}],"isPositionTpsl":{_boolean(extra.is_position_tpsl)},'
        f'"reduceOnly":{_boolean(extra.reduce_only)},"orderType":"{extra.order_type}",'
        f'"origSz":"{spell[placed.original]}","tif":{tif},"cloid":{placed.cloid}}}'
    )


def trigger_condition(placed: Order) -> str:
    """Return ``N/A``, ``Price above 77409`` (no trailing ``.0``) or ``Triggered``."""
    extra = placed.extra
    if extra is None or not (extra.is_trigger or extra.was_triggered):
        return "N/A"
    if extra.was_triggered:
        return "Triggered"
    return f"{extra.condition} {spell[extra.trigger_px].removesuffix('.0')}"


def status(time: str, placed: Order, name: str, order_text: str, tx_hash: str | None = None) -> str:
    """Return one event of ``node_order_statuses``; only ``open`` carries a hash."""
    quoted = f'"{tx_hash}"' if tx_hash else "null"
    builder = "null"
    if placed.extra is not None and placed.extra.builder is not None:
        address, fee = placed.extra.builder
        builder = f'{{"b":"{address}","f":{fee}}}'
    return (
        f'{{"time":"{time}","user":"{placed.user.address}","hash":{quoted},"builder":{builder},'
        f'"status":"{name}","order":{order_text}}}'
    )


def diff(symbol: str, placed: Order, change: str) -> str:
    """Return one event of ``node_raw_book_diffs`` round a ready ``raw_book_diff``."""
    return (
        f'{{"user":"{placed.user.address}","oid":{placed.oid},"coin":"{symbol}",'
        f'"side":"{"B" if placed.is_bid else "A"}","px":"{spell[placed.px]}","raw_book_diff":{change}}}'
    )


def new(size: int, before_oid: int | None = None) -> str:
    """Return the ``raw_book_diff`` of an order that begins to rest."""
    if before_oid is None:
        return f'{{"new":{{"sz":"{spell[size]}"}}}}'
    return f'{{"new":{{"sz":"{spell[size]}","insertBefore":{before_oid}}}}}'


def update(before: int, after: int) -> str:
    """Return the ``raw_book_diff`` of an order whose size changed."""
    return f'{{"update":{{"origSz":"{spell[before]}","newSz":"{spell[after]}"}}}}'


REMOVE = '"remove"'


def time_text(ns: int) -> str:
    """Return nanoseconds since 1970 as the node writes them: UTC, no zone, 0, 3, 6 or 9 digits."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    text = _second_text(seconds)
    if fraction == 0:
        return text
    if fraction % 1_000_000 == 0:
        return f"{text}.{fraction // 1_000_000:03d}"
    if fraction % 1_000 == 0:
        return f"{text}.{fraction // 1_000:06d}"
    return f"{text}.{fraction:09d}"


def envelope(local_time: str, block_time: str, height: int, events: str) -> str:
    """Return one complete line of a ``_by_block`` or ``_streaming`` file."""
    return (
        f'{{"local_time":"{local_time}","block_time":"{block_time}",'
        f'"block_number":{height},"events":[{events}]}}\n'
    )


_seconds: dict[int, str] = {}


def _second_text(seconds: int) -> str:
    text = _seconds.get(seconds)
    if text is None:
        if len(_seconds) > 64:
            _seconds.clear()
        text = _seconds[seconds] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text


def _boolean(value: bool) -> str:
    return "true" if value else "false"
