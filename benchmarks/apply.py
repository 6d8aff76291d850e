"""What a diff, an update and a delivery cost inside the engine: ``Engine.apply`` of parsed blocks.

By kind: blocks of nothing but new orders at prices of the best fifty levels, then of updates of these
orders, then of their removals, on the fake node's books.

With subscribers of ``"*"``: the same mixed blocks, on engines that differ in one thing only, so
differences are the parts' costs:

- nothing published: the books alone (*apply*)
- topics that nobody follows: what changed is found and encoded (*publish*, the difference to apply)
- N subscribers: their cursors, their outboxes, the end of the block (*offer*, the difference to publish)

Taking the messages out of the outboxes, which the server does, is measured on its own (*take*).
"""

import gc
from collections.abc import Iterator

import click
from attrs import define, evolve, field, frozen

from benchmarks.material import Material, fake_material, load_snapshot, make_engine
from benchmarks.measure import CpuClock
from benchmarks.report import Report, Row, json_option
from hyperstream.engine.collector import relax_collector
from hyperstream.engine.engine import Engine
from hyperstream.engine.live_market import LiveMarket
from hyperstream.hub.delivery import Contract
from hyperstream.hub.directory import BookVariant
from hyperstream.hub.subscription import Subscription
from hyperstream.hub.topic import Topic
from hyperstream.market.decimals import format_e8
from hyperstream.sources.node.blocks import make_reader
from hyperstream.testing import PRESETS
from hyperstream.wire.diff_lines import REMOVE, Change, Diff, New, Resized
from hyperstream.wire.node_blocks import DiffBlock, Position
from hyperstream.wire.protobuf.formats import BBO, ORDERBOOK

DEPTH = 50
LEVELS_USED = 50
CALLS = ("book", "bbo")
SUBSCRIBERS = (1, 10, 50)  # the figures per update come from the most
FORMATS = {"book": ORDERBOOK, "bbo": BBO}
CONTRACTS = {"book": Contract.RESYNC, "bbo": Contract.CONFLATE}
SUMMARY_KEYS = (
    "new_us",
    "update_us",
    "remove_us",
    "mixed_us",
    "book_publish_us_per_update",
    "book_offer_us_per_update",
    "bbo_publish_us_per_update",
    "bbo_offer_us_per_update",
)


@frozen
class Scenario:
    """What is published, and to how many; no call is an engine without topics."""

    call: str = ""
    subscribers: int = 0

    @property
    def name(self) -> str:
        if not self.call:
            return "nothing published"
        return f"{self.call}, {self.subscribers or 'no'} subscribers"


@define(eq=False)
class Cost:
    """Best seconds of a scenario, and what it did in them."""

    apply_seconds: float = float("inf")
    take_seconds: float = float("inf")
    updates: int = 0
    messages: int = 0
    bytes: int = 0


@define(eq=False)
class Audience:
    """The subscribers of a scenario, all of every market."""

    engine: Engine
    scenario: Scenario
    subscriptions: list[Subscription] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        call = self.scenario.call
        topics = [self._topic(market) for market in self.engine.markets.values()] if call else []
        for _ in range(self.scenario.subscribers):
            subscription = self.engine.hub.subscribe(CONTRACTS[call], FORMATS[call], lambda: None)
            for topic in topics:
                subscription.attach(topic)
            self.subscriptions.append(subscription)
        self.take()

    def _topic(self, market: LiveMarket) -> Topic:
        return market.book_stream(BookVariant(DEPTH)) if self.scenario.call == "book" else market.bbo_stream()

    def take(self) -> tuple[int, int]:
        """Take everything that waits; returns messages and bytes."""
        messages = size = 0
        for subscription in self.subscriptions:
            while (message := subscription.take()) is not None:
                messages += 1
                size += len(message)
        return messages, size

    @property
    def published(self) -> int:
        """Updates published so far."""
        return sum(topic.published for market in self.engine.markets.values() for topic in market.topics())


def diff_blocks(material: Material) -> list[DiffBlock]:
    """Return the material's diffs as the engine gets them."""
    reader = make_reader("diffs", material.layout, lambda *_, **__: None)
    reader.start_after(material.height)
    batches = [batch for block in material.batches() for kind, batch in block if kind == "diffs"]
    items = [item for batch in batches for item in reader.feed(batch)]
    return [item for item in items if isinstance(item, DiffBlock)]


def measure_scenario(material: Material, blocks: list[DiffBlock], scenario: Scenario, cost: Cost) -> None:
    """Apply all blocks once on a fresh engine; enters what was better than before into ``cost``."""
    engine = make_engine(material.layout)
    load_snapshot(engine, material.snapshot)
    audience = Audience(engine, scenario)
    applying, taking = CpuClock(), CpuClock()
    before = audience.published
    messages = size = 0
    for block in blocks:
        with applying:
            engine.apply(block)
        with taking:
            taken = audience.take()
        messages, size = messages + taken[0], size + taken[1]
    if engine.counts:
        raise click.ClickException(f"the blocks did not apply cleanly: {engine.counts}")
    cost.apply_seconds = min(cost.apply_seconds, applying.seconds)
    cost.take_seconds = min(cost.take_seconds, taking.seconds)
    cost.updates = audience.published - before
    cost.messages, cost.bytes = messages, size
    gc.unfreeze()


