"""Where the time goes: wall seconds, item counts, and how many items come together, per stage."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class StageClock:
    """Adds up the wall time of named stages; threads may share one clock.

    Stages of different threads overlap, so their sum may exceed the run's wall time.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @staticmethod
    def from_summary(summary: Mapping[str, Mapping[str, float | int]]) -> "StageClock":
        """Go on from what ``summary`` gave."""
        clock = StageClock()
        for stage, spent in summary.items():
            clock.seconds[stage], clock.items[stage] = float(spent["seconds"]), int(spent["items"])
            clock.calls[stage] = int(spent.get("calls", 0))
        return clock

    @contextmanager
    def measure(self, stage: str, items: int = 1) -> Iterator[None]:
        """Time a block.

        Args:
            stage: name of the stage.
            items: how many frames or rows the block handles.
        """
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
                self.items[stage] = self.items.get(stage, 0) + items
                self.calls[stage] = self.calls.get(stage, 0) + 1

    def summary(self) -> dict[str, dict[str, float | int]]:
        """Per stage: total seconds, items, in how many calls they came, milliseconds per item."""
        return {
            stage: {
                "seconds": round(spent, 4),
                "items": self.items[stage],
                "calls": self.calls[stage],
                "ms_per_item": round(1000 * spent / max(self.items[stage], 1), 3),
            }
            for stage, spent in self.seconds.items()
        }
