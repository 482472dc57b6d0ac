"""The application: perception, tracking, association and everything written to the run folder.

    from pipeline import track_videos

    result = track_videos({"hall": "hall.mp4", "door": "door.mp4"}, "runs/today")
    for person in result.global_tracks:
        print(person.global_id, [(visit.camera, visit.start_s, visit.end_s) for visit in person.visits])

What is exported is imported when it is first used.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

_SIBLINGS = ("configs", "data", "reid", "st_model", "tools", "trackers")


def _check_siblings() -> None:
    """Refuse to run when another distribution's package shadows one of ours.

    Top-level names such as ``trackers`` are generic: a clash would silently mix two programs.

    Raises:
        ImportError: naming both paths and the cure.
    """
    home = Path(__file__).resolve().parent.parent
    for name in _SIBLINGS:
        spec = find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent
        if found != home / name:
            raise ImportError(
                f"package '{name}' resolves to {found}, not to {home / name}: another installed distribution has the "
                f"same name. Run from the checkout ({home}) or install this project into a virtual environment of its "
                f"own (pip install -e {home})."
            )


_check_siblings()

if TYPE_CHECKING:
    from pipeline.association.associate import Association, associate
    from pipeline.backends.registry import build_detector, build_embedder, build_perceiver, build_pose
    from pipeline.config import Config, load_config
    from pipeline.folder.run_folder import RunFolder
    from pipeline.job.calls import associate_run, track_videos
    from pipeline.job.request import RunRequest, RunResult
    from pipeline.job.stopping import InterruptedRun
    from pipeline.weights.store import WeightStore
else:
    from data.exports import lazily

    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Association": "pipeline.association.associate",
            "Config": "pipeline.config",
            "InterruptedRun": "pipeline.job.stopping",
            "RunFolder": "pipeline.folder.run_folder",
            "RunRequest": "pipeline.job.request",
            "RunResult": "pipeline.job.request",
            "WeightStore": "pipeline.weights.store",
            "associate": "pipeline.association.associate",
            "associate_run": "pipeline.job.calls",
            "build_detector": "pipeline.backends.registry",
            "build_embedder": "pipeline.backends.registry",
            "build_perceiver": "pipeline.backends.registry",
            "build_pose": "pipeline.backends.registry",
            "load_config": "pipeline.config",
            "track_videos": "pipeline.job.calls",
        },
    )

__all__ = [
    "Association",
    "Config",
    "InterruptedRun",
    "RunFolder",
    "RunRequest",
    "RunResult",
    "WeightStore",
    "associate",
    "associate_run",
    "build_detector",
    "build_embedder",
    "build_perceiver",
    "build_pose",
    "load_config",
    "track_videos",
]
