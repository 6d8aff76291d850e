"""What a key's calls use together is charged when they begin and given back when they end."""

from hyperstream.servers.door.keys import KeyLimits
from hyperstream.servers.door.usage import Usage


def test_calls_beyond_the_limit_are_refused_until_one_ends() -> None:
    usage = Usage("desk-1", KeyLimits(streams=2))
    assert [usage.open_stream("c") for _ in range(2)] == ["", ""]
    assert usage.open_stream("c") == "the key 'desk-1' may have 2 calls at a time"
    usage.close_stream("c", 0)
    assert usage.open_stream("c") == ""


def test_connections_are_counted_while_a_call_runs_on_them() -> None:
    usage = Usage("desk-1", KeyLimits(connections=1))
    assert usage.open_stream("one") == usage.open_stream("one") == ""
    assert usage.open_stream("two") == "the key 'desk-1' may use 1 connections at a time"
    usage.close_stream("one", 0)
    assert usage.open_stream("two")
    usage.close_stream("one", 0)
    assert not usage.open_stream("two")


def test_markets_are_charged_all_or_none() -> None:
    usage = Usage("desk-1", KeyLimits(markets=10))
    usage.open_stream("c")
    assert usage.open_markets(7) == ""
    assert "may follow 10 markets at a time: it follows 7, and 4 were asked for" in usage.open_markets(4)
    assert usage.open_markets(3) == ""
    usage.close_stream("c", 10)
    assert usage.markets == 0


def test_sending_waits_when_the_rate_is_used_up() -> None:
    usage = Usage("desk-1", KeyLimits(bytes_per_second=200_000))
    assert usage.has_rate
    assert usage.send(0.0, 200_000) == 0
    assert usage.send(0.0, 100_000) == 0.5
    assert not Usage("desk-2", KeyLimits()).has_rate


def test_new_limits_hold_for_what_comes_then() -> None:
    usage = Usage("desk-1", KeyLimits(streams=1, bytes_per_second=20_000))
    usage.open_stream("c")
    usage.set_limits(KeyLimits(streams=2))
    assert usage.open_stream("c") == ""
    assert not usage.has_rate
