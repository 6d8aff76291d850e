"""The delivery contracts: what becomes of updates that a subscriber has not taken yet."""

from __future__ import annotations

from hyperstream.hub.conflated import ConflatedSubscription
from hyperstream.hub.delivery import Contract, OutboxLimits
from hyperstream.hub.queued import LosslessSubscription, ResyncSubscription
from hyperstream.hub.subscription import Subscription

SUBSCRIPTIONS: dict[Contract, type[Subscription]] = {
    Contract.LOSSLESS: LosslessSubscription,
    Contract.RESYNC: ResyncSubscription,
    Contract.CONFLATE: ConflatedSubscription,
}
DEFAULT_LIMITS = OutboxLimits()
