"""SIGHUP: keys and certificates are read again, and nothing that runs is disturbed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import grpc
import pytest

from .contract import SERVICE, message, method
from .program import PATIENCE_SECONDS, Daemon, Program, simulated_node


def new_key(name: str) -> tuple[str, str]:
    """A key made by the program, and its entry for the file."""
    with Program("config", "key", name) as program:
        assert program.wait() == 0
        return program.errors[-1].rpartition(" ")[2].strip(), "".join(program.output)


def markets(channel: grpc.Channel, key: str) -> Any:
    """Ask for the markets with a key."""
    described = method("GetMarkets")
    call = channel.unary_unary(
        f"/{SERVICE}/GetMarkets",
        lambda request: request.SerializeToString(),
        message(described.output_type.name).FromString,
    )
    return call(
        message(described.input_type.name)(),
        metadata=[("authorization", f"Bearer {key}")],
        timeout=PATIENCE_SECONDS,
    )


def test_sighup_reads_keys_again_and_streams_go_on_those_of_revoked_keys_too(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    kept, kept_entry = new_key("kept")
    old, old_entry = new_key("old")
    new, new_entry = new_key("new")
    keys.write_text(kept_entry + old_entry)
    with simulated_node(tmp_path / "data", "--rate", "20") as (_, url):
        settings = {"node.data_dir": tmp_path / "data", "node.info_url": url, "grpc.api_keys": keys}
        with Daemon(settings) as daemon:
            daemon.wait_event("books loaded")
            with grpc.insecure_channel(f"127.0.0.1:{daemon.port()}") as channel:
                described = method("SubscribeBbo")
                call = channel.unary_stream(
                    f"/{SERVICE}/SubscribeBbo",
                    lambda request: request.SerializeToString(),
                    message(described.output_type.name).FromString,
                )
                stream, revoked = (
                    call(
                        message(described.input_type.name)(symbols=["*"]),
                        metadata=[("x-api-key", key)],
                        timeout=PATIENCE_SECONDS,
                    )
                    for key in (kept, old)
                )
                next(stream)
                next(revoked)
                keys.write_text(kept_entry + new_entry)
                daemon.process.send_signal(signal.SIGHUP)
                daemon.wait_event("certificates and keys were read again")
                assert markets(channel, new).markets
                with pytest.raises(grpc.RpcError, match="not known here"):
                    markets(channel, old)
                keys.write_text("nonsense")
                daemon.process.send_signal(signal.SIGHUP)
                daemon.wait_event("certificates and keys stay as they were")
                assert markets(channel, new).markets
                for _ in range(5):
                    next(stream)
                    next(revoked)
                stream.cancel()
                revoked.cancel()
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.wait() == 0


def test_listening_for_others_without_saying_who_may_call_is_exit_2(tmp_path: Path) -> None:
    with Daemon({"node.data_dir": tmp_path, "grpc.listen": "0.0.0.0:0"}) as daemon:
        assert daemon.wait() == 2
        assert "nothing says who may call" in daemon.told()


def test_a_file_of_keys_that_is_missing_is_exit_2(tmp_path: Path) -> None:
    with Daemon({"node.data_dir": tmp_path, "grpc.api_keys": tmp_path / "none.toml"}) as daemon:
        assert daemon.wait() == 2
        assert "none.toml does not exist" in daemon.told()
