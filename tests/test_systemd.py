"""The unit and the example configuration agree with the program and with each other."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hyperstream.activation import SERVERS
from hyperstream.config import Settings, load
from hyperstream.servers.door.binding import BACKLOG
from hyperstream.settings.catalogue import catalogue, part_of

SYSTEMD = Path(__file__).resolve().parent.parent / "systemd"
PROGRAM = "/opt/hyperstream/.venv/bin/hyperstream"


def section(file: str, name: str) -> configparser.SectionProxy:
    """A section of a unit, or of what is dropped beside one."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign] # the documented way to keep case
    parser.read(SYSTEMD / file)
    return parser[name]


@pytest.fixture
def service() -> configparser.SectionProxy:
    return section("hyperstream.service", "Service")


@pytest.fixture
def verifiable(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / "hyperstream.service"
    text = (SYSTEMD / "hyperstream.service").read_text()
    assert PROGRAM in text
    path.write_text(text.replace(PROGRAM, "/bin/true"))
    return path


def test_the_example_loads() -> None:
    assert load(SYSTEMD / "hyperstream.toml", environ={}).node.data_dir == Path("/home/hyperliquid/hl/data")


def test_the_example_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    text = (SYSTEMD / "hyperstream.toml").read_text()
    uncommented = tmp_path / "hyperstream.toml"
    uncommented.write_text(re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    shown, defaults = load(uncommented, environ={}), Settings()
    for name, entry in catalogue(defaults).items():
        assert re.search(rf"^#?{entry.key} = ", text, re.MULTILINE), f"{name} is missing"
        value = getattr(part_of(shown, entry.section), entry.key)
        if name == "node.snapshot_file":
            assert value == shown.node.data_dir / "hyperstream_l4_snapshot.json"
        elif name != "node.data_dir":
            assert value == entry.default, name


def test_the_unit_waits_longer_than_a_drain(service: configparser.SectionProxy) -> None:
    assert float(service["TimeoutStopSec"]) > Settings().lifecycle.drain_seconds + 5


def test_a_bad_configuration_is_not_restarted(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"
    assert "2" in service["RestartPreventExitStatus"].split()


def test_the_unit_shows_the_data_directory_of_the_example(service: configparser.SectionProxy) -> None:
    assert service["BindReadOnlyPaths"] == str(load(SYSTEMD / "hyperstream.toml", environ={}).node.data_dir)
    assert service["ProtectHome"] == "tmpfs"


def test_the_unit_runs_the_command_there_is(service: configparser.SectionProxy) -> None:
    assert service["ExecStart"] == f"{PROGRAM} run --config /etc/hyperstream/hyperstream.toml"
    assert PROGRAM in (SYSTEMD / "README.md").read_text()


@pytest.mark.parametrize("server", SERVERS)
def test_a_socket_unit_listens_where_its_server_does_by_default(server: str) -> None:
    unit = section(f"hyperstream-{server}.socket", "Socket")
    assert unit["ListenStream"] == str(getattr(Settings(), server).listen)
    assert unit["FileDescriptorName"] == server
    assert unit["Service"] == "hyperstream.service"
    assert int(unit["Backlog"]) == BACKLOG


def test_the_service_is_handed_the_socket_of_every_server() -> None:
    handed = section("hyperstream-sockets.conf", "Service")["Sockets"].split()
    assert handed == [f"hyperstream-{server}.socket" for server in SERVERS]


def test_systemd_finds_nothing_wrong_with_the_units(verifiable: Path) -> None:
    sockets = section("hyperstream-sockets.conf", "Service")["Sockets"]
    text = verifiable.read_text()
    verifiable.write_text(text.replace("[Service]", f"[Service]\nSockets={sockets}"))
    for unit in sockets.split():
        shutil.copy(SYSTEMD / unit, verifiable.with_name(unit))
    units = [str(verifiable), *(str(verifiable.with_name(unit)) for unit in sockets.split())]
    result = subprocess.run(
        ["systemd-analyze", "verify", *units],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in result.stderr.splitlines() if "hyperstream" in line]
    assert not complaints


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("", r"gives the unit ([0-9.]+) of 10"),
        (
            "PrivateNetwork=yes\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX\n",
            r"to ([0-9.]+) \(see",
        ),
    ],
)
def test_the_exposure_is_the_one_the_readme_names(verifiable: Path, changes: str, words: str) -> None:
    readme = (SYSTEMD / "README.md").read_text()
    assert all(line in readme for line in changes.splitlines())
    text = verifiable.read_text()
    verifiable.write_text(text.replace("[Install]", f"{changes}\n[Install]"))
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(verifiable)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = re.search(r"Overall exposure level for hyperstream.service: ([0-9.]+)", result.stdout)
    if found is None:
        pytest.skip("this systemd-analyze cannot review unit files offline")
    named = re.search(words, readme)
    assert named is not None
    assert float(found[1]) <= float(named[1])
