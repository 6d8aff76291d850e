"""The tree keeps its own promises: hashed locks, exact pins, current generated code, no machine's paths."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("run.lock", "dev.lock")
NODE_CLIENTS = ROOT / "tests" / "acceptance" / "clients"
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;]+)")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
# Written in two parts, so that this file does not find itself.
_MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:work|root" + r"|Users)(?![\w-])")
_REGISTRY = re.compile(
    r"pypi\.(?:org|python)|pythonhosted" + r"\.org|--(?:extra-)?index-url\s*=?\s*http|registry\.(?:npm|yarn)"
)


def requirements(lock: str) -> list[str]:
    """Return the logical lines of a lock file, without comments."""
    text = (ROOT / "requirements" / lock).read_text().replace("\\\n", " ")
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def versions(lock: str) -> dict[str, str]:
    """Return the locked version of each package."""
    found = (_REQUIREMENT.match(line) for line in requirements(lock))
    return {match["name"]: match["version"] for match in found if match}


def tree() -> list[Path]:
    """Return the files that belong to the project: those git knows, or all where there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60
        )
        paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not any(_is_foreign(part) for part in path.parts)]
    return [path for path in paths if path.is_file()]


def _is_foreign(part: str) -> bool:
    return part.startswith(".") or part == "node_modules"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_is_exact_and_hashed(lock: str) -> None:
    lines = requirements(lock)
    assert len(lines) > 10
    for line in lines:
        assert _REQUIREMENT.match(line), line
        assert _HASH.search(line), line


def test_what_is_developed_with_is_what_runs() -> None:
    run, dev = versions("run.lock"), versions("dev.lock")
    assert {name: dev.get(name) for name in run} == run


def test_every_locked_node_package_is_exact_and_hashed_and_names_no_registry() -> None:
    wanted = json.loads((NODE_CLIENTS / "package.json").read_text())["dependencies"]
    lock = json.loads((NODE_CLIENTS / "package-lock.json").read_text())["packages"]
    assert lock.pop("")["dependencies"] == wanted
    assert {f"node_modules/{name}" for name in wanted} <= set(lock)
    for name, version in wanted.items():
        assert version == lock[f"node_modules/{name}"]["version"], name
    for name, package in lock.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
        assert "resolved" not in package, name


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {name.lower().replace("_", "-") for name in versions("run.lock")}
    for dependency in project["dependencies"]:
        name = re.split(r"[<>=!~\[; ]", dependency)[0]
        assert name.lower().replace("_", "-") in locked, dependency


@pytest.mark.parametrize("name", ["grpclib", "h2"])
def test_the_libraries_whose_edges_are_touched_are_pinned_exactly(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = [entry for entry in project["dependencies"] if re.fullmatch(rf"{name}\s*==.*", entry)]
    assert pin == f"{name}=={versions('run.lock')[name]}"


def test_generated_code_is_current() -> None:
    command = [sys.executable, "proto/generate.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr


def test_the_commands_of_the_documents_are_make_targets() -> None:
    targets = make_targets()
    assert {"demo", "test"} <= targets, "the two commands a newcomer needs"
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:^|`|\$ )make ([a-z]+)", path.read_text(), re.MULTILINE))
        assert named <= targets, f"{path.name} names {named - targets}"


def test_every_make_target_that_makes_no_file_is_phony() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(phony.split()) == make_targets()


def test_no_file_names_a_machines_path_or_a_package_registry() -> None:
    found = []
    for path in tree():
        text = path.read_bytes().decode(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if _MACHINE_PATH.search(line) or _REGISTRY.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("part", ["work/main/x", "root/.venv/bin", "Users/me", "root"])
def test_a_planted_machine_path_would_be_found(part: str) -> None:
    assert _MACHINE_PATH.search(f'path = "/{part}"')
    assert _MACHINE_PATH.search(f"/{part}")


def test_ordinary_paths_are_not_mistaken_for_a_machines() -> None:
    for line in (
        "tests/work/x",
        "/opt/hyperstream/work/x",
        "~/root/x",
        "/srv/hl/data",
        "./work/x",
        "/working",
    ):
        assert not _MACHINE_PATH.search(line), line


def test_the_license_is_mit() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License\n")
    assert "The hyperstream authors" in text
