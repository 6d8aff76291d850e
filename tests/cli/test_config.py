"""``hyperstream config``: what is in effect, whether it is right, what there is to set."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from hyperstream.cli import main
from hyperstream.config import Settings, load


@pytest.fixture
def cli() -> CliRunner:
    return CliRunner()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "hyperstream.toml"
    path.write_text('[node]\ndata_dir = "/srv/hl/data"\nmarkets = ["BTC"]\n')
    return path


def test_show_prints_every_setting_and_where_it_came_from(cli: CliRunner, config_file: Path) -> None:
    arguments = ["config", "show", str(config_file), "--set", "grpc.listen=[::1]:0"]
    result = cli.invoke(main, arguments, env={"HYPERSTREAM_LOG__LEVEL": "debug"})
    assert result.exit_code == 0
    lines: dict[str, str] = {}
    for line in result.output.splitlines():
        if " = " in line:
            lines.setdefault(line.split(" =")[0], line)
    assert lines["data_dir"].startswith('data_dir = "/srv/hl/data"')
    assert lines["data_dir"].endswith(f"# {config_file}")
    assert lines["listen"].endswith("# --set grpc.listen=[::1]:0")
    assert lines["level"].endswith("# environment variable HYPERSTREAM_LOG__LEVEL")
    assert lines["drain_seconds"].endswith("# default")
    assert lines["# snapshot_file"].startswith(
        '# snapshot_file = "/srv/hl/data/hyperstream_l4_snapshot.json"'
    )


def test_what_show_prints_is_a_configuration_file(cli: CliRunner, config_file: Path, tmp_path: Path) -> None:
    shown = cli.invoke(main, ["config", "show", str(config_file)]).output
    tomllib.loads(shown)
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(again, environ={}) == load(config_file, environ={})


def test_check_says_ok(cli: CliRunner, config_file: Path) -> None:
    result = cli.invoke(main, ["config", "check", str(config_file)])
    assert (result.exit_code, result.output) == (0, "ok\n")


def test_check_exits_with_2_and_one_line_per_problem(cli: CliRunner, config_file: Path) -> None:
    config_file.write_text('[node]\ndata_dri = "/x"\nlayout = "csv"\n')
    result = cli.invoke(main, ["config", "check", str(config_file)])
    assert result.exit_code == 2
    assert result.stdout == ""
    heading, *lines = result.stderr.splitlines()
    assert heading == "The configuration cannot be used:"
    assert lines[0] == f"  {config_file}: node.data_dri is not a setting; did you mean node.data_dir?"
    assert "node.layout must be one of" in lines[1]


def test_check_looks_at_the_file_of_the_environment(cli: CliRunner, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    result = cli.invoke(main, ["config", "check"], env={"HYPERSTREAM_CONFIG": str(missing)})
    assert result.exit_code == 2
    assert f"{missing}: there is no such file" in result.stderr


def test_schema_is_json_schema(cli: CliRunner) -> None:
    schema = json.loads(cli.invoke(main, ["config", "schema"]).output)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert set(schema["properties"]) == {field.name for field in Settings.__attrs_attrs__}


def test_the_installed_program_checks_a_file(config_file: Path) -> None:
    command = [sys.executable, "-m", "hyperstream", "config", "check", str(config_file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")
