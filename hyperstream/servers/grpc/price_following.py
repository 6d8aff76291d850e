"""The series one StreamPrices call follows: followed, left and exchanged by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from attrs import define, field

from hyperstream.errors import SelectionError
from hyperstream.hub.price_directory import PriceDirectory
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic
from hyperstream.market.price_updates import SeriesName
from hyperstream.servers.grpc.price_instruments import as_number
from hyperstream.v1 import price_pb2

SHOWN = 100  # of what a client wrote and nobody knows, so many characters are repeated to it


@define(eq=False)
class PriceFollowing:
    """The series of one subscription by key.

    ``charge`` charges so many more series (fewer, if negative) to the call's key, and returns why not.
    """

    directory: PriceDirectory
    subscription: Subscription
    charge: Callable[[int], str]
    max_series: int
    _names: dict[str, SeriesName] = field(factory=dict)
    _topics: dict[str, Sequence[Topic]] = field(factory=dict)

    def __len__(self) -> int:
        return len(self._names)

    def names(self) -> list[SeriesName]:
        """What is followed."""
        return list(self._names.values())

    def require(self, key: str, place: str) -> SeriesName:
        """The series with this key; raises SelectionError naming ``place`` if it is not followed."""
        name = self._names.get(key)
        if name is None:
            raise SelectionError("NOT_FOUND", place, f"{key[:SHOWN]!r} is not sent on this stream")
        return name

    def follow(self, name: SeriesName) -> None:
        """Follow a series; fine if it is followed. Raises SelectionError."""
        if name.symbol in self._names:
            return
        if len(self._names) >= self.max_series:
            raise SelectionError(
                "RESOURCE_EXHAUSTED", "", f"a stream may follow {self.max_series} series; open another one"
            )
        why = self.charge(1)
        if why:
            raise SelectionError("RESOURCE_EXHAUSTED", "", why)
        try:
            topics = self.directory.open(name)
        except SelectionError:
            self.charge(-1)
            raise
        self._names[name.symbol] = name
        self._topics[name.symbol] = topics
        for topic in topics:
            self.subscription.attach(topic)

    def leave(self, name: SeriesName) -> None:
        """Follow a series no more."""
        for topic in self._topics[name.symbol]:
            self.subscription.detach(topic)
        self._forget(name.symbol)

    def exchange(self, before: Sequence[SeriesName], after: Sequence[SeriesName]) -> Iterator[None]:
        """Follow the one and leave the other, a series a step.

        If any of the new ones cannot be had, everything stays as it was; raises SelectionError.
        """
        new = [name for name in after if name.symbol not in self._names]
        for i, name in enumerate(new):
            try:
                self.follow(name)
            except SelectionError:
                for other in new[:i]:
                    self.leave(other)
                raise
            yield
        kept = {name.symbol for name in after}
        for name in before:
            if name.symbol not in kept and name.symbol in self._names:
                self.leave(name)

    def forget_refused(self) -> None:
        """Forget what the engine has ended, because the venue does not serve it."""
        attached = self.subscription.cursors
        for key, topics in list(self._topics.items()):
            if not any(topic in attached for topic in topics):
                self._forget(key)

    def _forget(self, key: str) -> None:
        del self._names[key], self._topics[key]
        self.charge(-1)

    def describe(self, request_id: str) -> price_pb2.ActiveSelections:
        """What is followed, as the answer to LIST."""
        active = price_pb2.ActiveSelections(request_id=request_id)
        for name in self._names.values():
            spec = name.indicator
            if spec is None:
                active.prices.add(
                    key=name.symbol,
                    venue=name.venue,
                    symbol=name.market,
                    interval=name.interval,
                    every_tick=name.is_every_tick,
                )
            else:
                kinds = {each.name: each for each in spec.kind.parameters}
                active.indicators.add(
                    key=name.symbol,
                    venue=name.venue,
                    symbol=name.market,
                    name=spec.name,
                    parameters={key: as_number(kinds[key], value) for key, value in spec.parameters},
                    interval=name.interval,
                )
        return active
