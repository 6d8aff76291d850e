"""Settings written out: as TOML, as a schema, as a page, all from the same classes."""

import json
import tomllib
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st

from hyperstream.config import GrpcSettings, NodeSettings, Settings, load
from hyperstream.settings.catalogue import catalogue
from hyperstream.settings.rendering import as_markdown, as_schema, as_toml, toml_value

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_has_one_sentence_of_documentation() -> None:
    for entry in catalogue(Settings()).values():
        assert entry.about.text.endswith("."), entry.name
        assert entry.about.text[0].isupper() or entry.about.text.startswith("json "), entry.name


def test_toml_of_the_settings_loads_back_to_the_same_settings(tmp_path: Path) -> None:
    settings = attrs.evolve(
        Settings(),
        node=NodeSettings(
            data_dir=Path('/srv/"odd"\\näme\x7f'),
            markets=("BTC", "@107"),
            snapshot_file=Path("/shared/l4.json"),
        ),
        grpc=GrpcSettings(listen="[::1]:0"),
    )
    path = tmp_path / "shown.toml"
    path.write_text(as_toml(settings, {}, {}))
    assert load(path, environ={}) == settings


@given(st.text().filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text)))
def test_any_string_is_written_as_toml_reads_it(text: str) -> None:
    assert tomllib.loads(f"value = {toml_value(text)}")["value"] == text


def test_the_schema_knows_every_setting_and_refuses_others() -> None:
    schema = as_schema(Settings())
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    for entry in catalogue(Settings()).values():
        table = schema
        for part in entry.section.split("."):
            table = table["properties"][part]
            assert table["additionalProperties"] is False
        described = table["properties"][entry.key]
        assert described["description"] == entry.about.text
    assert schema["properties"]["node"]["additionalProperties"] is False
    assert schema["properties"]["node"]["properties"]["data_dir"]["default"] == "~/hl/data"
    assert schema["properties"]["log"]["properties"]["level"]["enum"] == ["debug", "info", "warning", "error"]


def test_the_configuration_page_is_current() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == as_markdown(Settings()), (
        "run: hyperstream config schema --markdown > docs/configuration.md"
    )
