"""How a fake exchange is doing, as values, and what happened since one looked last."""

from attrs import define, field, frozen

from hyperstream.testing.exchanges import FakeVenue
from hyperstream.testing.exchanges.flow import MarketFlow

BASIS_POINTS = 10_000
SHOWN_STREAMS = 4


@frozen
class MarketLine:
    """A market: the venue's own digits, and the change since the start in basis points."""

    label: str
    bid: str
    ask: str
    last: str
    is_buy: bool
    change_bps: float
    trades: int


@frozen
class VenueState:
    """A venue now; counts are since the start."""

    name: str
    time_ms: int
    seconds: float
    clients: int
    streams: int
    messages: int
    messages_per_second: float
    requests: int
    expelled: int
    trouble: dict[str, int]
    markets: tuple[MarketLine, ...]


@define(eq=False)
class VenueWatch:
    """Looks at a venue from outside: ``news`` is what happened since the last call, oldest first."""

    fake: FakeVenue
    _started_ms: int = field(init=False)
    _known: dict[int, set[str]] = field(factory=dict, init=False)
    _incidents: int = field(default=0, init=False)
    _expelled: int = field(default=0, init=False)
    _measured_ms: int = field(init=False)
    _measured_messages: int = field(default=0, init=False)
    _first_prices: dict[MarketFlow, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._started_ms = self._measured_ms = self.fake.now_ms
        self._first_prices = {flow: flow.last_trade.price_e8 for flow in self.fake.flows}

    def news(self) -> list[str]:
        """Return sentences about clients and trouble."""
        return [*self._clients(), *self._rules(), *self._trouble()]

    def _clients(self) -> list[str]:
        said, present = [], {}
        for session in self.fake.sessions:
            names = set(session.topics)
            present[session.number] = names
            before = self._known.get(session.number)
            if before is None:
                where = session.question.path
                said.append(f"client {session.number} connected from {session.question.peer} to {where}")
                before = set()
            if new := [name for name in session.topics if name not in before]:
                said.append(f"client {session.number} follows {_listed(new)}")
            if gone := sorted(before - names):
                said.append(f"client {session.number} leaves {_listed(gone)}")
        said += [f"client {number} is gone" for number in self._known if number not in present]
        self._known = present
        return said

    def _rules(self) -> list[str]:
        new, self._expelled = (
            self.fake.statistics.expelled_sessions - self._expelled,
            self.fake.statistics.expelled_sessions,
        )
        return (
            [f"{new} {_plural('client', new)} broke a rule or stayed too long, and had to go"] if new else []
        )

    def _trouble(self) -> list[str]:
        trouble = self.fake.trouble
        total = trouble.incident_count
        new = min(total - self._incidents, len(trouble.incidents))
        self._incidents = total
        told = list(trouble.incidents)[-new:] if new else []
        said = []
        for incident in told:
            detail = f" {incident.detail}" if incident.detail else ""
            count = f" ({incident.count})" if incident.count > 1 else ""
            said.append(f"trouble: {incident.kind.replace('_', ' ')}{detail}{count}")
        return said

    def state(self) -> VenueState:
        """Return how things are; the rate is that since the last call."""
        fake, statistics = self.fake, self.fake.statistics
        seconds = max(0.001, (fake.now_ms - self._measured_ms) / 1_000)
        rate = (statistics.messages_sent - self._measured_messages) / seconds
        self._measured_ms, self._measured_messages = fake.now_ms, statistics.messages_sent
        return VenueState(
            name=fake.name,
            time_ms=fake.now_ms,
            seconds=(fake.now_ms - self._started_ms) / 1_000,
            clients=len(fake.sessions),
            streams=sum(len(session.topics) for session in fake.sessions),
            messages=statistics.messages_sent,
            messages_per_second=rate,
            requests=statistics.requests,
            expelled=statistics.expelled_sessions,
            trouble=dict(fake.trouble.counts),
            markets=tuple(self._market(label, flow) for label, flow in fake.labels.items()),
        )

    def _market(self, label: str, flow: MarketFlow) -> MarketLine:
        price = flow.instrument.price
        bid, _, ask, _ = flow.book.touch()
        last, first = flow.last_trade, self._first_prices[flow]
        return MarketLine(
            label=label,
            bid=price(bid),
            ask=price(ask),
            last=price(last.price_e8),
            is_buy=last.is_buy,
            change_bps=BASIS_POINTS * (last.price_e8 - first) / first,
            trades=flow.bars["1m"].forming.trades,
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_STREAMS} more" if len(names) > SHOWN_STREAMS else ""
    return ", ".join(names[:SHOWN_STREAMS]) + more


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
