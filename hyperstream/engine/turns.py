"""In which order followed markets take their turns, and whose message is whole after each.

A block's message to a subscriber is whole once all its markets have been applied and published.
So the markets of one subscriber come together, those of subscribers with few markets first, and each
gets its message after its own turn instead of after everybody's. Turns are only an order: with any
other, and when they are out of date, everybody gets the same at the end of the block.
"""

from __future__ import annotations

from attrs import define, frozen

from hyperstream.engine.markets import Markets
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription

MOST_TURNS = 16
# Working out turns takes a microsecond for each market of each subscriber: not for crowds.
MOST_CURSORS = 10_000


@frozen
class Turn:
    """These markets, and the subscribers that need to wait for no others."""

    symbols: frozenset[str]
    subscribers: tuple[Subscription, ...]

    def end(self, hub: Hub) -> None:
        """Its markets are published: write what is whole, to those who can take it at once.

        All others wait for the end of the block, so that what they cost comes last.
        """
        marked = hub.marked
        for subscriber in self.subscribers:
            if subscriber in marked and subscriber.is_prompt and subscriber.is_idle:
                del marked[subscriber]
                subscriber.flush()


@define(eq=False)
class Turns:
    """The turns of a block. They are worked out anew when somebody came or left, or topics were dropped."""

    markets: Markets
    turns: tuple[Turn, ...] = ()
    _audience: object = None

    def update(self) -> None:
        """Bring ``turns`` up to date."""
        audience = self.markets.audience
        if audience != self._audience:
            self._audience = audience
            self.turns = self._work_out()

    def _work_out(self) -> tuple[Turn, ...]:
        """The followed markets, subscriber by subscriber."""
        followed = {symbol: market for symbol, market in self.markets.by_symbol.items() if market.has_topics}
        topics = [(symbol, topic) for symbol, market in followed.items() for topic in market.topics()]
        if sum(len(topic.prompt) + len(topic.late) for _, topic in topics) > MOST_CURSORS:
            return (Turn(frozenset(followed), ()),)
        wanted: dict[Subscription, set[str]] = {}
        for symbol, topic in topics:
            for cursor in topic.cursors:
                wanted.setdefault(cursor.subscription, set()).add(symbol)
        fewest = -(-len(followed) // MOST_TURNS)
        gone: set[str] = set()
        turns: list[tuple[set[str], list[Subscription]]] = []
        for subscriber, mine in sorted(wanted.items(), key=lambda item: len(item[1])):
            new = mine - gone
            if not turns or (new and len(turns[-1][0]) >= fewest):
                turns.append((set(), []))
            symbols, subscribers = turns[-1]
            symbols |= new
            gone |= new
            subscribers.append(subscriber)
        turns.append((followed.keys() - gone, []))
        return tuple(
            Turn(frozenset(symbols), tuple(subscribers)) for symbols, subscribers in turns if symbols
        )
