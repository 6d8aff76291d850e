"""docs/indicators.md is current and says what is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperstream.market.indicators import catalogue
from hyperstream.market.indicators.kind import LONGEST_PERIOD, LONGEST_WARM_UP
from hyperstream.market.indicators.page import BEGIN, END, with_catalogue
from hyperstream.market.indicators.ta_lib import moving_averages

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "indicators.md").read_text(encoding="utf-8")


def test_the_catalogue_in_the_page_is_current() -> None:
    assert with_catalogue(PAGE) == PAGE, "run: python docs/generate.py"


def test_every_kind_is_in_the_page() -> None:
    for kind in catalogue():
        assert f"| `{kind.name}`" in PAGE


def test_an_outdated_page_is_brought_up_to_date() -> None:
    assert with_catalogue(f"above {BEGIN} old {END} below").startswith(f"above {BEGIN}\n\n### ")
    assert with_catalogue(f"above {BEGIN} old {END} below").endswith(f"\n{END} below")


def test_a_page_without_a_place_for_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold these two lines"):
        with_catalogue("nothing")


def test_the_limits_and_choices_in_the_text_are_the_programs() -> None:
    assert f"at most {LONGEST_PERIOD:,}, and" in PAGE
    assert f"at most {LONGEST_WARM_UP:,} inputs" in PAGE
    assert f"one of {', '.join(moving_averages())}." in PAGE
