"""The two runs most programs want, as plain calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.site import Site
from data.sources.open import camera_specs
from pipeline.config import Config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.job.request import EarlierRun, RunRequest, RunResult, Videos, new_output
from pipeline.job.runner import run

StrPath = str | Path


def track_videos(
    videos: Mapping[str, StrPath] | Sequence[StrPath],
    output: StrPath | None = None,
    *,
    config: Config | StrPath | None = None,
    overrides: Sequence[str] = (),
    site: Site | StrPath | None = None,
    detections: StrPath | None = None,
    truth: StrPath | None = None,
    corrections: StrPath | None = None,
    limit: int | None = None,
    save_video: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> RunResult:
    """Track people through several videos: one identity per person over all cameras and over time.

    All that the command line ``python -m pipeline.run`` writes lies afterwards in the run folder. While it goes on,
    OpenCV and linear algebra have one thread and torch ``run.threads``, in all of the process; then again those they
    had.

    Args:
        videos: camera name -> video file, image folder, address of a stream or number of a webcam; or only these, and
            cameras are called as the files.
        output: the run folder; None: ``runs/<date>-<time>`` in the working folder.
        config: resolved configuration, or a YAML patch on the defaults; None: the defaults.
        overrides: "key.sub=value" on top of a patch or the defaults.
        site: cameras, clocks and overlap, or a ``site.yaml``; None: nothing is known of them.
        detections: folder of ``<camera>.txt``, ``.npz`` or ``.json`` with the people of the videos; None: networks
            find them.
        truth: folder of ground truth to score against.
        corrections: file of pairs that a person declared the same or different.
        limit: only the first so many frames of every camera.
        save_video: render overlay videos into ``video/``.
        resume: go on with an interrupted run in ``output``.
        overwrite: replace an earlier run in ``output``.

    Returns:
        Identities, evidence, tracklets and counts, with the run folder.

    Raises:
        UserError: for anything the caller can mend.
        InterruptedRun: a ``KeyboardInterrupt`` after which ``resume`` goes on.
        ValueError: for overrides on top of a configuration that is resolved already.
    """
    request = RunRequest(
        start=Videos(tuple(camera_specs(videos)), _path(detections)),
        output=_path(output) or new_output(),
        site=site if isinstance(site, Site) else _path(site),
        truth=_path(truth),
        corrections=_path(corrections),
        limit=limit,
        save_video=save_video,
        resume=resume,
        overwrite=overwrite,
    )
    if not isinstance(config, Config):
        config = load_config([] if config is None else [Path(config)], overrides)
    elif overrides:
        raise ValueError("overrides go with a YAML patch or the defaults; give them to load_config")
    return run(request, config)


def associate_run(
    folder: StrPath,
    *,
    config: StrPath | None = None,
    overrides: Sequence[str] = (),
    site: Site | StrPath | None = None,
    truth: StrPath | None = None,
    corrections: StrPath | None = None,
    end: bool = False,
) -> RunResult:
    """Associate the tracklets of an earlier run anew; needs no video and no GPU.

    Its identities, links, track files and report are rewritten; old global ids stay with the people they overlap.

    Args:
        folder: of the run.
        config: YAML patch on the run's own configuration.
        overrides: "key.sub=value" on top.
        site: corrected clocks or overlap; None: the run's own.
        truth: folder of ground truth to score against.
        corrections: file of pairs that a person declared the same or different.
        end: a run that was stopped ends where it is, with what was tracked.

    Raises:
        UserError: when it is no run folder, its tracking did not finish, or a file is broken.
    """
    own = RunFolder(Path(folder)).require()
    request = RunRequest(
        start=EarlierRun(end),
        output=own.root,
        site=site if isinstance(site, Site) else _path(site),
        truth=_path(truth),
        corrections=_path(corrections),
    )
    patches = [] if config is None else [Path(config)]
    return run(request, load_config([own.config, *patches], overrides))


def _path(value: StrPath | None) -> Path | None:
    return None if value is None else Path(value)
