"""What the requests of one StreamPrices call ask for, done and answered.

No part of a request spoils another: each selection takes effect or is answered by a StreamError, and
whatever happened is told in one message, errors first and an Acknowledgement last.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from hyperstream.errors import FormatError, IndicatorError, SelectionError
from hyperstream.market.indicators import IndicatorSpec
from hyperstream.market.intervals import Interval
from hyperstream.market.price_updates import SeriesName, bar_name, indicator_name, price_name
from hyperstream.servers.grpc.price_following import SHOWN, PriceFollowing
from hyperstream.v1 import price_pb2
from hyperstream.wire.protobuf.prices import PRICES

MAX_REQUEST_ID = 100
MAX_SELECTIONS = 1_000


@define(eq=False)
class _Answer:
    """What has been found out about one request so far."""

    request_id: str
    errors: list[bytes] = field(factory=list)
    done: list[price_pb2.AcknowledgedSelection] = field(factory=list)

    def refuse(self, problem: SelectionError, where: str = "") -> None:
        """Put an error into the answer; ``where`` is the selection's place in the request."""
        error = price_pb2.StreamError(
            request_id=self.request_id,
            code=f"STREAM_ERROR_CODE_{problem.status_name}",
            field=".".join(part for part in (where, problem.field) if part),
            reason=problem.reason,
        )
        self.errors.append(PRICES.error(error))

    def acknowledge(self, where: str, name: SeriesName) -> None:
        """Put what took effect into the answer."""
        self.done.append(price_pb2.AcknowledgedSelection(field=where, key=name.symbol))


