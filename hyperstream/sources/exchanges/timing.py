"""How long a feed waits for what; the defaults are right for the venues, tests are in a hurry."""

from __future__ import annotations

from attrs import frozen

HOUR = 3600.0


@frozen
class FeedTiming:
    """Times in seconds.

    - ``listing``: how often the list of instruments is fetched again; ``unchecked``: after how long without
      one symbols are asked for unchecked, where the venue does not mind.
    - ``lifetime``, less up to ``lifetime_jitter``: when a connection of a venue that cuts old ones is
      replaced; ``overlap``: how long both are kept; ``replacement``: how long the new one may take.
    - ``idle``: how long a connection that carries nothing is kept.
    - ``rest_interval``: the least time between two requests of a venue's HTTP interface;
      ``rest_wait``: the first wait after one that failed.
    - ``snapshot_wait``: how long a book without updates waits before its snapshot is asked for.
    - ``resync_wait``: the least time between two attempts to synchronise a book; it doubles, up to
      ``longest_resync_wait``.
    - ``refused``: how long a refusal stands before the venue is asked once more, which doubles up to
      ``longest_refused``; ``deadly``: the same for what seems to have broken connections;
      ``refused_once``: when a subscription is asked for again after a first refusal.
    - ``housekeeping``: how often age, idleness and waiting topics are looked at.
    - ``heartbeat``, ``heartbeat_deadline``, ``healthy``, ``acknowledge``, ``connect``, ``close``: of a
      connection.
    """

    listing: float = HOUR
    unchecked: float = 15.0
    lifetime: float = 23.5 * HOUR
    lifetime_jitter: float = HOUR
    overlap: float = 2.0
    replacement: float = 60.0
    idle: float = 30.0
    rest_interval: float = 1.0
    rest_wait: float = 1.0
    snapshot_wait: float = 2.0
    resync_wait: float = 1.0
    longest_resync_wait: float = 60.0
    refused: float = 60.0
    refused_once: float = 5.0
    deadly: float = 600.0
    longest_refused: float = 6 * HOUR
    close: float = 2.0
    housekeeping: float = 1.0
    heartbeat: float = 20.0
    heartbeat_deadline: float = 10.0
    healthy: float = 10.0
    acknowledge: float = 10.0
    connect: float = 5.0
