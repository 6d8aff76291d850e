"""Settings written out again: as TOML with origins, as JSON Schema, as a page of documentation."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import AttrsInstance

from hyperstream.settings.catalogue import Catalogue, Entry, Section, catalogue, part_of, sections

_INTRODUCTION = """\
# Configuration

<!-- Written by `hyperstream config schema --markdown` from the sentences in hyperstream/config.py. -->

`hyperstream run --config FILE` reads a TOML file. Without `--config` it is the file that
`$HYPERSTREAM_CONFIG` names, and without that everything has its default. Three layers, the later wins:

1. the file: `data_dir = "/srv/hl/data"` under `[node]`;
2. the environment, section and key joined by two underscores: `HYPERSTREAM_NODE__DATA_DIR=/srv/hl/data`;
3. the command line: `--set node.data_dir=/srv/hl/data`, as often as needed.

In the environment and after `--set` a value is read as TOML (`0.1`, `true`, `["BTC", "ETH"]`) and otherwise
taken as a string; lists may also be written `BTC,ETH`. `~` is the home directory of whoever runs
hyperstream. A relative path starts at the directory of the file it stands in, or at the working directory.

Everything is checked before anything starts. An unknown name, a wrong type or an impossible value ends with
exit code 2 and one line for each problem: where it stands, which setting, what it must be.

- `hyperstream config check FILE` does only that.
- `hyperstream config show FILE` prints what would be used, and where each value came from.
- `hyperstream config schema > hyperstream.schema.json` writes a JSON Schema. An editor that knows TOML
  schemas completes and explains the settings of a file that begins with `#:schema hyperstream.schema.json`.
"""


def toml_value(value: object) -> str:
    """Return a setting's value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def as_toml(settings: AttrsInstance, origins: Mapping[str, str], unset: Mapping[str, Path]) -> str:
    """Return the settings as a TOML file, each line with its origin as a comment.

    ``unset`` says for settings that are None what stands in for them; they are commented out.
    """
    lines: list[str] = []
    entries = catalogue(type(settings)())
    for section in sections(settings):
        lines += [*([""] if lines else []), f"[{section}]"]
        for entry in _of_section(entries, section):
            value = getattr(part_of(settings, section), entry.key)
            text = f"{entry.key} = {toml_value(value)}"
            if value is None:
                text = f"# {entry.key} = {toml_value(unset[entry.name])}"
            origin = origins.get(entry.name, "default").replace("\n", " ")
            lines.append(f"{text:<48}  # {origin}")
    return "\n".join(lines) + "\n"


def as_schema(defaults: AttrsInstance) -> dict[str, Any]:
    """Return the JSON Schema (draft 7, which TOML editors understand) of the configuration file."""
    entries = catalogue(defaults)
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "hyperstream",
        "description": "Configuration of the hyperstream daemon.",
        **_table_schema({}),
    }
    for section in sections(defaults).values():
        table = schema
        *groups, name = section.name.split(".")
        for group in groups:
            table = table["properties"].setdefault(group, _table_schema({}))
        table["properties"][name] = _section_schema(section, entries)
    return schema


def _section_schema(section: Section, entries: Catalogue) -> dict[str, Any]:
    described = {entry.key: _property_schema(entry) for entry in _of_section(entries, section.name)}
    return {"description": section.text, **_table_schema(described)}


def _table_schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def as_markdown(defaults: AttrsInstance) -> str:
    """Return docs/configuration.md."""
    entries = catalogue(defaults)
    parts = [_INTRODUCTION]
    for section in sections(defaults).values():
        parts.append(f"\n## `[{section.name}]`\n\n{section.text}\n\n")
        parts.append("| setting | default | may be | |\n|---|---|---|---|\n")
        for entry in _of_section(entries, section.name):
            about = entry.about
            parts.append(f"| `{entry.key}` | {_default_text(entry)} | {about.kind.label} | {about.text} |\n")
    return "".join(parts)


def _of_section(entries: Catalogue, section: str) -> list[Entry]:
    return [entry for entry in entries.values() if entry.section == section]


def _property_schema(entry: Entry) -> dict[str, Any]:
    default = entry.about.default if entry.about.default is not None else entry.default
    described: dict[str, Any] = {"description": entry.about.text, **entry.about.kind.schema()}
    if entry.default is not None:
        is_plain = isinstance(default, bool | int | float)
        described["default"] = (
            default if is_plain else list(default) if isinstance(default, tuple) else str(default)
        )
    return described


def _default_text(entry: Entry) -> str:
    if entry.default is None:
        return entry.about.default or "unset"
    return f"`{entry.about.default or toml_value(entry.default)}`"
