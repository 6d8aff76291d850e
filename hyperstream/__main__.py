"""``python -m hyperstream`` is the ``hyperstream`` command."""

from hyperstream.cli import main

main(prog_name="hyperstream")
