"""What is known of a run while it goes on."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from data.redaction import RedactingFormatter, redact_tree
from data.runtime.choice import RuntimeChoice
from data.runtime.stage_clock import StageClock
from data.site import Site
from pipeline.config import Config
from pipeline.folder.manifest import VERSION, command_line, versions
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import RunWarning, Status, WarningKind

logger = logging.getLogger(__name__)


@dataclass
class Job:
    """A run that goes on; ends up in the manifest.

    Attributes:
        folder: the run folder, prepared.
        config: resolved configuration.
        site: cameras, clocks, overlap.
        inputs: per camera, what was read.
        weights: per kind, name and hash of the weights used.
        runtimes: what computes each network of them.
        limit: frames of every camera at most; None: all.
        warnings: in the order they came up.
        clock: timings per stage.
        counts: what was counted, by stage.
        wall_s: wall time so far, seconds.
    """

    folder: RunFolder
    config: Config
    site: Site
    inputs: Mapping[str, Mapping[str, Any]]
    weights: Mapping[str, list[dict[str, object]]] = field(default_factory=dict)
    runtimes: Mapping[str, RuntimeChoice] = field(default_factory=dict)
    warnings: list[RunWarning] = field(default_factory=list)
    clock: StageClock = field(default_factory=StageClock)
    counts: dict[str, Any] = field(default_factory=dict)
    wall_s: float = 0.0
    limit: int | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names, in the order given by the user."""
        return tuple(self.inputs)

    def write_manifest(self, status: Status) -> None:
        """Write what is known so far."""
        clocks = {
            camera: {"status": self.site.clock(camera).status, "offset_s": self.site.clock(camera).offset_s}
            for camera in self.cameras
        }
        self.folder.write_json(
            self.folder.manifest,
            {
                "version": VERSION,
                "status": status.value,
                "command": redact_tree(list(command_line())),
                "versions": versions(),
                "inputs": self.inputs,
                "clocks": clocks,
                "weights": self.weights,
                "runtimes": {key: choice.to_json() for key, choice in self.runtimes.items()},
                "seed": self.config.run.seed,
                "limit": self.limit,
                "counts": self.counts,
                "warnings": redact_tree([warning.to_json() for warning in self.warnings]),
                "timings": {"wall_s": round(self.wall_s, 3), "stages": self.clock.summary()},
            },
        )

    def warn(self, kind: WarningKind, text: str, camera: str = "") -> None:
        """Log a warning and keep it for the manifest."""
        warning = RunWarning(kind, text, camera)
        logger.warning("%s", warning)
        self.warnings.append(warning)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Add the wall time of a block to the run's, and copy its log lines into the run folder."""
        handler = logging.FileHandler(self.folder.claim(self.folder.log), encoding="utf-8")
        handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.wall_s += time.perf_counter() - start
            root.removeHandler(handler)
            handler.close()
