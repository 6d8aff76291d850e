"""How long Python's garbage collector makes everything else wait."""

import time

from attrs import define, field

GENERATIONS = (0, 1, 2)


@define(eq=False)
class Pauses:
    """Longest pause, sum and count of the collections of each generation."""

    longest: list[float] = field(factory=lambda: [0.0] * 3)
    seconds: list[float] = field(factory=lambda: [0.0] * 3)
    count: list[int] = field(factory=lambda: [0] * 3)
    _began: float = 0.0

    def note(self, phase: str, info: dict[str, int]) -> None:
        """What ``gc.callbacks`` calls."""
        now = time.perf_counter()
        if phase == "start":
            self._began = now
            return
        generation = info["generation"]
        pause = now - self._began
        self.longest[generation] = max(self.longest[generation], pause)
        self.seconds[generation] += pause
        self.count[generation] += 1
