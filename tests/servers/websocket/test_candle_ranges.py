"""Which candles an info request gets, whatever span of time it names."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperstream.market.candles import INTERVALS
from hyperstream.testing import BUSY

from .serving import Served, client, serving

FOREVER = 2**64 - 1
HOUR_MS = 3_600_000


async def candles(served: Served, **wanted: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        body = {"type": "candleSnapshot", "req": {"coin": "BTC", **wanted}}
        return await http.post(f"http://127.0.0.1:{served.port}/info", json=body)


@pytest.mark.parametrize("interval", INTERVALS)
async def test_a_span_that_no_calendar_has_holds_no_candles(tmp_path: Path, interval: str) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        served.step(20)
        for first in (2**53 - 2, FOREVER - 1):
            answer = await candles(served, interval=interval, startTime=first, endTime=first + 1)
            assert (answer.status_code, answer.json()) == (200, [])
        async with client(served.port) as peer:
            wanted = {"coin": "BTC", "interval": interval, "startTime": FOREVER, "endTime": FOREVER}
            request = {"type": "info", "payload": {"type": "candleSnapshot", "req": wanted}}
            answer = await peer.ask({"method": "post", "id": 1, "request": request})
            assert answer["data"]["response"]["payload"]["data"] == []


async def test_a_span_without_an_end_is_what_there_is_and_without_trades_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY) as served:
        served.step(20)
        now_ms = time.time_ns() // 1_000_000
        (day,) = (await candles(served, interval="1M", startTime=0, endTime=FOREVER)).json()
        assert day["n"] > 0
        for start in (0, now_ms - HOUR_MS):
            minutes = (await candles(served, interval="1m", startTime=start)).json()
            assert sum(minute["n"] for minute in minutes) == day["n"]
        assert (await candles(served, interval="1m", startTime=now_ms + HOUR_MS)).json() == []


@pytest.mark.parametrize("span", [{"startTime": -1}, {"startTime": 1.5}, {"startTime": "1"}, {}])
async def test_a_start_that_is_no_time_is_refused(tmp_path: Path, span: dict[str, Any]) -> None:
    async with serving(tmp_path) as served:
        assert (await candles(served, interval="1m", **span)).status_code == 422
