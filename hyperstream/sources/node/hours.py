"""The hourly files of one directory: ``{directory}/{YYYYMMDD}/{H}``, ``H`` without leading zero.

The hour is that of the node's wall clock when it wrote, not of the block, so the current
file is never derived from a time: it is the newest by (date, hour), compared as numbers
(``9`` comes before ``10``).
"""

import os
import re
from pathlib import Path

from attrs import field, frozen

from hyperstream.errors import LayoutError

_DATE = re.compile(r"[0-9]{8}\Z", re.ASCII)
_HOUR = re.compile(r"[0-9]{1,2}\Z", re.ASCII)


@frozen(order=True)
class Hour:
    """One hourly file; ordered by date, then by hour as a number."""

    date: str
    hour: int
    name: str = field(eq=False, order=False, default="")

    @property
    def file(self) -> str:
        """The path relative to the source's directory: ``20260505/17``."""
        return f"{self.date}/{self.name or self.hour}"


def parse_hour(date: str, name: str) -> Hour | None:
    """Return the hour that a date directory and a file name stand for, None for anything else."""
    if _DATE.match(date) and _HOUR.match(name) and int(name) < 24:
        return Hour(date, int(name), name)
    return None


def list_dates(directory: Path, since: str = "") -> list[str]:
    """Return the date directories from ``since`` on, oldest first; a missing directory has none."""
    return sorted(name for name in _names(directory) if name >= since and _DATE.match(name))


def list_hours(directory: Path, since: Hour | None = None) -> list[Hour]:
    """Return the hourly files from ``since`` on, oldest first; a missing directory has none.

    Should the node ever write an hour both as ``9`` and ``09``, only the first by name is listed.
    """
    found: dict[Hour, Hour] = {}
    for date in list_dates(directory, since.date if since else ""):
        for name in sorted(_names(directory / date)):
            hour = parse_hour(date, name)
            if hour is not None and (since is None or hour >= since):
                found.setdefault(hour, hour)
    return sorted(found)


def newest_hour(directory: Path) -> Hour | None:
    """Return the newest hourly file, None when there is none yet."""
    for date in reversed(list_dates(directory)):
        hours = [hour for name in _names(directory / date) if (hour := parse_hour(date, name))]
        if hours:
            return max(hours)
    return None


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as exc:
        raise LayoutError(
            f"{directory} may not be listed; give the user of hyperstream access to it"
        ) from exc
