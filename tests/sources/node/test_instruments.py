"""The list of markets: asset ids and names as the venue numbers them."""

from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.errors import FormatError
from hyperstream.sources.node.complaints import Complaints
from hyperstream.sources.node.info import InfoClient, InfoError
from hyperstream.sources.node.instruments import ask_instruments, read_perps, read_spot
from hyperstream.wire.node_blocks import Instrument

META = {
    "universe": [{"name": "BTC", "szDecimals": 5}, {"name": "MATIC", "szDecimals": 1, "isDelisted": True}]
}
DEX = {"universe": [{"name": "xyz:XYZ100", "szDecimals": 4}, {"name": "TSLA", "szDecimals": 3}]}
SPOT = {
    "tokens": [
        {"name": "HYPE", "szDecimals": 2, "index": 150},
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "index": 1},
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
        {"name": "@107", "tokens": [150, 0], "index": 107},
    ],
}
ANSWERS: dict[str, Any] = {
    "meta": META,
    "meta xyz": DEX,
    "perpDexs": [None, {"name": "xyz"}],
    "spotMeta": SPOT,
}


def answering(answers: dict[str, Any]) -> httpx.MockTransport:
    """A server that answers by ``type`` and dex; a number is an HTTP status."""

    def answer(request: httpx.Request) -> httpx.Response:
        question = orjson.loads(request.content)
        found = answers[" ".join(filter(None, (question["type"], question.get("dex"))))]
        if isinstance(found, int):
            return httpx.Response(found, text="refused")
        return httpx.Response(200, content=orjson.dumps(found))

    return httpx.MockTransport(answer)


async def listed(answers: dict[str, Any], told: list[str]) -> list[Instrument]:
    async with InfoClient("http://node.test/info", answering(answers)) as info:
        return await ask_instruments(info, Complaints(lambda event, **_: told.append(event)))


async def test_perps_dexes_and_spot_pairs_have_the_venues_ids() -> None:
    told: list[str] = []
    assert await listed(ANSWERS, told) == [
        Instrument("BTC", 0, 5, "BTC"),
        Instrument("MATIC", 1, 1, "MATIC", is_delisted=True),
        Instrument("xyz:XYZ100", 110_000, 4, "xyz:XYZ100"),
        Instrument("xyz:TSLA", 110_001, 3, "xyz:TSLA"),
        Instrument("PURR/USDC", 10_000, 0, "PURR/USDC"),
        Instrument("@107", 10_107, 2, "HYPE/USDC"),
    ]
    assert not told


async def test_a_node_that_refuses_dexes_and_spot_still_lists_its_perps() -> None:
    told: list[str] = []
    found = await listed({**ANSWERS, "perpDexs": 422, "spotMeta": 422}, told)
    assert [instrument.symbol for instrument in found] == ["BTC", "MATIC"]
    assert len(told) == 2


async def test_a_market_that_cannot_be_read_takes_no_other_with_it() -> None:
    spot = ANSWERS["spotMeta"]
    odd_pair = {"name": "@9", "index": 9, "tokens": [77, 0]}
    answers = {**ANSWERS, "spotMeta": {**spot, "universe": [odd_pair, *spot["universe"]]}}
    told: list[str] = []
    assert await listed(answers, told) == await listed(ANSWERS, [])
    assert told == ["the info server lists markets that cannot be read; they have no id"]


async def test_a_server_in_trouble_is_an_error() -> None:
    with pytest.raises(InfoError):
        await listed({**ANSWERS, "spotMeta": 503}, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["universe", "tokens", "name", "index", "szDecimals"]), inner)
    ),
)


@given(JSON)
def test_any_answer_is_instruments_or_a_format_error(answer: Any) -> None:
    for read in (read_perps, read_spot):
        try:
            found = read(answer, [])
        except FormatError:
            continue
        assert all(isinstance(instrument, Instrument) for instrument in found)
