"""FakeNode as a whole: its files replay to its truth, and it does the same thing twice."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hyperstream.market.decimals import parse_e8
from hyperstream.testing import BUSY, Block, FakeNode, Stall
from hyperstream.testing.oddities import ASSISTANCE_FUND, HYPERLIQUIDITY

MakeNode = Callable[..., FakeNode]
MakeReader = Callable[..., Any]


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_replaying_the_files_gives_the_true_books_and_queues(
    layout: str, tmp_path: Path, make_node: MakeNode, reader: MakeReader
) -> None:
    node = make_node(layout=layout, seed=5)
    node.write_snapshot(tmp_path / "snapshot.json", include_trigger_orders=True)
    for _ in range(250):
        node.step()
    replayed = reader(layout)
    replayed.load(tmp_path / "snapshot.json")
    replayed.apply_all()
    assert replayed.unknown == 0
    for symbol in node.symbols:
        assert replayed.book(symbol) == node.truth(symbol)
        bids, asks = node.orders(symbol)
        assert replayed.oids(symbol, "B") == [order.oid for order in bids]
        assert replayed.oids(symbol, "A") == [order.oid for order in asks]


def test_both_layouts_hold_the_same_events_in_the_same_order(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(layout="both")
    blocks = [node.step() for _ in range(40)]
    for stem in ("node_order_statuses", "node_raw_book_diffs", "node_fills"):
        assert reader("by_block").events(stem) == reader("streaming").events(stem)
        assert len(reader("by_block").envelopes(stem)) == len(blocks)  # one line a block, also when empty
        assert all(len(line["events"]) == 1 for line in reader("streaming").envelopes(stem))


def test_per_event_layout_has_bare_events(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(layout="per_event")
    node.step()
    for line in reader("").raw("node_raw_book_diffs").splitlines():
        assert next(iter(json.loads(line))) == "user"


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_the_same_seed_gives_the_same_bytes(layout: str, tmp_path: Path) -> None:
    digests = []
    for name, seed in (("one", 9), ("two", 9), ("three", 10)):
        node = FakeNode(tmp_path / name, seed=seed, layout=layout, start_time_ns=1_778_000_000_000_000_000)
        for _ in range(30):
            node.step()
        digests.append(_digest(tmp_path / name))
    assert digests[0] == digests[1] != digests[2]


def test_no_book_is_crossed_at_a_blocks_end_and_changes_are_named(make_node: MakeNode) -> None:
    node = make_node(load=BUSY, markets=12)
    before = {symbol: node.truth(symbol) for symbol in node.symbols}
    for _ in range(60):
        block = node.step()
        for symbol in node.symbols:
            book = node.truth(symbol)
            if book.bids and book.asks:
                assert parse_e8(book.bids[0][0]) < parse_e8(book.asks[0][0])
            if symbol not in block.symbols:
                assert book == before[symbol]
            before[symbol] = book


def test_prices_are_always_valid_and_sizes_whole_lots(make_node: MakeNode) -> None:
    node = make_node(load=BUSY, markets=30)
    for _ in range(30):
        node.step()
    for spec in node.specs:
        for order in itertools.chain(*node.orders(spec.symbol)):
            assert spec.is_valid_price(parse_e8(order.price)), (spec, order)
            assert parse_e8(order.size) % spec.lot_e8 == 0
            assert parse_e8(order.size) > 0


def test_everything_a_node_writes_turns_up(make_node: MakeNode, reader: MakeReader) -> None:
    """Statuses, tifs, order types and diffs: a long quiet run has them all."""
    node = make_node(seed=2)
    for _ in range(1_500):
        node.step()
    seen: Counter[str] = Counter()
    for event in reader().events("node_order_statuses"):
        order = event["order"]
        assert (event["hash"] is not None) == (event["status"] == "open")
        seen.update([event["status"], str(order["tif"]), order["orderType"], order["triggerCondition"][:9]])
        seen["children"] += bool(order["children"])
        seen["builder"] += event["builder"] is not None
    for event in reader().events("node_raw_book_diffs"):
        seen["insertBefore"] += "insertBefore" in str(event["raw_book_diff"])
        seen["emptied"] += "'newSz': '0.0'" in str(event["raw_book_diff"])
        seen["house"] += event["user"] in (HYPERLIQUIDITY, ASSISTANCE_FUND)
    for _, fill in reader().events("node_fills"):
        seen.update(key for key in ("deployerFee", "builderFee", "liquidation") if key in fill)
        seen["twap"] += fill["twapId"] is not None
    wanted = """open triggered filled canceled selfTradeCanceled reduceOnlyCanceled siblingFilledCanceled
        scheduledCancel marginCanceled badAloPxRejected perpMarginRejected iocCancelRejected
        minTradeNtlRejected reduceOnlyRejected badTriggerPxRejected insufficientSpotBalanceRejected
        Gtc Alo Ioc FrontendMarket LiquidationMarket None Limit Market Triggered children builder
        insertBefore emptied house deployerFee builderFee liquidation twap""".split()  # noqa: SIM905  a list of 37 strings reads worse
    wanted += ["Stop Market", "Stop Limit", "Take Profit Market", "Take Profit Limit", "N/A", "Price abo"]
    assert [word for word in wanted if not seen[word]] == []


def test_statuses_and_diffs_agree(make_node: MakeNode, reader: MakeReader) -> None:
    """Every `new` of a user is preceded by an opening status in its block; house orders have none."""
    node = make_node(seed=4)
    for _ in range(200):
        node.step()
    statuses = {line["block_number"]: line for line in reader().envelopes("node_order_statuses")}
    for line in reader().envelopes("node_raw_book_diffs"):
        events = statuses[line["block_number"]]["events"]
        opened = {e["order"]["oid"] for e in events if e["status"] in ("open", "triggered")}
        house = (HYPERLIQUIDITY, ASSISTANCE_FUND)
        assert not any(event["user"] in house for event in events)
        for diff in line["events"]:
            if "new" in diff["raw_book_diff"] and diff["user"] not in house:
                assert diff["oid"] in opened
        assert all(event["time"] == line["block_time"] for event in events)


def test_fills_come_in_pairs(make_node: MakeNode, reader: MakeReader) -> None:
    node = make_node(seed=4)
    for _ in range(200):
        node.step()
    for line in reader().envelopes("node_fills"):
        fills = [fill for _, fill in line["events"]]
        for one, other in zip(fills[::2], fills[1::2], strict=True):
            assert {one["crossed"], other["crossed"]} == {True, False}
            assert {one["side"], other["side"]} == {"A", "B"}
            assert all(one[key] == other[key] for key in ("coin", "px", "sz", "time", "hash", "tid"))
            assert one["tid"] < 2**50


def test_an_empty_exchange_fills_its_books(make_node: MakeNode) -> None:
    node = make_node(load=BUSY.with_resting_orders(0), markets=2)
    assert node.truth("BTC").bids == ()
    for _ in range(20):
        node.step()
    assert node.truth("BTC").bids
    assert node.truth("BTC").asks


def test_truth_stops_at_the_depth_asked_for(make_node: MakeNode) -> None:
    node = make_node()
    assert node.truth("BTC", 3).bids == node.truth("BTC").bids[:3]


async def test_run_keeps_the_pace_of_the_clock(
    make_node: MakeNode, autojump_clock: trio.testing.MockClock
) -> None:
    node = make_node()
    made: list[int] = []
    start = trio.current_time()
    await node.run(blocks=31, rate=15, on_block=lambda block: made.append(block.height))
    assert trio.current_time() - start == pytest.approx(2.0)
    assert made == list(range(985_000_001, 985_000_032))
    assert node.lag_seconds == pytest.approx(0)


async def test_run_gives_up_what_it_cannot_catch_up(
    make_node: MakeNode, mock_clock: trio.testing.MockClock
) -> None:
    """After ten lost seconds a few blocks follow at once, and then the pace is kept again."""
    node = make_node()
    times: list[float] = []
    lags: list[float] = []

    def note(_: object) -> None:
        times.append(trio.current_time())
        lags.append(node.lag_seconds)
        if len(times) == 1:
            mock_clock.jump(10)

    mock_clock.autojump_threshold = 0
    await node.run(blocks=8, rate=10, on_block=note)
    assert max(lags) == pytest.approx(9.9)
    assert times.count(times[1]) == 4
    assert times[5:] == pytest.approx([times[1] + 0.1, times[1] + 0.2, times[1] + 0.3])


async def test_run_stalls_when_told_to(make_node: MakeNode, autojump_clock: trio.testing.MockClock) -> None:
    node = make_node(faults=[Stall(at=985_000_002, seconds=5)])
    start = trio.current_time()
    await node.run(blocks=3, rate=10)
    assert trio.current_time() - start == pytest.approx(5.2)


async def test_run_flat_out_lets_others_run(make_node: MakeNode) -> None:
    node = make_node()
    twenty = trio.Event()

    def note(block: Block) -> None:
        if block.height == 985_000_020:
            twenty.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.run, None, 0, note)
            await twenty.wait()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("layout", ["by_block", "streaming"])
def test_prepared_blocks_are_written_later_with_a_fresh_local_time(
    layout: str, tmp_path: Path, make_node: MakeNode, reader: MakeReader
) -> None:
    node = make_node(layout=layout)
    node.write_snapshot(tmp_path / "snapshot.json")
    prepared = node.prepare(20)
    assert not (tmp_path / "data").exists()
    for block in prepared:
        node.write_prepared(block)
    replayed = reader(layout)
    replayed.load(tmp_path / "snapshot.json")
    replayed.apply_all()
    assert all(replayed.book(symbol) == node.truth(symbol) for symbol in node.symbols)
    times = [line["local_time"] for line in replayed.envelopes("node_raw_book_diffs")]
    assert times == sorted(times)
    assert min(times) > "2026-05-06"  # the wall's, not the simulation's
