"""``hyperstream replay``: recorded node files through the daemon, in one process."""

import sys
import tempfile
from functools import partial
from pathlib import Path

import attrs
import click
import trio

from hyperstream.app import Daemon
from hyperstream.cli.exits import DRAINED, FAILED, load_or_exit, run_to_exit_code, set_option
from hyperstream.cli.narration import MarketSummary, Narrator, State, Summary, narration
from hyperstream.config import FeedsSettings, HttpSettings, ListenAddress, Settings, WebSocketSettings
from hyperstream.engine.engine import EngineStatistics
from hyperstream.engine.live_market import LiveMarket
from hyperstream.errors import ConfigurationError, SnapshotError
from hyperstream.logs import set_up
from hyperstream.sources.node.tail import LATE_SECONDS
from hyperstream.testing.player import Player
from hyperstream.testing.recording import LAYOUTS, Recording, Source

# A recording is played while no node is there to be asked: nothing listens at this address.
_NO_INFO_SERVER = "http://127.0.0.1:9/info"
_LACKS: dict[Source, str] = {"fills": "there are no trades", "statuses": "orders have no attributes"}
_STALL_SECONDS = 10.0
_LOOK_SECONDS = 0.02


class _Listen(click.ParamType[ListenAddress]):
    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> ListenAddress:
        if isinstance(value, ListenAddress):
            return value
        try:
            return ListenAddress.parse(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


@click.command("replay")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--speed",
    type=click.FloatRange(min=0, max=1_000_000),
    default=1.0,
    show_default=True,
    help="Times the recording's pace; 0 is as fast as it goes.",
)
@click.option("--layout", type=click.Choice(LAYOUTS), help="Which recording to play where both are there.")
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="L4 snapshot to start from, .gz or not.  [default: snapshot*.json in DIR or above it]",
)
@click.option(
    "--listen",
    type=_Listen(),
    default="127.0.0.1:0",
    show_default=True,
    help="Where to serve gRPC; port 0 takes a free one.",
)
@click.option("--hold", is_flag=True, help="Keep serving after the last block, until Ctrl-C.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a book is doubtful at the end.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object per line.")
@set_option
def command(
    directory: Path,
    speed: float,
    layout: str | None,
    snapshot: Path | None,
    listen: ListenAddress,
    hold: bool,
    strict: bool,
    is_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Play recorded node files from DIR through the daemon, and say what the books came to.

    DIR is a copy of a node's data directory, or holds one in the folders by_block or streaming; hourly
    files may be gzipped. They are appended to a temporary directory block by block, and the daemon tails
    that directory as it would the node's. Troubles are in the summary; --set log.level=info tells them as
    they happen.

    \b
    Example:  hyperstream replay recordings/monday --speed 10
              hyperstream replay recordings/monday --speed 0 --strict --json
    """
    settings = load_or_exit(None, ("log.level=error", *overrides)).settings
    try:
        recording = Recording.find(directory, layout=layout, snapshot=snapshot)
    except ConfigurationError as exc:
        raise click.UsageError(str(exc)) from exc
    with narration(is_json=is_json) as (narrator, log_stream):
        set_up(settings.log, stream=log_stream)
        replay = Replay(
            recording=recording,
            speed=speed,
            is_held=hold,
            is_strict=strict,
            settings=attrs.evolve(_on_free_ports(settings), grpc=attrs.evolve(settings.grpc, listen=listen)),
            narrator=narrator,
        )
        if recording.other_layouts and layout is None:
            narrator.note(
                f"playing {recording.layout}; --layout {recording.other_layouts[0]} is there as well"
            )
        code = run_to_exit_code(replay.run)
    sys.exit(code)


@attrs.define(eq=False)
class Replay:
    """One recording played through one daemon, both in this process. ``run`` returns the exit code."""

    recording: Recording
    speed: float
    is_held: bool
    is_strict: bool
    settings: Settings
    narrator: Narrator
    _began_at: float = attrs.field(default=0.0, init=False)
    _summary: Summary | None = attrs.field(default=None, init=False)

    async def run(self) -> int:
        """Play, wait until the daemon has applied everything, sum up, drain."""
        with tempfile.TemporaryDirectory(prefix="hyperstream-replay-") as name:
            snapshot = self.recording.snapshot
            if snapshot is None:
                self.narrator.note(
                    "no snapshot beside the recording: books begin empty, and markets are doubtful as soon "
                    "as an order changes that was there before"
                )
            for source, lack in _LACKS.items():
                if source not in self.recording.files:
                    self.narrator.note(f"no {source} in the recording: {lack}")
            player = Player(self.recording, Path(name), self.speed)
            player.prepare()
            node = attrs.evolve(
                self.settings.node,
                enabled=True,
                data_dir=player.data_dir,
                layout=self.recording.layout,
                info_url=_NO_INFO_SERVER,
                snapshot=str(snapshot.absolute()) if snapshot is not None else "none",
                snapshot_file=None,
            )
            daemon = Daemon(attrs.evolve(self.settings, node=node, feeds=FeedsSettings.none()))
            async with trio.open_nursery() as nursery:
                async with trio.open_nursery() as serving:
                    addresses = await serving.start(partial(daemon.run, obey_signals=True), name="daemon")
                    address = str(ListenAddress(*addresses.grpc))
                    self.narrator.listening(address, f"{self.recording.layout} of {self.recording.place}")
                    nursery.start_soon(self._play, daemon, player, name="play")
                nursery.cancel_scope.cancel(reason="the daemon has ended")
        return self._exit_code(daemon.lifecycle.exit_code())

    async def _play(self, daemon: Daemon, player: Player) -> None:
        self._began_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_progress, daemon, player, name="progress")
            await wait_for_tails(daemon, player)
            await player.run()
            is_caught_up = await self._catch_up(daemon, player)
            if player.unreadable_lines and self.recording.layout == "streaming":
                # That a torn line was lost shows only when its file is given up.
                await trio.sleep(LATE_SECONDS + 1.0)
                is_caught_up = is_caught_up and await self._catch_up(daemon, player)
            nursery.cancel_scope.cancel(reason="the recording has ended")
        self.narrator.progress(self._state(daemon, player))
        if hole := hole_after_snapshot(player, daemon.statistics().node.snapshot.height):
            self.narrator.note(hole)
        self._summary = self._sum_up(daemon, player, is_caught_up=is_caught_up)
        self.narrator.summary(self._summary)
        if self.is_held:
            self.narrator.note("Serving on; Ctrl-C ends it.")
        else:
            daemon.drain("the recording has ended")

    async def _tell_progress(self, daemon: Daemon, player: Player) -> None:
        while True:
            await trio.sleep(self.narrator.progress_seconds)
            self.narrator.progress(self._state(daemon, player))

    async def _catch_up(self, daemon: Daemon, player: Player) -> bool:
        """Wait until the daemon has taken all that was played; False if it stands still before that."""
        seen: object = None
        changed_at = trio.current_time()
        while True:
            everything = daemon.statistics()
            statistics = everything.engine
            if has_everything(statistics, player, everything.node.snapshot.height or 0):
                return True
            now = trio.current_time()
            mark = (statistics.is_ready, statistics.blocks, statistics.orders, statistics.positions)
            if mark != seen:
                seen, changed_at = mark, now
            elif now - changed_at > _STALL_SECONDS:
                return False
            await trio.sleep(_LOOK_SECONDS)

    def _state(self, daemon: Daemon, player: Player) -> State:
        engine = daemon.statistics().engine
        seconds = trio.current_time() - self._began_at
        return State(
            part=min(1.0, player.bytes_read / max(1, self.recording.size_bytes)),
            blocks=engine.blocks,
            blocks_per_second=engine.blocks / seconds if seconds > 0 else 0.0,
            played_height=player.height,
            height=engine.height,
            doubtful=len(engine.doubtful),
        )

    def _sum_up(self, daemon: Daemon, player: Player, *, is_caught_up: bool) -> Summary:
        statistics = daemon.statistics()
        engine = statistics.engine
        return Summary(
            seconds=trio.current_time() - self._began_at,
            blocks=player.blocks,
            events=player.events,
            unreadable_lines=player.unreadable_lines,
            played_height=player.height,
            height=engine.height,
            is_caught_up=is_caught_up,
            markets=tuple(summarize(market) for _, market in sorted(daemon.engine.markets.items())),
            counts=engine.counts,
            problem=player.problem,
            snapshot_height=statistics.node.snapshot.height,
        )

    def _exit_code(self, daemon_code: int) -> int:
        if daemon_code != DRAINED or self._summary is None:
            return daemon_code
        is_incomplete = self._summary.is_nothing or not self._summary.is_caught_up
        is_failed = is_incomplete or (self.is_strict and not self._summary.is_sound)
        return FAILED if is_failed else DRAINED


def _on_free_ports(settings: Settings) -> Settings:
    """The gateway and the pages on free ports, if nobody chose others: a daemon may be running here."""
    free = ListenAddress("127.0.0.1", 0)
    gateway, pages = settings.websocket, settings.http
    if gateway.listen == WebSocketSettings().listen:
        gateway = attrs.evolve(gateway, listen=free)
    if pages.listen == HttpSettings().listen:
        pages = attrs.evolve(pages, listen=free)
    return attrs.evolve(settings, websocket=gateway, http=pages)


async def wait_for_tails(daemon: Daemon, player: Player) -> None:
    """Wait until the daemon knows from where to read every source, so that no line is before that.

    Raises SnapshotError if it cannot use the snapshot: it would ask for another one for ever.
    """
    while True:
        node = daemon.statistics().node
        if len(node.sources) == len(player.recording.files):
            return
        if node.snapshot.last_error:
            place, problem = str(player.recording.snapshot), node.snapshot.last_error
            raise SnapshotError(problem if place in problem else f"{place}: {problem}")
        await trio.sleep(_LOOK_SECONDS)


def has_everything(engine: EngineStatistics, player: Player, snapshot_height: int) -> bool:
    """Whether the engine has seen the last block played of every source, unless its snapshot holds that."""
    return engine.is_ready and all(
        source in engine.positions and engine.positions[source].height >= height
        for source, height in player.heights.items()
        if height > snapshot_height
    )


def hole_after_snapshot(player: Player, snapshot_height: int | None) -> str:
    """Say what may be missing between the snapshot and a recording in the streaming layout; mostly nothing.

    There a block without events has no line, so the daemon takes lines that are missing for such blocks.
    """
    first = player.first_heights.get("diffs", 0)
    if player.recording.layout == "by_block" or snapshot_height is None or first <= snapshot_height + 1:
        return ""
    return (
        f"the snapshot stands at block {snapshot_height}, the recorded diffs begin with {first}: if a block "
        "between them had any, the books are wrong; record from before the snapshot on"
    )


def summarize(market: LiveMarket) -> MarketSummary:
    """Return how a market stands."""
    bids, asks = market.book.sides()
    bid, ask = bids.best, asks.best
    return MarketSummary(
        symbol=market.symbol,
        best_bid=bid.price if bid is not None else None,
        best_ask=ask.price if ask is not None else None,
        orders=market.book.order_count,
        doubt=market.doubt,
    )
