"""``allMids``: ``{"mids":{"BTC":"84143.5",…}}``, with ``"dex"`` before it when one was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from hyperstream.market.mids import MidsUpdate
from hyperstream.market.updates import Update
from hyperstream.wire.json.hyperliquid import HyperliquidFormat


class AllMidsFormat(HyperliquidFormat):
    """The mid prices of all markets; the name of the update is the dex, empty for the venue's own markets."""

    channel = "allMids"

    def data(self, update: Update) -> Sequence[bytes]:
        """The mids by coin."""
        if type(update) is not MidsUpdate:
            return super().data(update)
        dex = update.name.symbol
        named = b'"dex":%b,' % orjson.dumps(dex) if dex else b""
        return (b'{%b"mids":%b}' % (named, orjson.dumps(update.mids)),)
