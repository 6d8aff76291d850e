"""What ``hyperstream demo`` prints at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperstream.cli.views.numbers import SECOND, compact
from hyperstream.cli.views.showcase import latency_text

if TYPE_CHECKING:
    from hyperstream.cli.demo import Demo


def summary(demo: Demo) -> list[str]:
    """The lines: what was received, whether the books equal the node's, how the daemon ended."""
    view, feed, prices = demo.showcase, demo.showcase.feed, demo.showcase.prices
    equal = sum(one.is_equal for one in demo.comparisons)
    verdict = "yes" if equal == len(demo.comparisons) and demo.is_stream_equal else "NO"
    levels = sum(one.levels for one in demo.comparisons)
    venues = sorted({price.label.split()[-1] for price in prices.rows.values() if price.is_head})
    indicators = sum(not row.is_head for row in prices.rows.values())
    lines = [
        f"blocks     {demo.blocks} written by the fake node, the last at height {demo.node.height:,}",
        f"events     {feed.events.total:,.0f} received in {demo.messages:,} messages, "
        f"{compact(demo.message_bytes)}B",
        f"trades     {view.tape.buys + view.tape.sells:,}",
        f"prices     {prices.feed.events.total:,.0f} updates from {', '.join(venues) or 'nowhere'}; "
        f"{indicators} indicator values (missed: {prices.feed.missed()})",
        f"gaps       {sum(feed.gaps.values()) + feed.holes} (missed: {feed.missed()})",
        f"latency    {latency_text(view.latency)}, from the node's line to the event at the subscriber",
        f"books equal the node's: {verdict} ({equal} of {len(demo.comparisons)} markets, {levels:,} levels)",
    ]
    lines += [f"  {one.symbol:11} {one.best:24} node {one.true_best}" for one in demo.comparisons]
    drained = f"drained in {demo.drain_ns / SECOND:.2f} s, " if demo.exit_code is not None else ""
    lines.append(f"daemon     {drained}exit code {demo.exit_code}")
    return lines
