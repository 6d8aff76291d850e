"""What a subscription begins with: also one that asks for what the connection gets already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperstream.testing import BUSY

from .serving import client, serving

SAME = [
    ({"type": "l2Book", "coin": "BTC"}, {"type": "l2Book", "coin": "BTC", "nLevels": 20}),
    (
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 5},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 1},
    ),
    ({"type": "bbo", "coin": "BTC"}, {"type": "bbo", "coins": ["BTC"]}),
    ({"type": "allMids"}, {"type": "allMids", "dex": ""}),
    (
        {"type": "candle", "coin": "BTC", "interval": "1m"},
        {"type": "candle", "coins": ["BTC"], "interval": "1m"},
    ),
]


@pytest.mark.parametrize(("first", "second"), SAME)
async def test_another_spelling_of_the_same_subscription_begins_with_its_first_frame_too(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    async with serving(tmp_path, busy=BUSY, all_mids_seconds=0.1) as served:
        served.step(10)
        async with client(served.port) as peer:
            for asked in (first, second):
                assert (await peer.subscribe(**asked))["channel"] == "subscriptionResponse"
                frame = await peer.receive()
                assert frame["channel"] == asked["type"]
            await peer.unsubscribe(**first)
            served.step(40)
            told = [message for message in await peer.so_far(served) if message["channel"] != "allMids"]
            assert told or second["type"] == "allMids", "the other one goes on"
