"""What a crowd does at one moment is dealt with a few peers at a time, so that a block comes in between."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trio
import trio.testing

from hyperstream.servers.door.listener import BATCH
from hyperstream.servers.door.turnstile import MOST

from .raw_peer import TEXT, frame, request
from .serving import serving, wait_until

CROWD = 60
PINGED = frame(TEXT, b'{"method":"ping"}')
PONGED = frame(TEXT, b'{"channel":"pong"}', masked=False)


class PassLog(trio.abc.Instrument):
    """A figure, each time Trio has run all tasks that could go on."""

    def __init__(self, figure: Callable[[], int]) -> None:
        self._figure = figure
        self.figures = [figure()]

    def before_io_wait(self, timeout: float) -> None:
        self.figures.append(self._figure())

    @property
    def most_in_a_pass(self) -> int:
        """The greatest difference between a pass and the next."""
        return max(
            abs(after - before)
            for before, after in zip([self.figures[0], *self.figures], self.figures, strict=False)
        )


@contextmanager
def watching(figure: Callable[[], int]) -> Iterator[PassLog]:
    log = PassLog(figure)
    trio.lowlevel.add_instrument(log)
    try:
        yield log
    finally:
        trio.lowlevel.remove_instrument(log)


def connect(stack: ExitStack, port: int) -> list[socket.socket]:
    return [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CROWD)]


async def test_a_crowd_comes_and_goes_a_few_at_a_time(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:

        def connections() -> int:
            return served.server.statistics().connections

        with ExitStack() as stack:
            with watching(connections) as arrivals:
                for peer in connect(stack, served.port):
                    peer.sendall(b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgr")
                await wait_until(lambda: connections() == CROWD)
            await trio.testing.wait_all_tasks_blocked()
            stack.close()
            with watching(connections) as departures:
                await wait_until(lambda: connections() == 0)
    assert arrivals.most_in_a_pass <= BATCH
    assert departures.most_in_a_pass <= 2 * MOST


async def test_handshakes_of_a_crowd_are_made_a_few_at_a_time(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:

        def sessions() -> int:
            return served.server.counts["sessions"]

        with ExitStack() as stack:
            peers = connect(stack, served.port)
            await wait_until(lambda: served.server.statistics().connections == CROWD)
            await trio.testing.wait_all_tasks_blocked()
            with watching(sessions) as log:
                for peer in peers:
                    peer.sendall(request())
                await wait_until(lambda: sessions() == CROWD)
    assert log.most_in_a_pass <= 2 * MOST


async def test_what_a_crowd_asks_for_is_answered_a_few_at_a_time(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with ExitStack() as stack:
            peers = connect(stack, served.port)
            for peer in peers:
                peer.sendall(request())
            await wait_until(lambda: served.server.counts["sessions"] == CROWD)
            await trio.testing.wait_all_tasks_blocked()
            sessions = list(served.server.sessions)

            def answered() -> int:
                return sum(session.transport.bytes_sent for session in sessions)

            before = answered()
            with watching(answered) as log:
                for peer in peers:
                    peer.sendall(PINGED)
                await wait_until(lambda: log.figures[-1] - before == CROWD * len(PONGED))
    assert log.most_in_a_pass <= 2 * MOST * len(PONGED)
