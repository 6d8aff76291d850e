"""The section ``[prices]``."""

from attrs import field, frozen

from hyperstream.settings.kinds import Number, about


@frozen
class PriceSettings:
    """Prices, bars and indicators."""

    flush_seconds: float = field(
        default=0.1,
        metadata=about(
            Number(0.0, 10.0),
            "How often what is new is computed and sent; 0 sends every tick by itself.",
        ),
    )
    history_ticks: int = field(
        default=5_000,
        metadata=about(
            Number(1, 10_000_000, is_whole=True),
            "How many trades are kept of each market, for newcomers to begin with; 24 bytes each.",
        ),
    )
    history_bars: int = field(
        default=1_000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many closed bars are kept of each market and interval in use; 56 bytes each.",
        ),
    )
    linger_seconds: float = field(
        default=30.0,
        metadata=about(
            Number(0.0, 3600.0),
            "How long bars and indicators are kept up to date after the last who followed them has gone.",
        ),
    )
    max_markets: int = field(
        default=1_000,
        metadata=about(
            Number(1, 100_000, is_whole=True), "How many markets prices are kept of; more are refused."
        ),
    )
    max_series: int = field(
        default=10_000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many prices, bars and indicators there may be for all subscribers together.",
        ),
    )
    max_series_per_stream: int = field(
        default=2_000,
        metadata=about(
            Number(1, 1_000_000, is_whole=True),
            "How many prices, bars and indicators one StreamPrices call may follow.",
        ),
    )
