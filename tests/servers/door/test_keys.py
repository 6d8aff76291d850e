"""The file of keys: what may stand in it, and how a key is found."""

import hmac
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from hyperstream.cli.config import command
from hyperstream.errors import ConfigurationError
from hyperstream.servers.door.keys import KeyLimits, KeyRing, key_entry, make_key, read_keys


def write(directory: Path, text: str) -> Path:
    path = directory / "keys.toml"
    path.write_text(text)
    return path


def test_a_key_is_found_by_its_text_and_no_other(tmp_path: Path) -> None:
    mine, other = make_key(), make_key()
    ring = KeyRing(write(tmp_path, key_entry("desk-1", mine) + "streams = 3\n" + key_entry("d e", other)))
    found = ring.find(mine)
    assert found is not None
    assert (found.name, found.limits) == ("desk-1", KeyLimits(streams=3))
    other_found = ring.find(other)
    assert other_found is not None
    assert other_found.name == "d e"
    assert other_found.limits.markets == math.inf
    for wrong in ("", mine[:-1], mine + "x", mine.upper(), "ключ", "\udcff"):
        assert ring.find(wrong) is None


def test_keys_are_long_and_never_the_same() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 43 and key.isascii() for key in keys)


def test_the_file_holds_no_key(tmp_path: Path) -> None:
    key = make_key()
    assert key not in key_entry("desk-1", key)
    assert key not in repr(KeyRing(write(tmp_path, key_entry("desk-1", key))))


def test_every_entry_is_compared_wherever_the_key_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [make_key() for _ in range(5)]
    ring = KeyRing(write(tmp_path, "".join(key_entry(f"k{n}", key) for n, key in enumerate(keys))))
    compared = []
    compare = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    for key in (keys[0], keys[4], "nobody's"):
        compared.clear()
        ring.find(key)
        assert len(compared) == 5


DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no key; `hyperstream config key NAME` makes one"),
        ("x = 1", "x must be a table"),
        ("[a]", "[a] sha256 must be 64 hexadecimal digits"),
        ('[a]\nsha256 = "ab"', "[a] sha256 must be 64 hexadecimal digits"),
        (f'[a]\nsha256 = "{DIGEST.upper()}"', "[a] sha256 must be 64 hexadecimal digits in lower case"),
        (
            f'[a]\nsha256 = "{DIGEST}"\nstream = 1',
            "[a] stream is not a limit; there are streams, connections",
        ),
        (f'[a]\nsha256 = "{DIGEST}"\nstreams = 0', "[a] streams must be an integer of at least 1, not 0"),
        (
            f'[a]\nsha256 = "{DIGEST}"\nmarkets = true',
            "[a] markets must be an integer of at least 1, not True",
        ),
        (f'[a]\nsha256 = "{DIGEST}"\nbytes_per_second = 9', "must be an integer of at least 16384, not 9"),
        (f'[a]\nsha256 = "{DIGEST}"\n[b]\nsha256 = "{DIGEST}"', "[b] has the same key as [a]"),
        ("[a", "is not TOML"),
        ("[a]\n[a]", "is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        read_keys(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read_keys(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_keys(tmp_path)
    path = tmp_path / "keys.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_keys(path)


def test_a_reload_that_fails_keeps_the_keys(tmp_path: Path) -> None:
    key = make_key()
    ring = KeyRing(write(tmp_path, key_entry("desk-1", key)))
    write(tmp_path, "[desk-1")
    with pytest.raises(ConfigurationError):
        ring.reload()
    assert ring.find(key) is not None
    write(tmp_path, key_entry("desk-2", make_key()))
    ring.reload()
    assert ring.find(key) is None


@pytest.mark.parametrize("name", ["desk-1", 'so "called" \\ name', "büro"])
def test_the_command_makes_an_entry_that_opens_with_the_key_it_shows(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(command, ["key", name])
    assert result.exit_code == 0
    key = result.stderr.rpartition(" ")[2].strip()
    found = KeyRing(write(tmp_path, result.stdout)).find(key)
    assert found is not None
    assert found.name == name
    assert key not in result.stdout
