"""``hyperstream simulate exchange``: what it prints, and that the daemon understands it."""

import io
import re
import signal

import pytest
import trio
from click.testing import CliRunner, Result
from rich.console import Console
from rich.live import Live
from websockets.sync.client import connect

from hyperstream.cli.simulate import command
from hyperstream.cli.venue_narration import PlainVenueNarrator, TerminalVenueNarrator, load, totals
from hyperstream.cli.venue_state import VenueWatch
from hyperstream.config import load_effective
from hyperstream.testing.exchanges import FakeBinance, FakeBybit, FakeVenue
from tests.processes import PATIENCE_SECONDS, printing


def _simulate(*arguments: object) -> Result:
    return CliRunner().invoke(command, ["exchange", *map(str, arguments)])


@pytest.mark.parametrize("venue", ["binance", "hyperliquid", "bybit"])
def test_it_says_where_it_is_and_how_to_point_the_daemon_there(venue: str) -> None:
    result = _simulate(venue, "--seconds", 0, "--trouble", "some")
    assert result.exit_code == 0, result.output
    assert re.search(rf"^{venue} +stream +ws://127\.0\.0\.1:\d+/", result.output, re.MULTILINE)
    overrides = re.findall(r"^  --set (\S+)$", result.output, re.MULTILINE)
    assert load_effective(overrides=overrides, environ={})
    assert any(line.startswith(f"feeds.{venue}.url=ws://127.0.0.1:") for line in overrides)
    assert result.output.splitlines()[-1].startswith("stopped after 0.")


def test_the_markets_named_are_those_there_are() -> None:
    output = _simulate("binance", "--seconds", 0, "--symbols", "ETHUSDT, DOGEUSDT").output
    assert "feeds.binance.symbols=ETHUSDT,DOGEUSDT" in output


def test_a_bad_certificate_is_spoken_over_tls() -> None:
    output = _simulate("bybit", "--seconds", 0, "--bad-certificate").output
    assert "feeds.bybit.url=wss://127.0.0.1:" in output
    assert "feeds.bybit.rest_url=https://127.0.0.1:" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["kraken"],
        [],
        ["binance", "--symbols", "BTC"],
        ["binance", "--symbols", "BTCUSDT,BTCUSDT"],
        ["hyperliquid", "--symbols", "A/B"],
        ["bybit", "--trouble", "lots"],
        ["bybit", "--rate", "0"],
        ["bybit", "--port", "70000"],
    ],
)
def test_bad_usage_exits_with_2(arguments: list[str]) -> None:
    assert _simulate(*arguments).exit_code == 2


def test_a_port_that_is_taken_exits_with_1_and_a_sentence() -> None:
    async def busy() -> Result:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            port = listener.socket.getsockname()[1]
            return await trio.to_thread.run_sync(lambda: _simulate("binance", "--port", port))

    result = trio.run(busy)
    assert result.exit_code == 1
    assert "in use" in result.output


def test_a_client_is_served_and_told_of_and_a_signal_ends_it_cleanly() -> None:
    arguments = ["simulate", "exchange", "bybit", "--rate", "500", "--symbols", "BTCUSDT"]
    with printing(*arguments) as (process, lines):
        url = next(lines).split()[-1]
        with connect(url, open_timeout=30, proxy=None) as websocket:
            websocket.send('{"op":"subscribe","args":["orderbook.50.BTCUSDT"]}')
            assert '"success":true' in str(websocket.recv(timeout=30))
            assert '"snapshot"' in str(websocket.recv(timeout=30))
            assert '"delta"' in str(websocket.recv(timeout=30))
            for line in lines:  # news are looked for twice a second
                if "follows" in line:
                    assert line == "client 1 follows orderbook.50.BTCUSDT\n"
                    break
        process.send_signal(signal.SIGTERM)
        output = lines.read()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert output.splitlines()[-1].startswith("stopped after ")


class _Client:
    """The least that news are made of: a session that exists."""

    def __init__(self, number: int, *names: str) -> None:
        self.number = number
        self.topics = dict.fromkeys(names)
        self.question = type("Question", (), {"peer": "10.0.0.1", "path": "/stream"})


def _come(fake: FakeVenue, *clients: _Client) -> None:
    fake.sessions[:] = clients  # type: ignore[assignment]


