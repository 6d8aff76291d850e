"""How much trouble a venue makes by chance."""

from attrs import asdict, field, fields_dict, frozen, validators

from hyperstream.errors import ConfigurationError


def _rate() -> float:
    rate: float = field(default=0.0, validator=validators.ge(0))
    return rate


@frozen(kw_only=True)
class TroubleRates:
    """Strikes a minute of the venue's clock, by kind. What each does is said in ``trouble.py``."""

    reset: float = _rate()
    drop: float = _rate()
    close: float = _rate()
    half_close: float = _rate()
    stall: float = _rate()
    stall_topic: float = _rate()
    garbage: float = _rate()
    skip: float = _rate()
    repeat: float = _rate()
    refuse: float = _rate()
    too_many: float = _rate()
    html: float = _rate()
    slow_handshake: float = _rate()
    lost_ack: float = _rate()
    refused_ack: float = _rate()
    late_ack: float = _rate()
    failed_request: float = _rate()
    stale_snapshot: float = _rate()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the kinds of trouble there are."""
        return tuple(fields_dict(cls))

    def chosen(self) -> list[tuple[str, float]]:
        """Return the kinds that are wanted, with their rates."""
        return [(kind, rate) for kind, rate in asdict(self).items() if rate]


NONE = TroubleRates()
SOME = TroubleRates(
    reset=0.5, close=0.5, stall=0.2, garbage=1.0, skip=1.0, repeat=2.0, slow_handshake=0.2, late_ack=0.5
)
MUCH = TroubleRates(
    reset=3, drop=2, close=3, half_close=1, stall=2, stall_topic=3, garbage=12, skip=10, repeat=20,
    refuse=0.5, too_many=0.5, html=0.5, slow_handshake=1, lost_ack=1, refused_ack=1, late_ack=2,
    failed_request=3, stale_snapshot=3,
)  # fmt: skip
PRESETS = {"none": NONE, "some": SOME, "much": MUCH}


def trouble_rates(name: str) -> TroubleRates:
    """Return a preset by name."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigurationError(f"no such trouble: {name!r}; choose one of {', '.join(PRESETS)}") from None
