"""Writes the generated part of docs/indicators.md."""

from pathlib import Path

from hyperstream.market.indicators.page import with_catalogue

PAGE = Path(__file__).resolve().parent / "indicators.md"


def main() -> None:
    """Put the catalogue of now into the page."""
    PAGE.write_text(with_catalogue(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
