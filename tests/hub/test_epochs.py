"""Epochs: a resume point fits the run it was given by, and no other."""

from hyperstream.hub.hub import Hub


def test_every_epoch_is_new() -> None:
    hub = Hub(start_seconds=1_778_018_340.25)
    epochs = [hub.next_epoch() for _ in range(100)]
    assert epochs == sorted(set(epochs))


def test_a_run_started_within_the_same_second_shares_no_epoch_with_the_one_before() -> None:
    killed, following = Hub(start_seconds=1_778_018_340.25), Hub(start_seconds=1_778_018_340.5)
    before = {killed.next_epoch() for _ in range(10_000)}
    after = {following.next_epoch() for _ in range(10_000)}
    assert max(before) < min(after)
