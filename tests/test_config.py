"""Settings: layers and their order, every check, every message, and what is written out from them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.config import GrpcSettings, ListenAddress, NodeSettings, Settings, load, load_effective
from hyperstream.errors import ConfigurationError
from hyperstream.settings.catalogue import catalogue


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes hyperstream.toml and returns its path."""

    def write_text(text: str) -> Path:
        path = tmp_path / "hyperstream.toml"
        path.write_text(text)
        return path

    return write_text


def problems(
    path: Path | None = None, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None
) -> list[str]:
    """Return the lines of the error that loading must raise."""
    with pytest.raises(ConfigurationError) as caught:
        load(path, overrides=overrides, environ=environ or {})
    return str(caught.value).splitlines()


def the_problem(*overrides: str) -> str:
    """Return the one line that is wrong with these overrides."""
    (line,) = problems(overrides=overrides)
    return line


# -- layers ---------------------------------------------------------------------------------


def test_nothing_given_is_the_defaults() -> None:
    assert load(environ={}) == Settings()


def test_every_default_passes_its_own_check() -> None:
    for entry in catalogue(Settings()).values():
        default = entry.default
        if default is not None:
            given_as = list(default) if isinstance(default, tuple) else default
            plain = given_as if isinstance(given_as, bool | int | float | list) else str(given_as)
            assert entry.about.kind.parse(plain, Path("/")) == default, entry.name


def test_file_then_environment_then_set(write: Any) -> None:
    path = write('[grpc]\nlisten = "127.0.0.1:1"\nmax_message_bytes = 2000\n[lifecycle]\ndrain_seconds = 1\n')
    environ = {"HYPERSTREAM_GRPC__LISTEN": "127.0.0.1:2", "HYPERSTREAM_GRPC__MAX_MESSAGE_BYTES": "3000"}
    settings = load(path, overrides=["grpc.listen=127.0.0.1:3"], environ=environ)
    assert settings.grpc.listen.port == 3
    assert settings.grpc.max_message_bytes == 3000
    assert settings.lifecycle.drain_seconds == 1.0


def test_the_last_override_of_a_key_wins() -> None:
    assert load(overrides=["log.level=debug", "log.level=error"], environ={}).log.level == "error"


def test_hyperstream_config_names_the_file_and_an_argument_beats_it(write: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('[log]\nlevel = "debug"\n')
    environ = {"HYPERSTREAM_CONFIG": str(other)}
    assert load(environ=environ).log.level == "debug"
    assert load(write('[log]\nlevel = "error"\n'), environ=environ).log.level == "error"


def test_origins_are_told(write: Any) -> None:
    path = write("[node]\nenabled = false\n")
    origins = load_effective(
        path, overrides=["log.level=debug"], environ={"HYPERSTREAM_LOG__FORMAT": "json"}
    ).origins
    assert origins == {
        "node.enabled": str(path),
        "log.format": "environment variable HYPERSTREAM_LOG__FORMAT",
        "log.level": "--set log.level=debug",
    }


def test_variables_of_others_with_our_prefix_are_left_alone() -> None:
    environ = {"HYPERSTREAM_SERVICE_HOST": "10.0.0.1", "HYPERSTREAM_PORT_50051_TCP": "x"}
    assert load(environ=environ) == Settings()


def test_a_variable_with_one_underscore_too_few_is_told() -> None:
    (line,) = problems(environ={"HYPERSTREAM_NODE_DATA_DIR": "/x"})
    assert "did you mean HYPERSTREAM_NODE__DATA_DIR?" in line


# -- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("node.markets=BTC", ("BTC",)),
        ("node.markets=BTC, @107,PURR/USDC", ("BTC", "@107", "PURR/USDC")),
        ('node.markets=["xyz:XYZ100", "BTC"]', ("xyz:XYZ100", "BTC")),
        ("node.markets=*", ("*",)),
        ("node.enabled=false", False),
        ("node.channel_blocks=7", 7),
        ("node.quiet_seconds=1", 1.0),
        ("node.quiet_seconds=1e-2", 0.01),
        ("node.data_dir=/srv/a=b", Path("/srv/a=b")),
        ('node.data_dir="/srv/x y"', Path("/srv/x y")),
        ("node.data_dir=/2026", Path("/2026")),
        ("node.snapshot=none", "none"),
        ("node.snapshot=/srv/l4.json", "/srv/l4.json"),
        ("node.info_url=http://node:3001/info", "http://node:3001/info"),
        ("grpc.listen=[::1]:0", ListenAddress("::1", 0)),
        ("grpc.listen=localhost:50051", ListenAddress("localhost", 50051)),
        ("node.layout=streaming", "streaming"),
    ],
)
def test_texts_become_values(override: str, expected: object) -> None:
    section, key = override.split("=")[0].split(".")
    value = getattr(getattr(load(overrides=[override], environ={}), section), key)
    assert value == expected
    assert type(value) is type(expected)