def test_news_are_told_once() -> None:
    fake = FakeBinance()
    watch = VenueWatch(fake)
    assert watch.news() == []
    names = [f"btcusdt@s{number}" for number in range(6)]
    _come(fake, _Client(1, *names), _Client(2))
    assert watch.news() == [
        "client 1 connected from 10.0.0.1 to /stream",
        "client 1 follows btcusdt@s0, btcusdt@s1, btcusdt@s2, btcusdt@s3 and 2 more",
        "client 2 connected from 10.0.0.1 to /stream",
    ]
    assert watch.news() == []
    _come(fake, _Client(1, *names[:5], "new"))
    assert watch.news() == ["client 1 follows new", "client 1 leaves btcusdt@s5", "client 2 is gone"]
    fake.statistics.expelled_sessions += 1
    fake.trouble.done("skipped_update", 3, "spot btcusdt@depth")
    fake.trouble.done("lost_ack")
    assert watch.news() == [
        "1 client broke a rule or stayed too long, and had to go",
        "trouble: skipped update spot btcusdt@depth (3)",
        "trouble: lost ack",
    ]


def test_more_trouble_than_is_kept_is_no_trouble() -> None:
    fake = FakeBinance()
    watch = VenueWatch(fake)
    for _ in range(25_000):
        fake.trouble.done("reset")
    assert len(watch.news()) == 10_000
    assert watch.news() == []
    assert fake.trouble.counts["reset"] == 25_000


def test_the_state_has_rates_since_the_last_look() -> None:
    fake = FakeBinance(symbols=("BTCUSDT",))
    watch = VenueWatch(fake)
    for sent, expected in ((100, 50.0), (20, 10.0)):
        fake.statistics.messages_sent += sent
        fake.step(2_000)
        state = watch.state()
        assert state.messages_per_second == expected
    assert (state.seconds, state.messages) == (4.0, 120)
    assert [line.label for line in state.markets] == ["spot BTCUSDT", "futures BTCUSDT"]
    truth = fake.truth("BTCUSDT", "futures")
    line = state.markets[1]
    assert (line.bid, line.ask, line.last) == (truth.bids[0][0], truth.asks[0][0], truth.last_price)


def test_a_pipe_gets_lines() -> None:
    out = io.StringIO()
    narrator = PlainVenueNarrator(out)
    fake = FakeBybit(symbols=("BTCUSDT",))
    watch = VenueWatch(fake)
    narrator.news("client 1 is gone")
    fake.trouble.done("reset", 2)
    narrator.progress(watch.state())
    narrator.summary(watch.state())
    news, progress, summary = out.getvalue().splitlines()
    assert news == "client 1 is gone"
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  0 clients  0 streams  0 messages/s  trouble: 2"
        r"  spot BTCUSDT \S+/\S+  linear BTCUSDT \S+/\S+",
        progress,
    )
    assert summary == "stopped after 0.0 s: 0 messages, 0 requests, 0 clients expelled; trouble: reset 2"
    assert load(watch.state()) in progress
    assert totals(watch.state()) == summary


def test_a_terminal_gets_a_table_and_the_newest_events() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40)
    fake = FakeBinance()
    watch = VenueWatch(fake)
    with Live(console=console, auto_refresh=False) as live:
        narrator = TerminalVenueNarrator(console, live)
        for number in range(20):
            narrator.news(f"client {number} is gone")
        narrator.news("trouble: stall")
        fake.step(1_000)
        state = watch.state()
        picture = narrator.picture(state).plain.splitlines()
        narrator.progress(state)
        narrator.summary(state)
    assert picture[0].startswith("binance  ")
    assert picture[1].split() == ["market", "bid", "ask", "last", "change", "trades/min"]
    assert [row.split()[:2] for row in picture[2:8]] == [
        [product, symbol] for product in ("spot", "futures") for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    ]
    assert len(picture) == 8 + 8
    assert picture[-2:] == ["client 19 is gone", "trouble: stall"]
    assert "stopped after 1.0 s" in out.getvalue()


def test_many_markets_are_cut_and_said_to_be() -> None:
    fake = FakeBybit(
        symbols=[f"{name}USDT" for name in ("A1", "B1", "C1", "D1", "E1", "F1", "G1", "H1", "I1", "J1", "K1")]
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with Live(console=console, auto_refresh=False) as live:
        picture = TerminalVenueNarrator(console, live).picture(VenueWatch(fake).state()).plain.splitlines()
    assert picture[-1] == "… and 2 markets more"
    assert "trades/min" not in picture[1]
