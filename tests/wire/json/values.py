"""Values to spell as JSON, and what a client reads in the frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from hyperstream.market.level import Level
from hyperstream.market.order import Order, OrderAttributes
from hyperstream.market.updates import BlockStamp, MarketName

NAME = MarketName("BTC", 0)
STAMP = BlockStamp(7, 1_790_232_236_546_123_456, 2, 3, 4)
TIME_MS = 1_790_232_236_546
HEAD = (NAME, 11, 5, STAMP, False)
PROVENANCE = {
    "epoch": 11,
    "sequence": 5,
    "height": 7,
    "block_time_ns": 1_790_232_236_546_123_456,
    "node_time_ns": 2,
    "read_time_ns": 3,
    "publish_time_ns": 4,
    "doubtful": False,
}
ATTRIBUTES = OrderAttributes(
    placed_time_ns=1_778_002_753_024_000_000,
    original_size_e8=10**8,
    order_type="Limit",
    tif="Alo",
    reduce_only=True,
    cloid="0x00000000000000000000000000000001",
    trigger_condition="",
    trigger_price="",
    is_position_tpsl=False,
)


def level(price: str, key: int, *sizes_e8: int) -> Level:
    """A level with an order of each size; ``key`` is negative for asks."""
    made = Level(key, price)
    for oid, size_e8 in enumerate(sizes_e8, start=1):
        made.orders[oid] = Order(oid, f"0x{oid:040x}", made, size_e8)
        made.size_e8 += size_e8
    return made


def messages(data: bytes, *, deflate: bool = False) -> Iterator[str]:
    """The text messages a client reads in these bytes, put together by wsproto."""
    extensions: list[Extension] = []
    if deflate:
        extension = PerMessageDeflate(server_no_context_takeover=True)
        extension.finalize("permessage-deflate; server_no_context_takeover")
        extensions.append(extension)
    peer = Connection(ConnectionType.CLIENT, extensions)
    peer.receive_data(data)
    text = ""
    for event in peer.events():
        assert isinstance(event, TextMessage), event
        text += event.data
        if event.message_finished:
            yield text
            text = ""
    assert not text, "a message is not finished"


def only(data: bytes) -> Any:
    """The one message in these bytes, parsed."""
    (text,) = messages(data)
    return json.loads(text)
