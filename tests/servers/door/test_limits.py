"""How many connections there may be."""

import resource

import pytest

from hyperstream.servers.door import limits
from hyperstream.servers.door.limits import (
    SPARE_DESCRIPTORS,
    ConnectionLimits,
    descriptor_room,
    make_descriptor_room,
)


def test_connections_are_limited_in_all_and_by_address() -> None:
    held = ConnectionLimits(most=3, most_per_address=2)
    assert [held.open("a"), held.open("a")] == ["", ""]
    assert held.open("a") == "too many connections from one address"
    assert held.open("b") == ""
    assert held.open("c") == "too many connections"
    held.close("a")
    assert held.open("c") == ""


def test_addresses_without_connections_are_forgotten() -> None:
    held = ConnectionLimits(most=10, most_per_address=2)
    for number in range(1000):
        held.open(str(number))
        held.close(str(number))
    assert held.total == 0
    assert not held._by_address


def test_descriptors_are_kept_free_for_the_nodes_files(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert descriptor_room() == soft - SPARE_DESCRIPTORS
    monkeypatch.setattr(limits, "descriptor_room", lambda: 1)
    held = ConnectionLimits(most=10, most_per_address=10)
    assert held.open("a") == ""
    assert held.open("b") == "too many connections"


def test_the_soft_limit_on_descriptors_is_raised_but_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 500), hard))
        make_descriptor_room(600)
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised == min(600 + SPARE_DESCRIPTORS, hard)
        make_descriptor_room(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == raised
        make_descriptor_room(1 << 30)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min((1 << 30) + SPARE_DESCRIPTORS, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