@define(eq=False)
class PriceSelections:
    """Changes what is followed as requests say."""

    following: PriceFollowing

    def refuse(self, reason: str) -> None:
        """Answer a request that cannot be read."""
        answer = _Answer("")
        answer.refuse(_invalid("", reason[: 4 * SHOWN]))
        self.following.subscription.tell(b"".join(answer.errors))

    def steps(self, request: price_pb2.StreamPricesRequest) -> Iterator[None]:
        """Do what a request asks for, piece by piece, and answer it at the end; others may run in between."""
        following, subscription = self.following, self.following.subscription
        following.forget_refused()
        answer = _Answer(request.request_id[:MAX_REQUEST_ID])
        try:
            _check(request)
        except SelectionError as problem:
            answer.refuse(problem)
        else:
            if request.operation == price_pb2.OPERATION_LIST:
                subscription.tell(PRICES.active(following.describe(answer.request_id)))
                return
            for where, work in self._works(request, answer):
                try:
                    yield from work
                except SelectionError as problem:
                    answer.refuse(problem, where)
                yield
        subscription.flush()
        acknowledgement = price_pb2.Acknowledgement(
            request_id=answer.request_id,
            operation=request.operation,
            selections=answer.done,
            error_count=len(answer.errors),
            active_count=len(following),
        )
        subscription.tell(b"".join([*answer.errors, PRICES.acknowledgement(acknowledgement)]))

    def _works(
        self, request: price_pb2.StreamPricesRequest, answer: _Answer
    ) -> Iterator[tuple[str, Iterator[None]]]:
        """The selections of a request, each with its place."""
        on_price, on_indicator = {
            price_pb2.OPERATION_ADD: (self._add_price, self._add_indicator),
            price_pb2.OPERATION_CHANGE: (self._change_price, self._change_indicator),
            price_pb2.OPERATION_REMOVE: (self._remove_price, self._remove_indicator),
        }[request.operation]
        for i, price in enumerate(request.prices):
            where = f"prices[{i}]"
            if not price.symbols:
                answer.refuse(_invalid("symbols", "name at least one market"), where)
            for j in range(len(price.symbols)):
                yield where, on_price(answer, where, price, j)
        for i, indicator in enumerate(request.indicators):
            where = f"indicators[{i}]"
            yield where, on_indicator(answer, where, indicator)
        for i, key in enumerate(request.keys):
            where = f"keys[{i}]"
            yield where, self._remove_key(answer, where, key)

    # --- prices: of a selection, the symbol with the number j ---

    def _add_price(
        self, answer: _Answer, where: str, price: price_pb2.PriceSelection, j: int
    ) -> Iterator[None]:
        symbol, place = price.symbols[j], f"symbols[{j}]"
        venue = self._locate(price.venue, symbol, place)
        name = price_name(venue, symbol, is_every_tick=price.every_tick)
        self.following.follow(name)
        answer.acknowledge(f"{where}.{place}", name)
        for k in range(len(price.bar_intervals)):
            yield
            try:
                name = bar_name(venue, symbol, _interval(price, k))
                self.following.follow(name)
            except SelectionError as problem:
                answer.refuse(problem, where)
            else:
                answer.acknowledge(f"{where}.bar_intervals[{k}]", name)

    def _change_price(
        self, answer: _Answer, where: str, price: price_pb2.PriceSelection, j: int
    ) -> Iterator[None]:
        """The series of a symbol become those named. If one of them is wrong, all stay as they were."""
        symbol, place = price.symbols[j], f"symbols[{j}]"
        before = self._prices_of(price.venue, symbol, place)
        venue = before[0].venue
        names = [price_name(venue, symbol, is_every_tick=price.every_tick)]
        names += [bar_name(venue, symbol, _interval(price, k)) for k in range(len(price.bar_intervals))]
        yield from self.following.exchange(before, names)
        answer.acknowledge(f"{where}.{place}", names[0])
        for k, name in enumerate(names[1:]):
            answer.acknowledge(f"{where}.bar_intervals[{k}]", name)

    def _remove_price(
        self, answer: _Answer, where: str, price: price_pb2.PriceSelection, j: int
    ) -> Iterator[None]:
        symbol, place = price.symbols[j], f"symbols[{j}]"
        found = self._prices_of(price.venue, symbol, place)
        if not price.bar_intervals:
            for name in found:
                self.following.leave(name)
                answer.acknowledge(f"{where}.{place}", name)
        for k in range(len(price.bar_intervals)):
            yield
            try:
                key = bar_name(found[0].venue, symbol, _interval(price, k)).symbol
                name = self.following.require(key, f"bar_intervals[{k}]")
            except SelectionError as problem:
                answer.refuse(problem, where)
            else:
                self.following.leave(name)
                answer.acknowledge(f"{where}.bar_intervals[{k}]", name)

    def _prices_of(self, venue: str, symbol: str, place: str) -> list[SeriesName]:
        """The prices and bars followed of a market; of the first venue with any, if none is named."""
        names = [
            name
            for name in self.following.names()
            if name.market == symbol and name.indicator is None and venue in ("", name.venue)
        ]
        if not names:
            raise SelectionError(
                "NOT_FOUND", place, f"nothing of {symbol[:SHOWN]!r} is sent on this stream; ADD it first"
            )
        return [name for name in names if name.venue == names[0].venue]

    # --- indicators ---

    def _add_indicator(
        self, answer: _Answer, where: str, selection: price_pb2.IndicatorSelection
    ) -> Iterator[None]:
        name = _indicator(selection, self._locate(selection.venue, selection.symbol, "symbol"))
        self.following.follow(name)
        answer.acknowledge(where, name)
        yield

    def _change_indicator(
        self, answer: _Answer, where: str, selection: price_pb2.IndicatorSelection
    ) -> Iterator[None]:
        name = _indicator(selection, self._locate(selection.venue, selection.symbol, "symbol"))
        yield from self.following.exchange([self._replaced(selection, name)], [name])
        answer.acknowledge(where, name)

    def _replaced(self, selection: price_pb2.IndicatorSelection, name: SeriesName) -> SeriesName:
        """The indicator that a changed one takes the place of."""
        if selection.replaces:
            replaced = self.following.require(selection.replaces, "replaces")
            if replaced.indicator is None:
                raise _invalid("replaces", "names prices or bars, and not an indicator")
            return replaced
        alike = [
            each
            for each in self.following.names()
            if each.indicator is not None
            and each.indicator.name == selection.name
            and (each.venue, each.market, each.interval) == (name.venue, name.market, name.interval)
        ]
        if not alike:
            raise SelectionError(
                "NOT_FOUND",
                "",
                f"no {selection.name} of this market and interval is sent on this stream; ADD it first",
            )
        if len(alike) > 1:
            keys = ", ".join(each.symbol for each in alike[:5])
            raise _invalid("replaces", f"{len(alike)} of these are sent: name one of them, such as {keys}")
        return alike[0]

    def _remove_indicator(
        self, answer: _Answer, where: str, selection: price_pb2.IndicatorSelection
    ) -> Iterator[None]:
        """Without a venue, of the first whose market has this very indicator on the stream."""
        meant = _indicator(selection, selection.venue)
        key = meant.symbol
        if not selection.venue:
            alike = (each.symbol for each in self.following.names() if _is_same(each, meant))
            key = next(alike, key)
        yield from self._remove_key(answer, where, key)

    def _remove_key(self, answer: _Answer, where: str, key: str) -> Iterator[None]:
        name = self.following.require(key, "")
        self.following.leave(name)
        answer.acknowledge(where, name)
        yield

    def _locate(self, venue: str, symbol: str, place: str) -> str:
        try:
            return self.following.directory.locate(venue, symbol)
        except SelectionError as problem:
            if problem.field != "symbol":
                raise
            raise SelectionError(problem.status_name, place, problem.reason) from problem


