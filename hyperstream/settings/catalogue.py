"""Every setting there is, by its full name (``node.data_dir``), taken from the attrs classes themselves."""

import difflib
from collections.abc import Mapping

from attrs import AttrsInstance, fields, frozen

from hyperstream.settings.kinds import ABOUT, About


@frozen
class Entry:
    """One setting: ``section.key``, what it may be, what it does, and what it is when nobody says."""

    section: str
    key: str
    about: About
    default: object

    @property
    def name(self) -> str:
        """The full name, as ``--set`` takes it."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it: parts of the name are joined by two underscores."""
        return f"HYPERSTREAM_{self.name.replace('.', '__')}".upper()


@frozen
class Section:
    """A table of the file: its name (``node``, ``feeds.binance``), its class and that class's docstring."""

    name: str
    made_by: type[AttrsInstance]
    text: str


Catalogue = Mapping[str, Entry]


def sections(defaults: AttrsInstance, group: str = "") -> dict[str, Section]:
    """Return the tables of the file by name, from an instance that holds the defaults.

    A class that holds tables instead of settings is a group: ``feeds`` of ``feeds.binance``.
    """
    found: dict[str, Section] = {}
    for attribute in fields(type(defaults)):
        name = f"{group}.{attribute.name}" if group else attribute.name
        holder = getattr(defaults, attribute.name)
        made_by = type(holder)
        if all(ABOUT not in inner.metadata for inner in fields(made_by)):
            found |= sections(holder, name)
            continue
        text = " ".join((made_by.__doc__ or "").split("\n\n")[0].split())
        found[name] = Section(name, made_by, text)
    return found


def part_of(settings: AttrsInstance, section: str) -> AttrsInstance:
    """Return the part of the settings that a section's name stands for."""
    part = settings
    for name in section.split("."):
        part = getattr(part, name)
    return part


def catalogue(defaults: AttrsInstance) -> dict[str, Entry]:
    """Return every setting by full name, in the order of the classes."""
    entries = {}
    for section in sections(defaults).values():
        holder = part_of(defaults, section.name)
        for attribute in fields(section.made_by):
            entry = Entry(
                section.name, attribute.name, attribute.metadata[ABOUT], getattr(holder, attribute.name)
            )
            entries[entry.name] = entry
    return entries


def nearest(name: str, entries: Catalogue) -> str:
    """Return "; did you mean …?" for a name nobody knows, or what there is to choose from."""
    section, dot, key = name.rpartition(".")
    names = sorted({entry.section for entry in entries.values()})
    if section in names:
        keys = {entry.key: entry.name for entry in entries.values() if entry.section == section}
        elsewhere = [entry.name for entry in entries.values() if entry.key == key]
        close = [keys[match] for match in difflib.get_close_matches(key, keys, n=1)]
        if guess := elsewhere or close:
            return f"; did you mean {guess[0]}?"
        return f"; [{section}] has {', '.join(keys)}"
    example = next((full for full in entries if full.startswith(f"{name}.")), "")
    if example:
        return f"; it is a section, name a key of it as in {example}"
    close = difflib.get_close_matches(name, entries if dot else names, n=1)
    by_key = [entry.name for entry in entries.values() if entry.key == key]
    if guess := close or by_key:
        return f"; did you mean {guess[0]}?"
    return f"; the sections are {', '.join(names)}"
