"""Every order of many markets in one subscription: a snapshot each, whole, and then every block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from hyperstream.servers.door import transport
from hyperstream.testing import BUSY

from .raw_peer import TEXT, frame, raw_peer
from .serving import MARKETS, serving


@pytest.mark.parametrize("coins", ["*", ["ETH", "BTC"]])
@pytest.mark.parametrize("told", [{}, {"provenance": True}])
async def test_each_book_of_a_list_is_one_message_and_none_interrupts_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coins: Any, told: dict[str, Any]
) -> None:
    """Books longer than a turn, read slowly, while the markets go on."""
    monkeypatch.setattr(transport, "SEND_BUFFER_BYTES", 4096)
    async with serving(tmp_path, busy=BUSY) as served, raw_peer(served.port, receive_buffer=4096) as peer:
        served.step(3)
        await peer.upgrade()
        asked = {"type": "l4Book", "coins": coins, **told}
        await peer.send(frame(TEXT, orjson.dumps({"method": "subscribe", "subscription": asked})))
        assert (await peer.message())["channel"] == "subscriptionResponse"
        wanted = set(MARKETS if coins == "*" else coins)
        heights: dict[str, int] = {}
        while len(heights) < len(wanted) or min(heights.values()) < served.node.height:
            if len(heights) < len(wanted):
                served.step()
            data = (await peer.message())["data"]
            if "Snapshot" in data:
                snapshot = data["Snapshot"]
                assert snapshot["coin"] not in heights
                assert sum(len(side) for side in snapshot["levels"]) > 100
                heights[snapshot["coin"]] = snapshot["height"]
                continue
            update = data["Updates"]
            (coin,) = {diff["coin"] for diff in update["book_diffs"]} or {
                status["order"]["coin"] for status in update["order_statuses"]
            }
            assert update["height"] > heights[coin]
            heights[coin] = update["height"]
        assert heights.keys() == wanted
