"""One port for HTTP and WebSocket, spoken to over real sockets by foreign clients."""

import ssl
from pathlib import Path

import httpx
import pytest
import trio
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect as foreign_connect

from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeHyperliquid, FakeVenue, How

CERTIFICATES = Path(__file__).parents[2] / "servers" / "grpc" / "certificates"


def listen(url: str, count: int) -> list[str]:
    """Connect as websockets' own client does, and return so many messages."""
    with foreign_connect(url, open_timeout=30, proxy=None) as websocket:
        return [str(websocket.recv(timeout=30)) for _ in range(count)]


@pytest.mark.parametrize("venue", [FakeBinance, FakeHyperliquid, FakeBybit])
async def test_a_foreign_client_connects_over_tcp(venue: type[FakeVenue]) -> None:
    fake = venue()

    def ping(url: str) -> str:
        with foreign_connect(url, open_timeout=30, proxy=None) as websocket:
            websocket.send('{"method":"ping","op":"ping"}')
            return str(websocket.recv(timeout=30))

    with trio.fail_after(60):
        async with fake.serve() as urls:
            answer = await trio.to_thread.run_sync(ping, urls.stream)
    assert ("pong" in answer) is (venue is not FakeBinance)
    assert fake.statistics.sessions == 1


async def test_a_foreign_client_hears_what_is_said() -> None:
    fake = FakeBinance()
    with trio.fail_after(60):
        async with fake.serve() as urls, trio.open_nursery() as nursery:
            nursery.start_soon(fake.run)
            url = f"{urls.stream}?streams=btcusdt@bookTicker"
            messages = await trio.to_thread.run_sync(listen, url, 5)
            nursery.cancel_scope.cancel()
    assert all(message.startswith('{"stream":"btcusdt@bookTicker","data":{"u":') for message in messages)


async def test_a_reset_is_a_reset() -> None:
    fake = FakeBinance()
    with trio.fail_after(60):
        async with fake.serve() as urls:
            host, _, port = urls.rest.removeprefix("http://").partition(":")
            stream = await trio.open_tcp_stream(host, int(port))
            head = "GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            head += "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            await stream.send_all(head.encode())
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
            fake.trouble.disconnect(How.RESET)
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            await stream.aclose()


async def test_a_close_frame_reaches_a_foreign_client() -> None:
    fake = FakeBinance()

    def wait_for_the_end(url: str) -> tuple[int, str]:
        with foreign_connect(url, open_timeout=30, proxy=None) as websocket:
            websocket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            websocket.recv(timeout=30)
            trio.from_thread.run_sync(lambda: fake.trouble.disconnect(How.CLOSE, code=1012, reason="again"))
            with pytest.raises(ConnectionClosedError) as caught:
                websocket.recv(timeout=30)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code, caught.value.rcvd.reason

    with trio.fail_after(60):
        async with fake.serve() as urls:
            assert await trio.to_thread.run_sync(wait_for_the_end, urls.stream) == (1012, "again")


async def test_a_bad_certificate_is_refused_by_a_client_that_looks() -> None:
    fake = FakeBinance()
    with trio.fail_after(60):
        async with fake.serve(tls="bad") as urls:
            assert urls.stream.startswith("wss://")
            assert urls.rest.startswith("https://")
            with pytest.raises(ssl.SSLCertVerificationError):
                await trio.to_thread.run_sync(listen, urls.stream, 1)
            async with httpx.AsyncClient(verify=False, trust_env=False) as http:
                assert (await http.get(f"{urls.rest}/api/v3/ping")).json() == {}
    assert fake.statistics.broken_connections == 1
    assert fake.statistics.sessions == 0


async def test_a_good_certificate_serves_and_resets_too() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    fake = FakeHyperliquid()

    def talk(url: str) -> None:
        with foreign_connect(url, ssl=trusting, open_timeout=30, proxy=None) as websocket:
            websocket.send('{"method":"ping"}')
            assert websocket.recv(timeout=30) == '{"channel":"pong"}'
            trio.from_thread.run_sync(fake.trouble.disconnect)
            with pytest.raises(ConnectionClosedError):
                websocket.recv(timeout=30)

    with trio.fail_after(60):
        async with fake.serve(tls=context) as urls:
            await trio.to_thread.run_sync(talk, urls.stream)


async def test_requests_of_one_connection_are_answered_one_after_the_other() -> None:
    fake = FakeBinance()
    with trio.fail_after(60):
        async with fake.serve() as urls, httpx.AsyncClient(trust_env=False, base_url=urls.rest) as http:
            for _ in range(3):
                assert (await http.get("/api/v3/time")).status_code == 200
            assert (await http.get("/nothing")).status_code == 404
    assert fake.statistics.requests == 4
    assert fake.statistics.connections == 1


@pytest.mark.parametrize("venue", [FakeBinance, FakeHyperliquid, FakeBybit])
async def test_a_path_that_is_not_there_refuses_the_handshake(venue: type[FakeVenue]) -> None:
    fake = venue()
    with trio.fail_after(60):
        async with fake.serve() as urls:
            url = urls.rest.replace("http", "ws") + "/elsewhere"
            with pytest.raises(InvalidStatus) as caught:
                await trio.to_thread.run_sync(listen, url, 1)
    assert caught.value.response.status_code == 404


async def exchange_bytes(fake: FakeVenue, *pieces: bytes) -> bytes:
    """Send raw bytes and return everything that comes back before the end."""
    async with fake.serve():
        stream = fake.open_stream()
        for piece in pieces:
            await stream.send_all(piece)
        await stream.send_eof()
        answer = b""
        with trio.fail_after(30):
            while data := await stream.receive_some():
                answer += bytes(data)
        return answer


async def test_a_handshake_without_a_key_is_refused() -> None:
    head = b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    assert (await exchange_bytes(FakeBinance(), head)).startswith(b"HTTP/1.1 400")


async def test_what_is_not_http_ends_the_connection() -> None:
    fake = FakeBinance()
    assert await exchange_bytes(fake, b"\x00\x01\x02 nonsense\r\n\r\n") == b""
    assert fake.statistics.broken_connections == 1


async def test_a_body_that_is_too_large_is_refused() -> None:
    head = b"POST /info HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n"
    answer = await exchange_bytes(FakeHyperliquid(), head, b"x" * 1_100_000)
    assert answer.startswith(b"HTTP/1.1 413")
