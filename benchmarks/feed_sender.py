"""The venue of the feed benchmark, as a process: floods whoever connects with recorded frames.

    (start)                   {"port": P, "bytes": {"binance": 251.3, …}}    what a frame measures on average

``ws://127.0.0.1:P/binance?messages=100000`` sends so many frames of that venue, as fast as they are taken,
then says goodbye. Frames are made ahead, so the sender is never what is waited for.
"""

from functools import partial

import click
import trio
from wsproto.utilities import generate_accept_token

from benchmarks.feed_frames import SOURCES, record
from benchmarks.processes import LineReader, answer

SENT_AT_ONCE = 500  # frames
HEAD_BYTES = 4096
LINGER_SECONDS = 5.0


def text_frame(payload: bytes) -> bytes:
    """Return a server's text message as one WebSocket frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


CLOSE_FRAME = b"\x88\x02" + (1000).to_bytes(2, "big")


async def read_head(stream: trio.SocketStream) -> tuple[str, dict[str, str]]:
    """Return the path and the headers of a request."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = await stream.receive_some(HEAD_BYTES)
        if not chunk:
            return "", {}
        received += chunk
    first, *lines = received.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return first.split(" ")[1], {name.lower(): value for name, value in headers.items()}


async def accept(stream: trio.SocketStream) -> str:
    """Accept an upgrade; return the path asked for, or ``""``."""
    path, headers = await read_head(stream)
    if path:
        token = generate_accept_token(headers["sec-websocket-key"].encode()).decode()
        await stream.send_all(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {token}\r\n\r\n".encode()
        )
    return path


async def flood(batches: dict[str, list[list[bytes]]], stream: trio.SocketStream) -> None:
    """Serve one client: all it asked for, then goodbye."""
    async with stream:
        path = await accept(stream)
        venue, _, asked = path.removeprefix("/").partition("?messages=")
        if venue not in batches:
            return
        left = int(asked)
        try:
            while left > 0:
                for batch in batches[venue]:
                    await stream.send_all(b"".join(batch[:left]))
                    left -= len(batch[:left])
            await stream.send_all(CLOSE_FRAME)
            await stream.send_eof()  # clients wait for it
            with trio.move_on_after(LINGER_SECONDS):
                while await stream.receive_some(HEAD_BYTES):
                    continue
        except trio.BrokenResourceError:
            return  # the client had enough


async def serve(frames: int) -> None:
    """Record, listen, and flood until standard input ends."""
    batches: dict[str, list[list[bytes]]] = {}
    means: dict[str, float] = {}
    for venue, make in SOURCES.items():
        recorded = await record(make(), frames)
        framed = [text_frame(frame) for frame in recorded]
        batches[venue] = [framed[at : at + SENT_AT_ONCE] for at in range(0, frames, SENT_AT_ONCE)]
        means[venue] = sum(map(len, recorded)) / frames
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, partial(flood, batches), 0, host="127.0.0.1"), name="listen"
        )
        answer({"port": listeners[0].socket.getsockname()[1], "bytes": means})
        await LineReader(trio.lowlevel.FdStream(0)).line()
        nursery.cancel_scope.cancel(reason="standard input ended")


@click.command()
@click.option("--frames", type=click.IntRange(min=1), required=True, help="Of each venue.")
def main(frames: int) -> None:
    """Flood until standard input ends."""
    trio.run(serve, frames)


if __name__ == "__main__":
    main()
