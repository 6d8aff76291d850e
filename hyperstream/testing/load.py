"""How busy the fake exchange is."""

from attrs import evolve, field, frozen, validators

from hyperstream.errors import ConfigurationError


@frozen
class Load:
    """Averages per block; single blocks vary round them.

    ``resting_orders`` is what all books hold together at the start and hover round later.
    ``variety`` is the share of openings that are not plain limit orders: stops, children,
    builders, queue jumps, market-maker orders without statuses. ``burstiness`` is the
    spread of a block's size (0: every block the same).
    """

    statuses_per_block: float = field(validator=validators.ge(0))
    diffs_per_block: float = field(validator=validators.ge(0))
    fills_per_block: float = field(validator=validators.ge(0))
    resting_orders: int = field(validator=validators.ge(0))
    users: int = field(default=100, validator=validators.ge(2))
    variety: float = field(default=0.2, validator=validators.and_(validators.ge(0), validators.le(1)))
    burstiness: float = field(default=0.3, validator=validators.and_(validators.ge(0), validators.le(1)))

    def with_resting_orders(self, resting_orders: int) -> "Load":
        """Return the same load over fuller or emptier books."""
        return evolve(self, resting_orders=resting_orders)


QUIET = Load(32, 16, 2, resting_orders=800)
BUSY = Load(220, 130, 6, resting_orders=6_000, users=600, variety=0.06)
MAINNET = Load(1_570, 1_040, 13, resting_orders=60_000, users=4_000, variety=0.01)

PRESETS = {"quiet": QUIET, "busy": BUSY, "mainnet": MAINNET}


def preset(name: str) -> Load:
    """Return a preset by name; raises ConfigurationError for an unknown one."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigurationError(f"no load named {name!r}; choose from {', '.join(PRESETS)}") from None
