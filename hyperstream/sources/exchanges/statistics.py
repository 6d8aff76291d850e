"""What feeds did so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from hyperstream.sockets import ConnectionStatistics
from hyperstream.sources.exchanges.rest import RestClient
from hyperstream.sources.exchanges.streams import BookStream, Stream, TradeStream

if TYPE_CHECKING:
    from hyperstream.sources.exchanges.feed import Feed


@frozen
class BookStatistics:
    """One book: whether it is in step, updates applied and ignored, and how often it broke."""

    key: str
    is_synced: bool
    applied: int
    ignored: int
    breaks: int


@frozen
class FeedStatistics:
    """One venue's feed.

    ``topics`` are wanted, ``refused`` are not served; ``streams`` are subscribed or on their way. ``gaps``
    counts gaps told, ``strays`` messages nobody wanted, ``replaced_lines`` planned changes of connections.
    ``snapshots_useless`` were too old or did not fit. ``rest_requests`` and ``rest_failures`` are of the
    venue's HTTP interface.
    """

    venue: str
    state: str
    detail: str
    instruments: int
    topics: int
    refused: int
    streams: int
    gaps: int
    strays: int
    replaced_lines: int
    items: int
    batches: int
    repeated_trades: int
    snapshots: int
    snapshots_useless: int
    snapshots_waiting: int
    rest_requests: int
    rest_failures: int
    books: tuple[BookStatistics, ...]
    connections: tuple[ConnectionStatistics, ...]


def feed_statistics(feed: Feed, streams: Iterable[Stream], rest: RestClient) -> FeedStatistics:
    """Return what a feed did so far."""
    followed = list(streams)
    lines = feed.lines.all
    return FeedStatistics(
        venue=feed.venue.name,
        state=feed.state,
        detail=feed.detail,
        instruments=len(feed.listing.instruments),
        topics=feed.topic_count,
        refused=feed.refused_count,
        streams=len(followed),
        gaps=feed.gaps,
        strays=feed.lines.strays + sum(line.strays for line in lines),
        replaced_lines=feed.lines.replaced,
        items=feed.outbox.items_sent,
        batches=feed.outbox.batches_sent,
        repeated_trades=sum(stream.repeated for stream in followed if isinstance(stream, TradeStream)),
        snapshots=feed.snapshots.fetched,
        snapshots_useless=feed.snapshots.useless,
        snapshots_waiting=feed.snapshots.waiting_count,
        rest_requests=rest.requests,
        rest_failures=rest.failures,
        books=tuple(_book(stream) for stream in followed if isinstance(stream, BookStream)),
        connections=tuple(line.connection.statistics() for line in lines),
    )


def _book(stream: BookStream) -> BookStatistics:
    book = stream.book
    return BookStatistics(stream.key, book.is_synced, stream.applied, stream.ignored, stream.breaks)
