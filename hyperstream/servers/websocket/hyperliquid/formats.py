"""The wire formats of a session: one set for all sessions that are spelled to alike."""

from __future__ import annotations

from attrs import define, field, frozen

from hyperstream.wire.json.candles import CandleFormat
from hyperstream.wire.json.frames import DeflatedFrames, Seal, text_frame
from hyperstream.wire.json.hyperliquid import (
    AssetContextFormat,
    BboFormat,
    HyperliquidFormat,
    L2BookFormat,
    TradesFormat,
)
from hyperstream.wire.json.l4book import L4BookFormat
from hyperstream.wire.json.mids import AllMidsFormat


@frozen
class HyperliquidFormats:
    """How each channel is spelled, and (``any``) what belongs to none."""

    l2_book: HyperliquidFormat
    bbo: HyperliquidFormat
    trades: HyperliquidFormat
    l4_book: HyperliquidFormat
    candle: HyperliquidFormat
    all_mids: HyperliquidFormat
    asset_context: HyperliquidFormat

    @classmethod
    def sealed(cls, seal: Seal, *, tells: bool) -> HyperliquidFormats:
        """The formats whose frames are made by ``seal``; ``tells`` adds our own to what the venue sends."""
        return cls(
            L2BookFormat(seal, tells=tells),
            BboFormat(seal, tells=tells),
            TradesFormat(seal, tells=tells),
            L4BookFormat(seal, tells=tells),
            CandleFormat(seal, tells=tells),
            AllMidsFormat(seal, tells=tells),
            AssetContextFormat(seal, tells=tells),
        )


@define(eq=False)
class FormatSets:
    """All sets there are: made when first needed, so that sessions alike share topics and frames."""

    level: int
    threshold_bytes: int
    _sets: dict[tuple[int, bool], HyperliquidFormats] = field(factory=dict)
    _seals: dict[int, Seal] = field(factory=dict)

    def seal(self, window_bits: int) -> Seal:
        """What makes frames for who takes compressed messages with this window; 0 for none."""
        seal = self._seals.get(window_bits)
        if seal is None:
            seal = text_frame
            if window_bits:
                seal = DeflatedFrames(self.level, self.threshold_bytes, window_bits)
            self._seals[window_bits] = seal
        return seal

    def of(self, window_bits: int, *, tells: bool) -> HyperliquidFormats:
        """The formats of a session with this window."""
        found = self._sets.get((window_bits, tells))
        if found is None:
            found = HyperliquidFormats.sealed(self.seal(window_bits), tells=tells)
            self._sets[window_bits, tells] = found
        return found
