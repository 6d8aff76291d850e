"""The catalogue as the tables of docs/indicators.md; ``docs/generate.py`` puts them there."""

from __future__ import annotations

from hyperstream.market.indicators.catalogue import catalogue
from hyperstream.market.indicators.kind import IndicatorKind, Needs, Parameter, ParameterType

BEGIN = "<!-- The catalogue: written by `python docs/generate.py`, not edited by hand. -->"
END = "<!-- End of the catalogue. -->"

_NEEDS = {Needs.SERIES: "ticks or bars", Needs.BARS: "bars", Needs.BOOK: "book"}


def with_catalogue(page: str) -> str:
    """Return the page with what stands between BEGIN and END replaced by the catalogue of now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or END not in page:
        raise ValueError(f"the page must hold these two lines: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return one table for each group, in the order of their names."""
    groups: dict[str, list[IndicatorKind]] = {}
    for kind in catalogue():
        groups.setdefault(kind.group, []).append(kind)
    return "\n".join(_table(group, groups[group]) for group in sorted(groups))


def _table(group: str, kinds: list[IndicatorKind]) -> str:
    lines = [
        f"### {group}",
        "",
        "| name | what it is | computed from | parameters | outputs | first value |",
        "|---|---|---|---|---|---|",
        *(_row(kind) for kind in kinds),
        "",
    ]
    return "\n".join(lines)


def _row(kind: IndicatorKind) -> str:
    source = _NEEDS[kind.needs]
    if kind.needs is Needs.BARS:
        source += ": " + ", ".join(kind.inputs)
    marks = " †" if kind.is_cumulative else ""
    warm_up = kind.warm_up({parameter.name: parameter.default for parameter in kind.parameters})
    cells = [
        f"`{kind.name}`{marks}",
        kind.title,
        source,
        "; ".join(map(_parameter, kind.parameters)),
        ", ".join(kind.outputs),
        str(warm_up),
    ]
    return f"| {' | '.join(cells)} |"


def _parameter(parameter: Parameter) -> str:
    told = f"`{parameter.name}` {_number(parameter.default)}"
    if parameter.type is ParameterType.ENUM or (parameter.minimum is None and parameter.maximum is None):
        return told
    if parameter.maximum is None:
        return f"{told} (≥ {_number(parameter.minimum)})"
    return f"{told} ({_number(parameter.minimum)} to {_number(parameter.maximum)})"


def _number(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, int | float) else f"{value}"
