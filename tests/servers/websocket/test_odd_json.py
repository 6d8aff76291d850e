"""JSON that no program sends: an answer, and a connection that lives."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from .serving import client, serving

DEEP = "[" * 600 + "]" * 600
PAYLOADS = {
    "a deep dex": f'{{"type":"meta","dex":{DEEP}}}',
    "a deep interval": f'{{"type":"candleSnapshot","req":{{"coin":"BTC","interval":{DEEP},"startTime":1}}}}',
    "a dex that is no name": '{"type":"meta","dex":5}',
}


@pytest.mark.parametrize(
    "subscription",
    [
        f'{{"type":"l2Book","coin":"BTC","nSigFigs":9,"more":{DEEP}}}',
        f'{{"type":"nothing","more":{DEEP}}}',
        f'{{"type":"bbo","coins":{DEEP}}}',
        f'{{"type":"bbo","coin":"BTC","delivery":{DEEP}}}',
        f'{{"type":"bbo","coin":"BTC","resume":{{"BTC":{DEEP}}}}}',
    ],
)
async def test_what_is_nested_too_deep_to_be_quoted_is_an_error_and_the_socket_lives(
    tmp_path: Path, subscription: str
) -> None:
    message = f'{{"method":"subscribe","subscription":{subscription}}}'
    async with serving(tmp_path) as served, client(served.port) as peer:
        answer = await peer.ask(message)
        assert answer["channel"] == "error"
        assert answer["data"].endswith(message)
        assert await peer.ask({"method": "ping"}) == {"channel": "pong"}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_an_info_request_that_makes_no_sense_is_422_however_it_is_sent(
    tmp_path: Path, payload: str
) -> None:
    async with serving(tmp_path) as served:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"http://127.0.0.1:{served.port}/info", content=payload)
            assert answer.status_code == 422, answer.text
        async with client(served.port) as peer:
            text = f'{{"method":"post","id":1,"request":{{"type":"info","payload":{payload}}}}}'
            answer_text = json.dumps(await peer.ask(text))
            assert "422" in answer_text or "Error parsing JSON" in answer_text
            assert await peer.ask({"method": "ping"}) == {"channel": "pong"}
