"""The exchanges' sections: ``[feeds.binance]``, ``[feeds.hyperliquid]`` and so on."""

from typing import Any

from attrs import field, frozen

from hyperstream.settings.kinds import Boolean, Choice, Number, WebAddress, Words, about


def _enabled() -> Any:
    return field(default=True, metadata=about(Boolean(), "Whether this venue is listened to at all."))


def _url(default: str, more: str = "") -> Any:
    text = f"Where its WebSocket is{more}."
    return field(default=default, metadata=about(WebAddress(schemes=("ws", "wss")), text))


def _rest_url(default: str, what: str) -> Any:
    return field(default=default, metadata=about(WebAddress(), f"Where its HTTP interface is: {what}."))


def _retry() -> Any:
    return field(
        default=1.0,
        metadata=about(
            Number(0.01, 300.0),
            "The longest wait before the second attempt to connect; it doubles each time, up to 60 s.",
        ),
    )


def _silence() -> Any:
    return field(
        default=60.0,
        metadata=about(
            Number(0.1, 3600.0),
            "A stream of quotes, books, bars or tickers that says nothing for so long is subscribed anew.",
        ),
    )


@frozen
class BinanceFeedSettings:
    """Binance spot. Quotes and trades of the symbols are followed always, everything else on demand."""

    enabled: bool = _enabled()
    url: str = _url("wss://stream.binance.com:9443/stream")
    rest_url: str = _rest_url("https://api.binance.com", "books' snapshots and the list of symbols")
    symbols: tuple[str, ...] = field(
        default=("BTCUSDT", "ETHUSDT"),
        metadata=about(Words("symbols", least=0), "The symbols that are always followed; may be none."),
    )
    trades: str = field(
        default="trade",
        metadata=about(
            Choice(("trade", "aggTrade")),
            "Which stream trades come from: each trade, or all fills of an order at one price as one.",
        ),
    )
    snapshot_levels: int = field(
        default=1000,
        metadata=about(
            Number(5, 5000, is_whole=True),
            "How many levels of each side a book begins with; more cost more of the venue's request limit.",
        ),
    )
    retry_seconds: float = _retry()
    silence_seconds: float = _silence()


@frozen
class BinanceFuturesFeedSettings:
    """Binance USD-M futures. Quotes and trades of the symbols are followed always, the rest on demand."""

    enabled: bool = _enabled()
    url: str = _url("wss://fstream.binance.com", "; the paths /public/stream and /market/stream are added")
    rest_url: str = _rest_url("https://fapi.binance.com", "books' snapshots and the list of symbols")
    symbols: tuple[str, ...] = field(
        default=("BTCUSDT", "ETHUSDT"),
        metadata=about(Words("symbols", least=0), "The symbols that are always followed; may be none."),
    )
    trades: str = field(
        default="aggTrade",
        metadata=about(
            Choice(("aggTrade", "trade")),
            "Which stream trades come from: fills of an order at one price as one, or each (undocumented).",
        ),
    )
    retry_seconds: float = _retry()
    silence_seconds: float = _silence()


@frozen
class HyperliquidFeedSettings:
    """Hyperliquid's WebSocket. Quotes and trades of the coins are followed always, the rest on demand."""

    enabled: bool = _enabled()
    url: str = _url("wss://api.hyperliquid.xyz/ws")
    rest_url: str = _rest_url("https://api.hyperliquid.xyz/info", "the list of coins")
    coins: tuple[str, ...] = field(
        default=("BTC", "ETH"),
        metadata=about(Words("coins", least=0), "The coins that are always followed; may be none."),
    )
    retry_seconds: float = _retry()
    silence_seconds: float = _silence()


@frozen
class BybitFeedSettings:
    """Bybit v5, one market family; every topic is followed on demand."""

    enabled: bool = _enabled()
    url: str = _url("wss://stream.bybit.com/v5/public/linear", "; its last part is the market family")
    rest_url: str = _rest_url("https://api.bybit.com", "the list of symbols")
    retry_seconds: float = _retry()
    silence_seconds: float = _silence()


@frozen
class FeedsSettings:
    """The exchanges that are listened to."""

    binance: BinanceFeedSettings = field(factory=BinanceFeedSettings)
    binance_futures: BinanceFuturesFeedSettings = field(factory=BinanceFuturesFeedSettings)
    hyperliquid: HyperliquidFeedSettings = field(factory=HyperliquidFeedSettings)
    bybit: BybitFeedSettings = field(factory=BybitFeedSettings)

    @classmethod
    def none(cls) -> "FeedsSettings":
        """Listen to no exchange at all."""
        return cls(
            BinanceFeedSettings(enabled=False),
            BinanceFuturesFeedSettings(enabled=False),
            HyperliquidFeedSettings(enabled=False),
            BybitFeedSettings(enabled=False),
        )
