"""The ``hyperstream`` command, and ``python -m hyperstream``."""

import sys

from hyperstream.early_signals import early_signals


def main() -> None:
    """Run the command; ``hyperstream run`` obeys signals from here on."""
    if sys.argv[1:2] == ["run"]:
        early_signals.obey()
    from hyperstream.cli import main as command  # here, because it loads for a while

    command(prog_name="hyperstream")


if __name__ == "__main__":
    main()
