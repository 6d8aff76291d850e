"""Clocks, percentiles and the kernel's figures about processes (Linux)."""

import cProfile
import gc
import io
import os
import pstats
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROFILE_ROWS = 15


@define(eq=False)
class CpuClock:
    """Adds up processor time of this process; ``with clock:`` round what counts."""

    seconds: float = 0.0
    _since: float = 0.0

    def __enter__(self) -> None:
        self._since = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._since


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time a process has used, user and system, in seconds (steps of 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int | str = "self") -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE_BYTES


def allow_descriptors() -> None:
    """Let this process open as many files and sockets as the system allows it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie; they must be sorted."""
    if not ascending:
        return 0.0
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def settle_memory() -> None:
    """Free what can be freed, so that two readings of ``resident_bytes`` compare."""
    gc.collect()


def profile(run: Callable[[], object]) -> str:
    """Run once under cProfile; return the functions that took longest themselves, as text."""
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(run)
    return print_profile(profiler)


@contextmanager
def profiling(is_profiled: bool) -> Iterator[None]:
    """Profile the block if wanted, and print the result to standard error."""
    if not is_profiled:
        yield
        return
    profiler = cProfile.Profile(time.process_time)
    with profiler:
        yield
    print(print_profile(profiler, 2 * PROFILE_ROWS), file=sys.stderr)


def print_profile(source: cProfile.Profile | Path, rows: int = PROFILE_ROWS) -> str:
    """Return the functions that took longest themselves, of a profile or of a file with one."""
    text = io.StringIO()
    statistics = pstats.Stats(str(source) if isinstance(source, Path) else source, stream=text)
    statistics.strip_dirs().sort_stats("tottime").print_stats(rows)
    return text.getvalue().strip()