def size_of(request: price_pb2.StreamPricesRequest) -> int:
    """How many series a request names, wrong ones included."""
    prices = sum(1 + len(each.symbols) * (1 + len(each.bar_intervals)) for each in request.prices)
    return prices + len(request.indicators) + len(request.keys)


def _check(request: price_pb2.StreamPricesRequest) -> None:
    """Raise SelectionError if nothing of a request can be done."""
    if len(request.request_id) > MAX_REQUEST_ID:
        raise _invalid("request_id", f"has more than {MAX_REQUEST_ID} characters")
    if request.operation not in _OPERATIONS:
        raise _invalid("operation", "must be ADD, CHANGE, REMOVE or LIST")
    count = size_of(request)
    if count > MAX_SELECTIONS:
        raise SelectionError(
            "RESOURCE_EXHAUSTED",
            "",
            f"a request may name {MAX_SELECTIONS} series, not {count}; send several requests",
        )
    if request.keys and request.operation != price_pb2.OPERATION_REMOVE:
        raise _invalid("keys", "go with REMOVE only; name prices or indicators")
    if not (count or request.heartbeat_seconds or request.operation == price_pb2.OPERATION_LIST):
        raise _invalid("prices", "name something in prices or indicators")


_OPERATIONS = frozenset(price_pb2.Operation.values()) - {price_pb2.OPERATION_UNSPECIFIED}


def _indicator(selection: price_pb2.IndicatorSelection, venue: str) -> SeriesName:
    try:
        spec = IndicatorSpec.of(selection.name[:SHOWN], selection.parameters, selection.interval[:SHOWN])
    except IndicatorError as problem:
        raise _invalid(problem.field, problem.reason) from problem
    return indicator_name(venue, selection.symbol, spec, spec.kind.outputs)


def _is_same(name: SeriesName, other: SeriesName) -> bool:
    """Whether both are the same indicator of a symbol, at whatever venue."""
    return name.market == other.market and name.indicator == other.indicator


def _interval(price: price_pb2.PriceSelection, k: int) -> str:
    """The interval of bars, in its one spelling."""
    try:
        return Interval.parse(price.bar_intervals[k][:SHOWN]).text
    except FormatError as problem:
        raise _invalid(f"bar_intervals[{k}]", str(problem)) from problem


def _invalid(field_name: str, reason: str) -> SelectionError:
    return SelectionError("INVALID_ARGUMENT", field_name, reason)
