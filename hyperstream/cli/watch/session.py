"""One run of ``hyperstream watch``: output, subscription, and the ways it ends."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

import click
import trio
from attrs import define, frozen
from rich.console import Console

from hyperstream.cli.views.view import View
from hyperstream.cli.watch.following import Follower, Subscribe
from hyperstream.cli.watch.output import Countdown, EnoughError, LineOutput, ScreenOutput, draw
from hyperstream.config import LogSettings
from hyperstream.errors import ConfigurationError, HyperstreamError, RpcError
from hyperstream.logs import set_up

OK, FAILED, USAGE = 0, 1, 2


@frozen
class Choices:
    """What the command line said that is the same for every topic."""

    target: str
    as_json: bool = False
    is_full: bool = False
    reconnect: bool | None = None
    count: int | None = None
    seconds: float | None = None


@define(eq=False)
class Session:
    """A view of a subscription, shown as the choices and the terminal ask for."""

    choices: Choices
    view: View
    subscribe: Subscribe
    console: Console
    stream: BinaryIO
    does_resume: bool = False
    clock_ns: Callable[[], int] = time.time_ns

    async def run(self) -> int:
        """Show the subscription until it ends; return the exit code."""
        is_screen = (
            not self.choices.as_json and self.console.is_terminal and not self.console.is_dumb_terminal
        )
        reconnect = self.choices.reconnect
        if reconnect is None and not is_screen:
            reconnect = False
        countdown = Countdown(self.choices.count)
        output: ScreenOutput | LineOutput
        if is_screen:
            output = ScreenOutput(self.view, countdown, self.clock_ns)
        else:
            output = LineOutput(
                self.view,
                self.stream,
                countdown,
                self.choices.as_json,
                self.choices.is_full,
                self.clock_ns,
            )
        follower = Follower(
            self.choices.target,
            self.subscribe,
            output.receive,
            self.view.feed,
            self._on_lost if is_screen else self._on_lost_aloud,
            reconnect,
            self.does_resume,
            self.clock_ns,
        )
        logs = io.StringIO()
        set_up(LogSettings(level="warning"), stream=logs if is_screen else sys.stderr)
        self.view.started_ns = self.clock_ns()
        trouble = None
        try:
            await self._run_until_end(follower, is_screen)
        except HyperstreamError as error:
            trouble = error
        finally:
            if is_screen:
                set_up(LogSettings(level="warning"))
                sys.stderr.write(logs.getvalue())
        if not self.choices.as_json and self.view.feed.since_ns:
            click.echo(self.view.summary(self.clock_ns()), err=not is_screen)
        if trouble is None:
            return OK
        click.echo(f"Error: {trouble.message if isinstance(trouble, RpcError) else trouble}", err=True)
        return USAGE if isinstance(trouble, ConfigurationError) else FAILED

    async def _run_until_end(self, follower: Follower, is_screen: bool) -> None:
        outcome: list[HyperstreamError] = []
        with trio.move_on_after(float("inf") if self.choices.seconds is None else self.choices.seconds):
            async with trio.open_nursery() as nursery:

                async def follow() -> None:
                    try:
                        await follower.run()
                    except HyperstreamError as error:
                        outcome.append(error)
                    except EnoughError:
                        pass
                    except BrokenPipeError:
                        _discard_output()
                    nursery.cancel_scope.cancel(reason="the subscription is over")

                nursery.start_soon(end_on_signal, nursery.cancel_scope, name="signals")
                nursery.start_soon(follow, name="subscription")
                if is_screen:
                    nursery.start_soon(draw, self.view, self.console, self.clock_ns, name="screen")
        if outcome:
            raise outcome[0]

    def _on_lost(self) -> None:
        self.view.expect_fresh_start()

    def _on_lost_aloud(self) -> None:
        self.view.expect_fresh_start()
        click.echo("Connection lost; trying again.", err=True)


async def end_on_signal(scope: trio.CancelScope) -> None:
    """Cancel the scope at SIGINT or SIGTERM: the user has seen enough, which is no failure."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel(reason="a signal asked to end")


def _discard_output() -> None:
    """Send what Python still flushes at exit nowhere: the reader of the pipe has gone."""
    try:
        descriptor = sys.stdout.fileno()
    except (io.UnsupportedOperation, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
