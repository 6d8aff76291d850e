"""Where values come from: a TOML file, then environment variables, then ``--set``; the later wins.

Every layer is read whole and every problem is collected, so one run tells all of them.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from hyperstream.settings.catalogue import Catalogue, nearest
from hyperstream.settings.kinds import describe

PREFIX = "HYPERSTREAM_"
CONFIG_VARIABLE = "HYPERSTREAM_CONFIG"


@frozen
class Given:
    """A value somebody gave: for which setting, where, and the directory its relative paths start at."""

    name: str
    value: object
    origin: str
    base: Path
    shown_name: str = ""


@define(eq=False)
class Reading:
    """What the layers said so far: checked values and their origins by full name, and every problem met."""

    catalogue: Catalogue
    values: dict[str, object] = field(factory=dict)
    origins: dict[str, str] = field(factory=dict)
    problems: list[str] = field(factory=list)

    def take(self, given: Given) -> None:
        """Check one value and let it replace what earlier layers said."""
        shown = given.shown_name or given.name
        entry = self.catalogue.get(given.name)
        if entry is None:
            self._tell(f"{given.origin}: {shown} is not a setting{nearest(given.name, self.catalogue)}")
            return
        try:
            self.values[given.name] = entry.about.kind.parse(given.value, given.base)
        except ValueError as exc:
            self._tell(f"{given.origin}: {given.name} {exc}")
            return
        self.origins[given.name] = given.origin

    def _tell(self, problem: str) -> None:
        """Keep a problem as one line; what does not print, a newline say, is escaped."""
        escaped = (char if char.isprintable() else repr(char)[1:-1] for char in problem)
        self.problems.append("".join(escaped))

    def take_file(self, path: Path) -> None:
        """Read a TOML file; a file that cannot be read is a problem like any other."""
        try:
            table = tomllib.loads(path.read_bytes().decode())
        except FileNotFoundError:
            self._tell(f"{path}: there is no such file")
        except OSError as exc:
            self._tell(f"{path}: cannot be read: {exc.strerror}")
        except UnicodeDecodeError as exc:
            self._tell(f"{path}: is not UTF-8 text (byte {exc.start})")
        except tomllib.TOMLDecodeError as exc:
            self._tell(f"{path}: is not TOML: {exc}")
        else:
            for given in self._from_table(table, path):
                self.take(given)

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """Take ``HYPERSTREAM_SECTION__KEY`` variables; others of that prefix belong to somebody else."""
        single = {entry.variable.replace("__", "_"): entry.variable for entry in self.catalogue.values()}
        for variable in sorted(environ):
            origin = f"environment variable {variable}"
            if variable in single and variable not in single.values():
                self._tell(f"{origin}: has one underscore too few; did you mean {single[variable]}?")
            elif variable.startswith(PREFIX) and "__" in variable:
                name = variable.removeprefix(PREFIX).lower().replace("__", ".")
                self.take(self._from_text(name, environ[variable], origin))

    def take_overrides(self, overrides: Iterable[str]) -> None:
        """Take ``KEY=VALUE`` texts of the command line."""
        for text in overrides:
            name, equals, value = text.partition("=")
            origin = f"--set {text}"
            if not equals:
                self._tell(f"{origin}: must be KEY=VALUE, as in node.enabled=false")
            else:
                self.take(self._from_text(name.strip(), value.strip(), origin))

    def _from_table(self, table: Mapping[str, object], path: Path, group: str = "") -> Iterator[Given]:
        known = {entry.section for entry in self.catalogue.values()}
        base = path.absolute().parent
        for key, content in table.items():
            section = f"{group}{key}"
            is_group = any(name.startswith(f"{section}.") for name in known)
            if section not in known and not is_group:
                shown = f"[{section}]" if isinstance(content, dict) else section
                yield Given(section, None, str(path), base, shown)
            elif not isinstance(content, dict):
                self._tell(f"{path}: {section} must be a table ([{section}]), not {describe(content)}")
            elif is_group:
                yield from self._from_table(content, path, f"{section}.")
            else:
                for name, value in content.items():
                    yield Given(f"{section}.{name}", value, str(path), base)

    def _from_text(self, name: str, text: str, origin: str) -> Given:
        """Read a text as a TOML value, or as the string it is where no TOML value is meant."""
        entry = self.catalogue.get(name)
        try:
            parsed = tomllib.loads(f"value = {text}")
        except tomllib.TOMLDecodeError:
            parsed = {}
        value: object = parsed["value"] if len(parsed) == 1 else text
        if entry is not None:
            kind = entry.about.kind
            if kind.takes_text and not isinstance(value, str):
                value = text
            if isinstance(value, str):
                value = kind.from_text(value)
        return Given(name, value, origin, Path.cwd())


def read_layers(
    catalogue: Catalogue, path: Path | None, environ: Mapping[str, str], overrides: Sequence[str]
) -> Reading:
    """Read file, environment and command line, in this order; problems are in the result."""
    reading = Reading(catalogue)
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    if path is not None:
        reading.take_file(path.expanduser())
    reading.take_environment(environ)
    reading.take_overrides(overrides)
    return reading
