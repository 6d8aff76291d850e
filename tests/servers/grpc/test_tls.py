"""TLS, mutual TLS, ALPN, and certificates that change while streams go on."""

from __future__ import annotations

import shutil
import socket
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import trio

from hyperstream.config import GrpcSettings
from hyperstream.errors import ConfigurationError
from hyperstream.servers.grpc import tls
from hyperstream.servers.grpc.tls import TlsFiles
from hyperstream.v1 import orderbook_pb2

from .serving import Client, Served, events_until, serving, wait_until

in_thread = trio.to_thread.run_sync
CERTIFICATES = Path(__file__).with_name("certificates")
TLS: dict[str, Any] = {
    "certificate": str(CERTIFICATES / "server.pem"),
    "private_key": str(CERTIFICATES / "server.key"),
}
MUTUAL: dict[str, Any] = {**TLS, "client_ca": str(CERTIFICATES / "ca.pem")}


def pem(name: str) -> bytes:
    return (CERTIFICATES / name).read_bytes()


def secure_client(served: Served, *, is_known: bool = False) -> Client:
    client = Client(served.port)
    client.channel.close()
    credentials = grpc.ssl_channel_credentials(
        pem("ca.pem"), *((pem("client.key"), pem("client.pem")) if is_known else ())
    )
    client.channel = grpc.secure_channel(
        f"localhost:{served.port}", credentials, options=[("grpc.use_local_subchannel_pool", 1)]
    )
    return client


def shake_hands(port: int, *, alpn: list[str] | None) -> str:
    """The name the server's certificate is made out to."""
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
    if alpn:
        context.set_alpn_protocols(alpn)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        certificate: Any = peer.getpeercert()
        name = dict(certificate["subject"][0])["commonName"]
        assert peer.selected_alpn_protocol() == "h2"
        return str(name)


async def test_calls_and_streams_pass_through_tls(tmp_path: Path) -> None:
    async with serving(tmp_path, **TLS) as served:
        client = secure_client(served)
        reply = await in_thread(client.call, "GetMarkets", orderbook_pb2.GetMarketsRequest())
        assert reply.markets
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["*"], depth=1000)
        call = client.stream("SubscribeOrderbook", request)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        served.step(5)
        height = served.node.height
        await in_thread(events_until, call, lambda event: event.delta.height == height)
        call.cancel()
        client.close()


async def test_a_plain_client_is_turned_away_from_tls_and_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, **TLS) as served:
        client = Client(served.port)
        with pytest.raises(grpc.RpcError):
            await in_thread(
                partial(client.call, "GetMarkets", orderbook_pb2.GetMarketsRequest(), wait_for_ready=False)
            )
        client.close()
        counts = served.server.statistics().counts
        assert counts["TLS handshake failed"] >= 1


@pytest.mark.parametrize("alpn", [None, ["http/1.1"]])
async def test_without_alpn_h2_the_server_hangs_up(tmp_path: Path, alpn: list[str] | None) -> None:
    async with serving(tmp_path, **TLS) as served:

        def connect() -> bytes:
            context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.pem"))
            if alpn:
                context.set_alpn_protocols(alpn)
            with (
                socket.create_connection(("127.0.0.1", served.port), timeout=30) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as peer,
            ):
                return peer.recv(1)

        with suppress(ssl.SSLError, ConnectionError):  # hung up in the middle of the handshake's end
            assert await in_thread(connect) == b""
        await wait_until(lambda: not guard(served).has_connections)
        counts = guard(served).counts
        assert counts["TLS without ALPN h2"] == 1


def guard(served: Served) -> Any:
    return served.server._server


async def test_a_handshake_that_never_comes_holds_its_place_no_longer_than_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tls.HANDSHAKE_SECONDS == 5
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.05)
    async with serving(tmp_path, **TLS) as served:
        with socket.create_connection(("127.0.0.1", served.port)):
            await wait_until(lambda: guard(served).counts["TLS handshake failed"])
            await wait_until(lambda: not guard(served).limits.total)


async def test_mutual_tls_serves_who_has_a_certificate_and_nobody_else(tmp_path: Path) -> None:
    async with serving(tmp_path, **MUTUAL) as served:
        known, stranger = secure_client(served, is_known=True), secure_client(served)
        request = orderbook_pb2.GetMarketsRequest()
        assert (await in_thread(known.call, "GetMarkets", request)).markets
        with pytest.raises(grpc.RpcError):
            await in_thread(stranger.call, "GetMarkets", request)
        known.close()
        stranger.close()


async def test_a_reload_changes_the_certificate_without_dropping_a_stream(tmp_path: Path) -> None:
    certificate, private_key = tmp_path / "now.pem", tmp_path / "now.key"

    def install(name: str) -> None:
        shutil.copy(CERTIFICATES / f"{name}.pem", certificate)
        shutil.copy(CERTIFICATES / f"{name}.key", private_key)

    install("server")
    async with serving(tmp_path, certificate=str(certificate), private_key=str(private_key)) as served:
        client = secure_client(served)
        request = orderbook_pb2.SubscribeOrderbookRequest(symbols=["BTC"])
        call = client.stream("SubscribeOrderbook", request)
        await in_thread(events_until, call, lambda event: event.HasField("snapshot"))
        assert await in_thread(partial(shake_hands, served.port, alpn=["h2"])) == "first"
        install("renewed")
        served.server.reload()
        assert await in_thread(partial(shake_hands, served.port, alpn=["h2"])) == "renewed"
        shutil.copy(__file__, private_key)
        with pytest.raises(ConfigurationError, match="cannot be used"):
            served.server.reload()
        assert await in_thread(partial(shake_hands, served.port, alpn=["h2"])) == "renewed"
        served.step(3)
        height = served.node.height
        await in_thread(events_until, call, lambda event: event.delta.height == height)
        call.cancel()
        client.close()


@pytest.mark.parametrize(
    ("certificate", "private_key", "client_ca", "problem"),
    [
        ("none.pem", "server.key", None, r"grpc.certificate: .*none.pem cannot be used: No such file"),
        ("server.pem", "none.key", None, r"grpc.private_key: .*none.key cannot be used: No such file"),
        ("server.pem", "client.key", None, r"with grpc.private_key .*client.key: KEY_VALUES_MISMATCH"),
        ("server.key", "server.key", None, r"grpc.certificate: .*server.key cannot be used"),
        ("server.pem", "server.key", "server.key", r"grpc.client_ca: .* cannot be used"),
    ],
)
def test_files_that_cannot_be_used_are_told(
    certificate: str, private_key: str, client_ca: str | None, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        TlsFiles(
            CERTIFICATES / certificate,
            CERTIFICATES / private_key,
            CERTIFICATES / client_ca if client_ca else None,
        )


def test_old_tls_is_not_spoken() -> None:
    context = TlsFiles(CERTIFICATES / "server.pem", CERTIFICATES / "server.key").context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_tls_is_off_by_default() -> None:
    assert GrpcSettings().certificate == "none"