def test_home_and_relative_paths(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/trader")
    path = write('[node]\ndata_dir = "data"\nsnapshot = "~/l4.json"\n')
    node = load(path, environ={}).node
    assert node.data_dir == tmp_path / "data", "relative to the file"
    assert node.snapshot == "/home/trader/l4.json"
    monkeypatch.chdir(tmp_path)
    assert load(overrides=["node.data_dir=here"], environ={}).node.data_dir == tmp_path / "here"
    assert NodeSettings().data_dir == Path("/home/trader/hl/data")


def test_the_snapshot_is_written_into_the_data_directory_by_default() -> None:
    assert NodeSettings(data_dir=Path("/srv")).snapshot_output == Path("/srv/hyperstream_l4_snapshot.json")
    assert NodeSettings(snapshot_file=Path("/shared/x")).snapshot_output == Path("/shared/x")


def test_code_may_write_an_address_as_text() -> None:
    assert GrpcSettings(listen="127.0.0.1:0").listen == ListenAddress("127.0.0.1", 0)
    assert str(ListenAddress("::1", 5)) == "[::1]:5"


@given(st.ip_addresses().map(str), st.integers(0, 65535))
def test_an_address_is_read_as_it_is_written(host: str, port: int) -> None:
    address = ListenAddress(host, port)
    assert ListenAddress.parse(str(address)) == address


def test_a_section_within_a_section_is_set_like_any_other(write: Any) -> None:
    path = write('[feeds.binance]\nenabled = false\nurl = "ws://a/"\n[feeds]\nbybit.enabled = false\n')
    environ = {"HYPERSTREAM_FEEDS__BINANCE__URL": "ws://b/stream"}
    feeds = load(path, overrides=["feeds.hyperliquid.coins=SOL,@107"], environ=environ).feeds
    assert (feeds.binance.enabled, feeds.bybit.enabled, feeds.hyperliquid.enabled) == (False, False, True)
    assert feeds.binance.url == "ws://b/stream"
    assert feeds.hyperliquid.coins == ("SOL", "@107")


@pytest.mark.parametrize("override", ["feeds.hyperliquid.coins=", "feeds.hyperliquid.coins=[]"])
def test_a_feed_may_follow_nothing_until_somebody_asks(write: Any, override: str) -> None:
    assert load(overrides=[override]).feeds.hyperliquid.coins == ()
    feeds = load(write("[feeds.binance]\nsymbols = []\n[feeds.hyperliquid]\ncoins = []\n")).feeds
    assert (feeds.binance.symbols, feeds.hyperliquid.coins) == ((), ())


@pytest.mark.parametrize("override", ["node.markets=", "feeds.binance.symbols=BTCUSDT,,ETHUSDT"])
def test_a_list_that_needs_words_is_refused_without_them(override: str) -> None:
    (line,) = problems(overrides=(override,))
    assert "must be a list of symbols" in line


def test_a_group_of_sections_is_a_table_of_tables(write: Any) -> None:
    path = write('[feeds]\nbinance = 1\nbogus = 2\n[feeds.kraken]\nurl = "x"\n[feeds.bybit]\ncolour = 1\n')
    lines = problems(path)
    assert "feeds.binance must be a table ([feeds.binance]), not 1" in lines[0]
    assert "feeds.bogus is not a setting" in lines[1]
    assert "[feeds.kraken] is not a setting" in lines[2]
    assert "feeds.bybit.colour is not a setting; [feeds.bybit] has enabled, url" in lines[3]


def test_a_variable_of_a_section_within_a_section_with_an_underscore_too_few_is_told() -> None:
    (line,) = problems(environ={"HYPERSTREAM_FEEDS_BYBIT_URL": "/x"})
    assert "did you mean HYPERSTREAM_FEEDS__BYBIT__URL?" in line


# -- problems -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("node.enabled=1", "node.enabled must be true or false, not 1"),
        ("node.channel_blocks=true", "must be an integer from 1 to 100000, not true"),
        ("node.channel_blocks=1.0", "must be an integer from 1 to 100000, not 1.0"),
        ("node.channel_blocks=0", "not 0"),
        ("node.quiet_seconds=false", "must be a number from 0.001 to 10.0, not false"),
        ("node.quiet_seconds=nan", "not nan"),
        ("lifecycle.drain_seconds=inf", "not inf"),
        ("lifecycle.drain_seconds=-1", "not -1"),
        ("lifecycle.drain_seconds=soon", 'not the string "soon"'),
        (
            "node.layout=per_event",
            'must be one of "auto", "by_block", "streaming", not the string "per_event"',
        ),
        ("node.data_dir=", "must be a path"),
        ("node.markets=", "must be a list of symbols"),
        ("node.markets=[1]", "must be a list of symbols"),
        ("node.markets=[]", "must be a list of symbols"),
        ("node.info_url=localhost:3001", "must be an http:// or https:// URL"),
        ("node.info_url=http://", "must be an http:// or https:// URL"),
        ("node.info_url=http://a:99999/", "must be an http:// or https:// URL"),
        ("feeds.bybit.url=https://a/", "must be a ws:// or wss:// URL"),
        ("feeds.bybit.url=wss://", "must be a ws:// or wss:// URL"),
        ("feeds.binance.trades=all", 'must be one of "trade", "aggTrade"'),
        ("grpc.listen=50051", "must be HOST:PORT"),
        ("grpc.listen=:50051", "must name the host to listen on, as in 127.0.0.1:50051"),
        ("grpc.listen=a:70000", "with a port of 0 to 65535"),
        ("grpc.listen=a:²", "with a port of 0 to 65535"),
        ("grpc.listen=::1:50051", "in brackets, as in [::1]:50051"),
        ("grpc.listen=[nope]:1", "must have an IPv6 address between the brackets"),
        ("node.data_dir", "must be KEY=VALUE"),
        ("node.data_dir=~nobody-of-this-name/x", "must name a home directory that exists"),
    ],
)
def test_impossible_values_say_where_what_and_what_instead(override: str, expected: str) -> None:
    line = the_problem(override)
    assert line.startswith(f"--set {override}: ")
    assert expected in line


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("node.data_dri", "did you mean node.data_dir?"),
        ("grpc.data_dir", "did you mean node.data_dir?"),
        ("data_dir", "did you mean node.data_dir?"),
        ("nod.data_dir", "did you mean node.data_dir?"),
        ("lifecycle.qqq", "[lifecycle] has drain_seconds"),
        ("zzz.yyy", "the sections are feeds.binance, feeds.binance_futures, "),
        ("feeds.binance.ulr", "did you mean feeds.binance.url?"),
        ("feeds.binanse.url", "did you mean feeds.binance.url?"),
        ("feeds.binance", "it is a section, name a key of it as in feeds.binance.enabled"),
        ("feeds", "it is a section, name a key of it as in feeds.binance.enabled"),
        ("grpc", "it is a section"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_name(name: str, guess: str) -> None:
    line = the_problem(f"{name}=1")
    assert f"{name} is not a setting" in line
    assert guess in line


def test_all_problems_are_told_at_once(write: Any) -> None:
    path = write('node = 3\n[grcp]\nlisten = "x"\n[log]\nlevel = "loud"\nlevle = "info"\n')
    lines = problems(path, ("node.layout=x",), {"HYPERSTREAM_LOG__FORMAT": "xml"})
    assert [line.split(": ")[0] for line in lines] == [str(path)] * 4 + [
        "environment variable HYPERSTREAM_LOG__FORMAT",
        "--set node.layout=x",
    ]
    assert "node must be a table ([node]), not 3" in lines[0]
    assert "[grcp] is not a setting; did you mean grpc?" in lines[1]
    assert "did you mean log.level?" in lines[3]


def test_a_wrong_value_in_the_file_is_told_even_where_it_is_overridden(write: Any) -> None:
    (line,) = problems(write("[node]\nenabled = 1\n"), ("node.enabled=true",))
    assert "node.enabled must be true or false, not 1" in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "there is no such file"),
        (b"[node\n", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    (line,) = problems(path)
    assert line.startswith(f"{path}: {expected}")


def test_a_directory_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (line,) = problems(tmp_path)
    assert "cannot be read" in line


def test_an_override_cannot_smuggle_a_second_key_in() -> None:
    assert "log.level must be one of" in the_problem('log.level="info"\nother = 1')


@given(st.sampled_from(list(catalogue(Settings()))), st.text())
def test_any_text_for_a_setting_is_a_value_or_one_problem_that_names_it(name: str, text: str) -> None:
    try:
        load(overrides=[f"{name}={text}"], environ={})
    except ConfigurationError as exc:
        message = str(exc)
    else:
        return
    assert len(message.splitlines()) == 1
    assert name in message


@given(st.text().filter(lambda key: "=" not in key), st.text())
def test_any_other_key_is_one_problem(key: str, text: str) -> None:
    assert len(problems(overrides=(f"x{key}={text}",))) == 1
    assert len(problems(environ={f"HYPERSTREAM_x{key}__x": text})) == 1
