"""The feed benchmark measures what it says: true frames, read into values, and stamps that come through."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, TextMessage

from benchmarks.feed_frames import SOURCES, record
from benchmarks.feed_latency import Receipt, read_receipts, stage_rows
from benchmarks.feed_memory import play
from benchmarks.feed_sender import CLOSE_FRAME, text_frame
from benchmarks.feed_stamps import KINDS, SYMBOLS, frame_time_ns, spell_frame, stamp, stamp_ns
from benchmarks.feed_subscriber import read_samples, write_samples
from hyperstream.market.venues import Quote, VenueTrade
from hyperstream.v1 import price_pb2
from hyperstream.wire.binance import BinanceDecoder
from hyperstream.wire.venue_fields import UNKNOWN

NOW_NS = 1_790_000_000_123_456_780


@pytest.mark.parametrize("venue", SOURCES)
async def test_recorded_frames_are_the_same_each_time_and_read_into_values(venue: str) -> None:
    source = SOURCES[venue]()
    frames = await record(source, 60)
    assert frames == await record(source, 60)
    decoder = source.decoder()
    read = [decoder.decode(frame, NOW_NS) for frame in frames]
    assert all(payload is not UNKNOWN for _, payload in read)
    assert {stream for stream, _ in read} <= set(source.streams)
    assert len({type(payload) for _, payload in read}) > 1


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_the_sender_frames_messages_as_a_server_does(length: int) -> None:
    peer = Connection(ConnectionType.CLIENT)
    peer.receive_data(text_frame(b"x" * length) + CLOSE_FRAME)
    *parts, goodbye = peer.events()
    assert "".join(part.data for part in parts if isinstance(part, TextMessage)) == "x" * length
    assert isinstance(goodbye, CloseConnection)
    assert goodbye.code == 1000


@given(st.integers(0, 2**62))
def test_a_stamp_is_a_decimal_that_gives_its_time_back(time_ns: int) -> None:
    assert stamp_ns(stamp(time_ns)) == time_ns // 10 * 10
    assert stamp_ns("") == 0


def test_a_stamped_frame_comes_through_the_decoder_with_its_stamp() -> None:
    decoder = BinanceDecoder()
    for number, kind in enumerate(KINDS):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        decoder.follow(f"{symbol.lower()}@{kind}")
        framed = spell_frame(number, symbol, NOW_NS)
        frame = framed[framed.index(b"{") :]
        assert frame_time_ns(frame) == NOW_NS
        _, payload = decoder.decode(frame, NOW_NS)
        told = payload[0] if isinstance(payload, list) else payload
        assert isinstance(told, Quote | VenueTrade)
        assert told.symbol == symbol
        assert stamp_ns(told.bid_size if isinstance(told, Quote) else told.size) == NOW_NS


def test_every_symbol_gets_quotes_and_trades() -> None:
    seen = {(SYMBOLS[number % len(SYMBOLS)], KINDS[number % len(KINDS)]) for number in range(1_000)}
    assert seen == {(symbol, kind) for symbol in SYMBOLS for kind in KINDS}


def test_receipts_are_of_the_newest_frame_of_each_update(tmp_path: Path) -> None:
    later_ns = NOW_NS + 5_000_000
    message = price_pb2.StreamPricesResponse(
        events=[
            price_pb2.PriceStreamEvent(
                merged=2,
                price=price_pb2.PriceUpdate(
                    bid_size=stamp(NOW_NS),
                    last_size=stamp(later_ns),
                    receive_time_ns=later_ns + 1_000_000,
                    publish_time_ns=later_ns + 3_000_000,
                ),
            ),
            price_pb2.PriceStreamEvent(price=price_pb2.PriceUpdate(bid_size=stamp(NOW_NS))),
            price_pb2.PriceStreamEvent(heartbeat=price_pb2.PriceStreamEvent().heartbeat),
        ]
    )
    samples = tmp_path / "samples"
    write_samples(samples, [(1, b""), (later_ns + 7_000_000, message.SerializeToString())])
    assert [time_ns for time_ns, _ in read_samples(samples)] == [1, later_ns + 7_000_000]
    receipts, merged = read_receipts(samples, NOW_NS + 1)
    assert merged == 2
    assert [receipt.stages_ms() for receipt in receipts] == [(1.0, 2.0, 4.0, 7.0)]


def test_stages_are_summed_up_by_percentiles() -> None:
    receipts = [Receipt(0, number * 1_000_000, 0, 0) for number in range(100)]
    rows = stage_rows(receipts)
    assert rows[0]["stage"] == "frame to read"
    assert (rows[0]["p50_ms"], rows[0]["p99_ms"], rows[0]["max_ms"]) == (50.0, 99.0, 99.0)


def test_ticks_of_more_symbols_than_may_be_kept_are_counted() -> None:
    found = play(ticks=400, symbols=8, markets=2)
    assert found["refused"] == 300
    assert found["rows"][-1]["markets"] == 2