def measure_kinds(material: Material, diffs: int, rounds: int) -> dict[str, float]:
    """Return the best seconds per diff of each kind."""
    engine = make_engine(material.layout)
    load_snapshot(engine, material.snapshot)
    seconds: dict[str, float] = {}
    height = material.height
    for turn in range(rounds):
        for kind, changes in _changes_by_kind(engine, diffs, first_oid=(turn + 1) * 10**13).items():
            height += 1
            clock = CpuClock()
            block = DiffBlock(height, 0, 0, 0, Position(height, "", 0), changes)
            with clock:
                engine.apply(block)
            seconds[kind] = min(seconds.get(kind, float("inf")), clock.seconds / len(changes))
    if engine.counts:
        raise click.ClickException(f"the diffs did not apply cleanly: {engine.counts}")
    gc.unfreeze()
    return seconds


def _changes_by_kind(engine: Engine, diffs: int, first_oid: int) -> dict[str, list[Diff]]:
    """Diffs that add orders to existing levels of all markets in turn, halve them, take them out."""
    places = list(_places(engine))
    new, update, remove = [], [], []
    for index in range(diffs):
        symbol, letter, price = places[index % len(places)]
        size_e8 = 10_000_000 + 100_000 * (index % 500)
        head = (f"0x{index % 4000:040x}", first_oid + index, symbol, price)
        whole, half = format_e8(size_e8), format_e8(size_e8 // 2)
        new.append(Diff(*head, Change(new=New(whole)), letter))
        update.append(Diff(*head, Change(update=Resized(whole, half)), letter))
        remove.append(Diff(*head, REMOVE, letter))
    return {"new": new, "update": update, "remove": remove}


def _places(engine: Engine) -> Iterator[tuple[str, str, str]]:
    """Symbol, side and price of the best levels: first the best of every market, then the second best."""
    sides = [
        (symbol, letter, side)
        for symbol, market in engine.markets.items()
        for letter, side in zip("BA", market.book.sides(), strict=True)
    ]
    for rank in range(1, LEVELS_USED + 1):
        for symbol, letter, side in sides:
            if rank <= len(side.keys):
                yield symbol, letter, side.levels[side.keys[-rank]].price


def scenario_rows(costs: dict[Scenario, Cost], diffs: int, blocks: int) -> list[Row]:
    """One row per scenario, with the parts as differences."""
    bare = costs[Scenario()].apply_seconds
    rows: list[Row] = []
    for scenario, cost in costs.items():
        published = costs[evolve(scenario, subscribers=0)].apply_seconds
        rows.append(
            {
                "scenario": scenario.name,
                "ms_per_block": cost.apply_seconds / blocks * 1e3,
                "us_per_diff": cost.apply_seconds / diffs * 1e6,
                "updates_per_block": cost.updates / blocks,
                "apply_ms": bare / blocks * 1e3,
                "publish_ms": (published - bare) / blocks * 1e3,
                "offer_ms": (cost.apply_seconds - published) / blocks * 1e3,
                "take_ms": cost.take_seconds / blocks * 1e3,
                "bytes_per_message": cost.bytes / cost.messages if cost.messages else 0.0,
            }
        )
    return rows


@click.command()
@click.option("--load", "load_name", type=click.Choice(list(PRESETS)), default="mainnet", show_default=True)
@click.option("--markets", type=click.IntRange(min=1), default=600, show_default=True)
@click.option("--blocks", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="The best counts.")
@json_option
def main(load_name: str, markets: int, blocks: int, rounds: int, as_json: bool) -> None:
    """What a diff, an update and a delivery cost inside the engine."""
    relax_collector()
    report = Report("apply", as_json)
    material = fake_material("by_block", PRESETS[load_name], markets, blocks)
    parsed = diff_blocks(material)
    diffs = sum(len(block.diffs) for block in parsed)
    kinds = measure_kinds(material, max(1, diffs // blocks), rounds * 5)
    scenarios = [Scenario(), *(Scenario(call, count) for call in CALLS for count in (0, *SUBSCRIBERS))]
    costs = {scenario: Cost() for scenario in scenarios}
    for _ in range(rounds):
        for scenario, cost in costs.items():
            measure_scenario(material, parsed, scenario, cost)
            gc.collect()
    mixed = costs[Scenario()].apply_seconds / diffs
    report.table(
        "one diff, nothing published",
        [{"kind": kind, "us": seconds * 1e6} for kind, seconds in {**kinds, "mixed": mixed}.items()],
    )
    report.table(
        f"a block of {diffs / blocks:.0f} diffs, every market, depth {DEPTH}",
        scenario_rows(costs, diffs, blocks),
    )
    report.summary(
        {f"{kind}_us": seconds * 1e6 for kind, seconds in {**kinds, "mixed": mixed}.items()}
        | {key: value for call in CALLS for key, value in _per_update(costs, call).items()}
    )


def _per_update(costs: dict[Scenario, Cost], call: str) -> dict[str, float]:
    """Microseconds per update: publishing one, and offering one to one subscriber."""
    followed = costs[Scenario(call, SUBSCRIBERS[-1])]
    published = costs[Scenario(call)]
    offered = (followed.apply_seconds - published.apply_seconds) / SUBSCRIBERS[-1]
    publishing = published.apply_seconds - costs[Scenario()].apply_seconds
    updates = max(1, followed.updates)
    return {
        f"{call}_publish_us_per_update": publishing / updates * 1e6,
        f"{call}_offer_us_per_update": offered / updates * 1e6,
    }


if __name__ == "__main__":
    main()
