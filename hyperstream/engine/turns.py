"""In which order followed topics take their turns, and whose message is whole after each.

A block's message to a subscriber is whole once all its topics have been published. So the topics of one
subscriber come together, those of subscribers with few topics first, and each gets its message after its own
turn instead of after everybody's: whoever follows every aggregation of every book has a turn of its own, the
last. A market is applied in the first turn that needs it. Topics without a prompt follower have no turn.

Turns are only an order: with any other, and when they are out of date, everybody gets the same at the end
of the block. So they are brought up to date behind a block, never in front of one.
"""

from __future__ import annotations

from attrs import define, frozen

from hyperstream.engine.live_market import LiveMarket
from hyperstream.engine.markets import Markets
from hyperstream.engine.topics import LevelTopic
from hyperstream.hub.hub import Hub
from hyperstream.hub.subscription import Subscription
from hyperstream.market.updates import BlockStamp

MOST_TURNS = 16
# Working out turns takes a microsecond for each topic of each subscriber: not for crowds.
MOST_CURSORS = 10_000


@frozen
class Turn:
    """These markets, these topics of theirs and of earlier turns', and who needs to wait for no others.

    ``followed`` tells how many topics each of these subscribers had when turns were worked out.
    """

    symbols: frozenset[str]
    topics: tuple[tuple[str, LevelTopic], ...]
    subscribers: tuple[Subscription, ...]
    followed: tuple[int, ...]

    def publish(self, changed: dict[str, LiveMarket], stamp: BlockStamp) -> None:
        """Publish its topics of the markets that the block has changed."""
        for symbol, topic in self.topics:
            if symbol in changed and topic.topic.prompt:
                changed[symbol].publish_level(topic, stamp)

    def end(self, hub: Hub) -> None:
        """Its topics are published: write what is whole, to those who can take it at once.

        All others wait for the end of the block, so that what they cost comes last.
        """
        marked = hub.marked
        for subscriber, topics in zip(self.subscribers, self.followed, strict=True):
            if (
                subscriber in marked
                and subscriber.is_prompt
                and subscriber.is_idle
                and len(subscriber.cursors) == topics
            ):
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
        """The followed topics, subscriber by subscriber."""
        followed = {symbol: market for symbol, market in self.markets.by_symbol.items() if market.has_topics}
        topics = [topic for market in followed.values() for topic in market.level_topics()]
        if sum(len(topic.topic.prompt) + len(topic.topic.late) for topic in topics) > MOST_CURSORS:
            return (Turn(frozenset(followed), _by_symbol(topics), (), ()),)
        wanted: dict[Subscription, list[LevelTopic]] = {}
        for topic in topics:
            for cursor in topic.topic.cursors:
                wanted.setdefault(cursor.subscription, []).append(topic)
        fewest_first = sorted(wanted.items(), key=lambda item: len(item[1]))
        groups = _group([mine for _, mine in fewest_first])
        turn_of = {topic: number for number, group in enumerate(groups) for topic in group}
        subscribers: list[list[Subscription]] = [[] for _ in groups]
        for subscriber, mine in fewest_first:
            last = max(turn_of[topic] for topic in mine)
            subscribers[last].append(subscriber)
        turns: list[Turn] = []
        waiting = set(followed)
        for group, named in zip(groups, subscribers, strict=True):
            symbols = frozenset(topic.market.symbol for topic in group) & waiting
            waiting -= symbols
            followed_now = tuple(len(subscriber.cursors) for subscriber in named)
            turns.append(Turn(symbols, _by_symbol(group), tuple(named), followed_now))
        if waiting:
            turns.append(Turn(frozenset(waiting), (), (), ()))
        return tuple(turns)


def _by_symbol(topics: list[LevelTopic]) -> tuple[tuple[str, LevelTopic], ...]:
    return tuple((topic.market.symbol, topic) for topic in topics)


def _group(wanted: list[list[LevelTopic]]) -> list[list[LevelTopic]]:
    """Put each topic where it is first wanted, in at most MOST_TURNS groups of topics.

    Shares are worked out from the greatest wish to the least: one that is large fills a group of its own,
    and leaves many small ones to the rest.
    """
    gone: set[LevelTopic] = set()
    wishes: list[list[LevelTopic]] = []
    for mine in wanted:
        new = [topic for topic in mine if topic not in gone]
        gone.update(new)
        if new:
            wishes.append(new)
    groups: list[list[LevelTopic]] = []
    left, share = len(gone), 0
    for new in reversed(wishes):
        if not groups or len(groups[-1]) >= share:
            share = -(-left // (MOST_TURNS - len(groups)))
            groups.append([])
        groups[-1] += new
        left -= len(new)
    groups.reverse()
    return groups
