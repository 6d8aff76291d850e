"""The node of a benchmark, as a process: writes prepared blocks when told to, at an even pace.

It is told by lines of JSON on standard input and answers each with one on standard output:

    (start)                          {"symbols": […], "height": H}     snapshot written, blocks prepared
    {"blocks": 900, "rate": 15}      {"written": [[height, ns], …], "late_ms": …}

``ns`` is the wall clock right after the block's lines were written; their local time is the clock
right before. Blocks are made ahead, so that while it is measured it only copies and writes.
"""

import gc
import sys
import time
from pathlib import Path

import click
import orjson
from attrs import define

from benchmarks.processes import answer
from hyperstream.testing import PRESETS, FakeNode, PreparedBlock

NS = 1_000_000_000
SPIN_NS = 200_000  # the last moment before a block is due is not left to the scheduler


@define(eq=False)
class Generator:
    """Writes the blocks it was given, in order."""

    fake: FakeNode
    blocks: list[PreparedBlock]
    _written: int = 0

    def write(self, blocks: int, rate: float) -> dict[str, object]:
        """Write so many blocks, ``rate`` a second; returns when each was written and the worst delay."""
        written: list[tuple[int, int]] = []
        late_ns = 0
        step_ns = int(NS / rate)
        due_ns = time.monotonic_ns()
        for block in self.blocks[self._written : self._written + blocks]:
            due_ns += step_ns
            wait_ns = due_ns - time.monotonic_ns() - SPIN_NS
            if wait_ns > 0:
                time.sleep(wait_ns / NS)
            while time.monotonic_ns() < due_ns:
                pass
            late_ns = max(late_ns, time.monotonic_ns() - due_ns)
            self.fake.write_prepared(block)
            written.append((block.height, time.time_ns()))
        self._written += len(written)
        return {"written": written, "late_ms": late_ns / 1e6}


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--snapshot", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--load", "load_name", type=click.Choice(list(PRESETS)), default="mainnet")
@click.option("--markets", type=int, default=600)
@click.option("--resting-orders", type=int, help="Orders in all books.  [default: the load's]")
@click.option("--layout", default="by_block")
@click.option("--blocks", type=int, required=True, help="Blocks to prepare.")
def main(
    data_dir: Path,
    snapshot: Path,
    load_name: str,
    markets: int,
    resting_orders: int | None,
    layout: str,
    blocks: int,
) -> None:
    """Prepare blocks, then write them as told on standard input."""
    load = PRESETS[load_name]
    if resting_orders is not None:
        load = load.with_resting_orders(resting_orders)
    fake = FakeNode(data_dir, layout=layout, markets=markets, load=load)
    height = fake.write_snapshot(snapshot)
    generator = Generator(fake, fake.prepare(blocks))
    gc.disable()
    answer({"symbols": fake.symbols, "height": height})
    for line in sys.stdin.buffer:
        order = orjson.loads(line)
        answer(generator.write(order["blocks"], order["rate"]))
    fake.close()


if __name__ == "__main__":
    main()
