"""Writes hyperstream/v1 from the .proto files; ``--check`` only says whether it is current."""

import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
PACKAGE = Path("hyperstream") / "v1"
INIT = '"""Messages of the public contract, generated from proto/ by `make proto`; not edited by hand."""\n'


def generate(into: Path) -> None:
    """Write the package's modules and stubs below ``into``."""
    files = sorted(str(path) for path in (SOURCES / PACKAGE).glob("*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    arguments = ["protoc", f"-I{SOURCES}", f"-I{well_known}", f"--python_out={into}", f"--pyi_out={into}"]
    if protoc.main([*arguments, *files]) != 0:
        raise SystemExit("protoc failed; its message is above")
    (into / PACKAGE / "__init__.py").write_text(INIT)


def stale(directory: Path) -> list[str]:
    """Return the names of generated files that differ from what protoc would write now."""
    generate(directory)
    fresh = {path.name: path.read_bytes() for path in (directory / PACKAGE).iterdir() if path.is_file()}
    kept = {path.name: path.read_bytes() for path in (ROOT / PACKAGE).iterdir() if path.is_file()}
    return sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))


def main() -> None:
    """Generate, or check."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return
    with tempfile.TemporaryDirectory() as directory:
        names = stale(Path(directory))
    if names:
        raise SystemExit(f"not current, run `make proto`: {', '.join(names)}")


if __name__ == "__main__":
    main()
