"""Decide anew who is who in an earlier run: no video, no GPU, only its tracklets.

python examples/associate_again.py [RUN_FOLDER]

The run is made here, from detection files with appearance: two people dressed alike, one per camera. Once it is known
that the clocks agree and that nobody can be in both views at once, they are two.
"""

import sys
from pathlib import Path

import numpy as np

from data.site import Site
from pipeline import RunRequest, RunResult, associate_run, load_config
from pipeline.job.request import DetectionFiles
from pipeline.job.runner import run

CAMERAS = ("hall", "door")


def first_run(output: Path) -> RunResult:
    """A run on one walker per camera; both look alike, and nothing is known of the clocks."""
    files = output.parent / f"{output.name}_detections"
    files.mkdir(parents=True, exist_ok=True)
    for camera in CAMERAS:
        rows = [f"{frame},-1,{5 + 3 * frame},20,20,60,0.9,-1,-1,-1" for frame in range(1, 41)]
        (files / f"{camera}.txt").write_text("\n".join(rows) + "\n")
        np.save(files / f"{camera}.npy", np.tile(np.eye(8, dtype=np.float32)[0], (40, 1)))
    site = Site.model_validate({"cameras": {camera: {"fps": 10, "size": [200, 100]} for camera in CAMERAS}})
    return run(RunRequest(DetectionFiles(files), output, site, overwrite=True), load_config())


def tell(when: str, result: RunResult) -> None:
    """Who is who."""
    for person in result.global_tracks:
        print(f"{when}: person {person.global_id} in {', '.join(visit.camera for visit in person.visits)}")


def main(output: Path) -> None:
    """Run, learn of the clocks, decide anew."""
    tell("clocks unknown", first_run(output))
    known = {camera: {"fps": 10, "size": [200, 100], "clock": {"status": "common"}} for camera in CAMERAS}
    site = Site.model_validate({"cameras": known, "default_overlap": "none"})
    tell("clocks common", associate_run(output, site=site))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/associate_again"))
