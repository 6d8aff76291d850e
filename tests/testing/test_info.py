"""The info server, asked by a foreign client."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from hyperstream.testing import FakeNode

MakeNode = Callable[..., FakeNode]


def _snapshot(path: Path) -> dict[str, Any]:
    return {
        "type": "fileSnapshot",
        "request": {"type": "l4Snapshots", "includeUsers": True, "includeTriggerOrders": False},
        "outPath": str(path),
        "includeHeightInOutput": True,
    }


async def _ask(url: str, question: object, seconds: float = 30) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        with trio.fail_after(seconds):
            return await client.post(url, json=question)


async def _wait_until(is_true: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        await trio.lowlevel.checkpoint()
        while not is_true():  # noqa: ASYNC110  what is waited for happens in a file
            await trio.sleep(0.002)


async def test_listings_agree_with_the_symbols(make_node: MakeNode) -> None:
    node = make_node(markets=40)
    async with node.serve_info() as url:
        perps = (await _ask(url, {"type": "meta"})).json()["universe"]
        spots = (await _ask(url, {"type": "spotMeta"})).json()
        dexes = (await _ask(url, {"type": "perpDexs"})).json()
        assert dexes[0] is None
        names = [coin["name"] for coin in perps if not coin.get("isDelisted")]
        names += [pair["name"] for pair in spots["universe"]]
        for dex in dexes[1:]:
            answer = await _ask(url, {"type": "meta", "dex": dex["name"]})
            names += [coin["name"] for coin in answer.json()["universe"]]
    assert sorted(names) == sorted(node.symbols)
    tokens = {token["index"] for token in spots["tokens"]}
    for pair in spots["universe"]:
        assert pair["name"] == ("PURR/USDC" if pair["index"] == 0 else f"@{pair['index']}")
        assert set(pair["tokens"]) <= tokens


async def test_exchange_status_has_the_time_of_the_last_block(make_node: MakeNode) -> None:
    node = make_node()
    block = node.step()
    async with node.serve_info() as url:
        answer = (await _ask(url, {"type": "exchangeStatus"})).json()
    assert answer == {"time": block.block_time_ns // 1_000_000, "specialStatuses": None}


async def test_a_snapshot_is_written_and_then_answered(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node()
    node.step()
    async with node.serve_info() as url:
        answer = await _ask(url, _snapshot(tmp_path / "out.json"))
    assert (answer.status_code, answer.content) == (200, b"null")
    node.write_snapshot(tmp_path / "same.json")
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "same.json").read_bytes()


async def test_a_snapshot_is_of_one_height_though_blocks_go_on(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node()
    node.write_snapshot(tmp_path / "before.json")
    node.info_faults.half_written_seconds = 0.05
    async with node.serve_info() as url, trio.open_nursery() as nursery:
        nursery.start_soon(_ask, url, _snapshot(tmp_path / "out.json"))
        await _wait_until((tmp_path / "out.json").exists)
        for _ in range(20):
            node.step()
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "before.json").read_bytes()


@pytest.mark.parametrize(
    "question",
    [{"type": "l2Book", "coin": "BTC"}, {"type": "meta", "dex": "nodex"}, {}, [], "x", {"type": 1}],
)
async def test_everything_else_is_422_in_plain_text(question: object, make_node: MakeNode) -> None:
    async with make_node().serve_info() as url:
        answer = await _ask(url, question)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/plain")


async def test_other_paths_and_methods_are_refused(make_node: MakeNode) -> None:
    async with make_node().serve_info() as url, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(url + "rmation", json={})).status_code == 404
        assert (await client.get(url)).status_code == 405  # on the same connection


async def test_a_path_that_cannot_be_written_is_500(tmp_path: Path, make_node: MakeNode) -> None:
    async with make_node().serve_info() as url:
        answer = await _ask(url, _snapshot(tmp_path / "missing" / "out.json"))
    assert answer.status_code == 500


async def test_refused_snapshots_and_errors_are_counted_down(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node()
    node.info_faults.errors = 1
    node.info_faults.refuse_snapshots = 2
    async with node.serve_info() as url:
        codes = [(await _ask(url, _snapshot(tmp_path / "out.json"))).status_code for _ in range(4)]
    assert codes == [500, 422, 422, 200]
    assert node.info_faults.requests == 4


async def test_a_stale_answer_leaves_the_file_alone(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node()
    node.info_faults.stale = True
    (tmp_path / "out.json").write_text("old")
    async with node.serve_info() as url:
        assert (await _ask(url, _snapshot(tmp_path / "out.json"))).status_code == 200
    assert (tmp_path / "out.json").read_text() == "old"


async def test_an_early_answer_finds_half_a_file(tmp_path: Path, make_node: MakeNode) -> None:
    node = make_node()
    node.info_faults.half_written_seconds = 0.05
    node.info_faults.replies_early = True
    path = tmp_path / "out.json"
    async with node.serve_info() as url:
        assert (await _ask(url, _snapshot(path))).status_code == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(path.read_bytes())
        await _wait_until(lambda: path.read_bytes().endswith(b"]]\n"))
    assert json.loads(path.read_bytes())[0] == node.height


async def test_a_hanging_server_never_answers(make_node: MakeNode) -> None:
    node = make_node()
    node.info_faults.hang = True
    async with node.serve_info() as url:
        with pytest.raises(trio.TooSlowError):
            await _ask(url, {"type": "meta"}, seconds=0.1)
        assert node.info_faults.requests == 1


async def test_a_resetting_server_breaks_the_connection(make_node: MakeNode) -> None:
    node = make_node()
    node.info_faults.reset = True
    async with node.serve_info() as url:
        with pytest.raises(httpx.TransportError):
            await _ask(url, {"type": "meta"})


@pytest.mark.parametrize("garbage", [b"\x00\xff\r\n\r\n", b"POST /info HTTP/1.1\r\n", b""])
async def test_a_client_that_speaks_no_http_hurts_nobody(garbage: bytes, make_node: MakeNode) -> None:
    async with make_node().serve_info() as url:
        stream = await trio.open_tcp_stream("127.0.0.1", httpx.URL(url).port or 0)
        await stream.send_all(garbage)
        await stream.aclose()
        assert (await _ask(url, {"type": "meta"})).status_code == 200
