"""Who may come in: keys in headers, TLS and mutual TLS, and both read again while sessions go on."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus, WebSocketException

from hyperstream.config import ListenAddress, WebSocketSettings
from hyperstream.errors import ConfigurationError
from hyperstream.hub.hub import Hub
from hyperstream.servers.door.keys import key_entry, make_key
from hyperstream.servers.websocket.server import WebSocketServer
from hyperstream.testing import BUSY

from .raw_peer import raw_peer, request
from .serving import client, serving, wait_until

CERTIFICATES = Path(__file__).parents[1] / "grpc" / "certificates"
TLS: dict[str, Any] = {
    "certificate": str(CERTIFICATES / "server.pem"),
    "private_key": str(CERTIFICATES / "server.key"),
}
MUTUAL: dict[str, Any] = {**TLS, "client_ca": str(CERTIFICATES / "ca.pem")}


def trusting(*, is_known: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    context.check_hostname = False
    if is_known:
        context.load_cert_chain(CERTIFICATES / "client.pem", CERTIFICATES / "client.key")
    return context


def write_keys(path: Path, **limits: str) -> dict[str, str]:
    """Write a file of keys, and return them by name."""
    keys = {name: make_key() for name in limits}
    path.write_text("".join(key_entry(name, keys[name]) + limits[name] for name in limits))
    return keys


# --- keys ---


async def test_a_key_is_taken_from_either_header_and_from_nowhere_else(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.toml", desk="")
    async with serving(tmp_path, api_keys=str(tmp_path / "keys.toml")) as served:
        for headers in ({"Authorization": f"Bearer {keys['desk']}"}, {"X-Api-Key": keys["desk"]}):
            async with client(served.port, additional_headers=headers) as peer:
                assert await peer.ask({"method": "ping"}) == {"channel": "pong"}
        for headers in ({}, {"X-Api-Key": "hs_wrong"}, {"Authorization": f"Basic {keys['desk']}"}):
            with pytest.raises(InvalidStatus) as refused:
                async with client(served.port, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 401
            assert refused.value.response.headers["www-authenticate"] == "Bearer"
        async with httpx.AsyncClient(trust_env=False) as web:
            url = f"http://127.0.0.1:{served.port}/info"
            assert (await web.post(url, json={"type": "allMids"})).status_code == 401
            headers = {"x-api-key": keys["desk"]}
            assert (await web.post(url, json={"type": "allMids"}, headers=headers)).status_code == 200


async def test_a_browser_may_ask_without_a_key_whether_it_may_send_one(tmp_path: Path) -> None:
    """It never sends a key with that question; all the rest needs one."""
    write_keys(tmp_path / "keys.toml", desk="")
    page = {"origin": "https://desk.example"}
    asking = {**page, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    settings: dict[str, Any] = {"api_keys": str(tmp_path / "keys.toml"), "origins": (page["origin"],)}
    async with serving(tmp_path, **settings) as served, httpx.AsyncClient(trust_env=False) as web:
        url = f"http://127.0.0.1:{served.port}/info"
        answer = await web.options(url, headers=asking)
        assert answer.status_code == 204
        assert "x-api-key" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-allow-origin"] == "https://desk.example"
        asking["origin"] = "https://evil.example"
        assert (await web.options(url, headers=asking)).status_code == 403
        assert (await web.post(url, json={"type": "allMids"}, headers=page)).status_code == 401
        async with raw_peer(served.port) as peer:
            await peer.send(request(method="OPTIONS"))
            assert (await peer.answer())[0] == 405, "no WebSocket is opened with it"


async def test_anyone_may_come_without_a_key_but_not_with_a_wrong_one(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.toml", desk="")
    settings: dict[str, Any] = {"api_keys": str(tmp_path / "keys.toml"), "allow_anyone": True}
    async with serving(tmp_path, **settings) as served:
        async with client(served.port) as peer:
            assert await peer.ask({"method": "ping"}) == {"channel": "pong"}
        with pytest.raises(InvalidStatus):
            async with client(served.port, additional_headers={"X-Api-Key": "hs_wrong"}):
                pass


async def test_a_key_is_held_to_its_sessions_and_markets(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.toml", desk="streams = 1\nmarkets = 3\n")
    headers = {"X-Api-Key": keys["desk"]}
    async with serving(tmp_path, api_keys=str(tmp_path / "keys.toml")) as served:
        async with client(served.port, additional_headers=headers) as peer:
            with pytest.raises(InvalidStatus) as refused:
                async with client(served.port, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 429
            await peer.subscribe(type="trades", coins=["BTC", "ETH"])
            told = await peer.subscribe(type="bbo", coins=["BTC", "ETH"])
            assert "the key 'desk' may follow 3 markets at a time" in told["data"]
            await peer.unsubscribe(type="trades", coins=["BTC", "ETH"])
            assert (await peer.subscribe(type="bbo", coins=["BTC", "ETH"]))[
                "channel"
            ] == "subscriptionResponse"
        await wait_until(lambda: not served.server.sessions)
        (usage,) = served.server.visitors._usages.values()
        assert (usage.streams, usage.markets, usage.connections) == (0, 0, {})


async def test_a_keys_bytes_a_second_delay_its_messages_and_not_others(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.toml", slow="bytes_per_second = 16384\n", fast="")
    async with serving(tmp_path, busy=BUSY, api_keys=str(tmp_path / "keys.toml")) as served:
        slow = {"additional_headers": {"X-Api-Key": keys["slow"]}}
        fast = {"additional_headers": {"X-Api-Key": keys["fast"]}}
        async with client(served.port, **slow) as one, client(served.port, **fast) as other:
            for peer in (one, other):
                await peer.subscribe(type="l2Book", coin="BTC", nLevels=100)
                await peer.receive()
            served.step(60)
            before = served.hub.statistics()
            assert before.subscriptions == 2
            assert len(await other.so_far()) >= 50
            assert len(await one.so_far()) < 50


async def test_sessions_of_a_key_that_is_revoked_go_on_and_new_ones_are_refused(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.toml", mine="", other="")
    async with serving(tmp_path, api_keys=str(tmp_path / "keys.toml")) as served:
        mine = {"additional_headers": {"X-Api-Key": keys["mine"]}}
        other = {"additional_headers": {"X-Api-Key": keys["other"]}}
        async with client(served.port, **mine) as one, client(served.port, **other) as two:
            (tmp_path / "keys.toml").write_text(key_entry("other", keys["other"]))
            served.server.reload()
            for session in (one, two):
                assert await session.ask({"method": "ping"}) == {"channel": "pong"}
        with pytest.raises(InvalidStatus) as refused:
            async with client(served.port, **mine):
                pass
        assert refused.value.response.status_code == 401
        (tmp_path / "keys.toml").write_text("nonsense")
        with pytest.raises(ConfigurationError, match=r"websocket\.api_keys"):
            served.server.reload()
        async with client(served.port, **other) as two:
            assert await two.ask({"method": "ping"}) == {"channel": "pong"}


# --- TLS ---


async def test_books_come_over_tls_as_they_do_without(tmp_path: Path) -> None:
    async with serving(tmp_path, busy=BUSY, **TLS) as served:
        async with client(served.port, ssl=trusting(), server_hostname="localhost") as peer:
            await peer.subscribe(type="l2Book", coin="BTC")
            await peer.subscribe(type="l4Book", coin="BTC")
            served.step(20)
            told = await peer.so_far(served)
            last = [message for message in told if message["channel"] == "l2Book"][-1]
        truth = served.node.truth("BTC", 20)
        assert [level["px"] for level in last["data"]["levels"][0]] == [price for price, _, _ in truth.bids]
        assert [message["channel"] for message in told].count("l4Book") > 15


async def test_messages_are_written_directly_over_tls_too(tmp_path: Path) -> None:
    secure: dict[str, Any] = {"ssl": trusting(), "server_hostname": "localhost"}
    async with serving(tmp_path, busy=BUSY, **TLS) as served, client(served.port, **secure) as peer:
        await peer.subscribe(type="bbo", coin="BTC")
        await peer.receive()
        (session,) = served.server.sessions
        await wait_until(lambda: not session.is_sending)
        before = session.transport.bytes_sent
        served.step(20)
        assert session.transport.bytes_sent > before
        assert not session.is_sending


async def test_mutual_tls_wants_a_certificate_of_the_clients(tmp_path: Path) -> None:
    async with serving(tmp_path, **MUTUAL) as served:
        async with client(served.port, ssl=trusting(is_known=True), server_hostname="localhost") as peer:
            assert await peer.ask({"method": "ping"}) == {"channel": "pong"}
        with pytest.raises((OSError, EOFError, WebSocketException)):
            async with client(served.port, ssl=trusting(), server_hostname="localhost"):
                pass


async def test_a_stranger_without_tls_is_hung_up_on(tmp_path: Path) -> None:
    async with serving(tmp_path, **TLS) as served, raw_peer(served.port) as peer:
        await peer.send(b"GET /ws HTTP/1.1\r\nhost: x\r\n\r\n")
        while await peer.stream.receive_some():
            pass
        assert "connections that failed" not in served.counts


async def test_a_renewed_certificate_is_shown_to_those_who_come_next(tmp_path: Path) -> None:
    for name in ("server.pem", "server.key"):
        shutil.copy(CERTIFICATES / name, tmp_path / name)
    paths: dict[str, Any] = {
        "certificate": str(tmp_path / "server.pem"),
        "private_key": str(tmp_path / "server.key"),
    }

    async def serial(port: int) -> Any:
        async with client(port, ssl=trusting(), server_hostname="localhost") as peer:
            certificate: Any = peer.connection.socket.getpeercert()  # type: ignore[attr-defined]
            return certificate["serialNumber"]

    async with serving(tmp_path, **paths) as served:
        before = await serial(served.port)
        async with client(served.port, ssl=trusting(), server_hostname="localhost") as old:
            shutil.copy(CERTIFICATES / "renewed.pem", tmp_path / "server.pem")
            shutil.copy(CERTIFICATES / "renewed.key", tmp_path / "server.key")
            served.server.reload()
            assert await serial(served.port) != before
            assert await old.ask({"method": "ping"}) == {"channel": "pong"}
        (tmp_path / "server.pem").write_text("nonsense")
        with pytest.raises(ConfigurationError, match=r"websocket\.certificate"):
            served.server.reload()
        assert await serial(served.port) != before


# --- settings that cannot be ---


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"listen": ListenAddress("0.0.0.0", 0)}, r"websocket\.listen 0\.0\.0\.0:0 can be reached"),
        ({"certificate": "x"}, r"websocket\.certificate and websocket\.private_key go together"),
        ({"client_ca": "x"}, r"websocket\.client_ca wants TLS"),
        ({"api_keys": "nowhere"}, r"websocket\.api_keys: nowhere does not exist"),
        ({"certificate": "x", "private_key": "y"}, r"websocket\.certificate: x cannot be used"),
    ],
)
async def test_what_cannot_be_served_safely_is_not_started(wrong: dict[str, Any], words: str) -> None:
    settings = WebSocketSettings(**{"listen": ListenAddress("127.0.0.1", 0), **wrong})
    content: Any = None
    with pytest.raises(ConfigurationError, match=words):
        await WebSocketServer(settings, Hub(1), content).run()


async def test_a_port_that_is_taken_is_told_with_the_setting_to_change(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        settings = WebSocketSettings(listen=ListenAddress("127.0.0.1", served.port))
        with pytest.raises(ConfigurationError, match=rf"port {served.port} is taken.*websocket\.listen"):
            await WebSocketServer(settings, served.hub, served.content).run()
