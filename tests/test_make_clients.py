"""``make clients`` and Node: a machine without it, or an npm that fails, is told of and fails nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "rm", "head", "touch", "mkdir")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with what the recipe calls and nothing else: the whole PATH of `make`."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (directory / tool).symlink_to(found)
    return directory


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """The package to install, with what an earlier installation left."""
    directory = tmp_path / "clients"
    (directory / "node_modules" / "left").mkdir(parents=True)
    for name in (".npmrc", "package.json", "package-lock.json"):
        (directory / name).touch()
    return directory


def install(programs: Path, clients: Path) -> str:
    """Make the packages, which must succeed; returns what was said."""
    make = shutil.which("make")
    assert make
    told = subprocess.run(
        [make, f"NODE_CLIENTS={clients}", f"{clients}/node_modules/.installed"],
        cwd=ROOT,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def place(programs: Path, npm: str) -> None:
    """Put a node and an npm that runs these lines of shell on the PATH."""
    for name, script in (("node", ""), ("npm", npm)):
        program = programs / name
        program.write_text(f"#!{programs}/sh\n{script}\n")
        program.chmod(0o755)


def test_without_node_it_is_said_that_a_test_is_skipped(programs: Path, clients: Path) -> None:
    (line,) = install(programs, clients).splitlines()
    assert line == "node and npm are not here: the test of @nktkas/hyperliquid is skipped"


def test_an_npm_that_fails_is_told_in_one_line_and_tried_again(programs: Path, clients: Path) -> None:
    place(programs, "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network' >&2; exit 1")
    for _ in range(2):
        (line,) = install(programs, clients).splitlines()
        assert "failed (npm error code ENOTFOUND): the test of @nktkas/hyperliquid is skipped" in line
        assert not (clients / "node_modules").exists(), "half an installation would be taken for one"


def test_an_npm_that_succeeds_says_nothing_and_is_not_asked_again(programs: Path, clients: Path) -> None:
    place(programs, 'mkdir -p node_modules; echo "$*" >> asked; echo added')
    assert install(programs, clients) == ""
    assert "up to date" in install(programs, clients)
    (asked,) = (clients / "asked").read_text().splitlines()
    assert asked.startswith("ci --ignore-scripts")
