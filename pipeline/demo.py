"""The tour: a synthetic site is made (once), tracked with the shipped weights, scored against its truth and shown."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import yaml

from data.errors import UserError
from data.listing import listed
from data.sources.base import CameraSpec
from data.synthetic.export import TRUTH_FILE, VERSION, make_site
from data.synthetic.scenario import Preset, frozen_hashes, load_preset, preset_names
from pipeline.job.request import RunRequest, RunResult, Videos
from pipeline.weights.store import default_cache_dir

logger = logging.getLogger(__name__)

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "demo.yaml"
OUTPUT = Path("runs") / "demo"


def demo_site(preset: str, seed: int | None = None, cache: Path | None = None) -> Path:
    """The folder of a synthetic site with videos; made when it is not in the cache yet.

    Args:
        preset: see ``load_preset``.
        seed: of the site; None takes the frozen one, or 1 for a preset of one's own.
        cache: folder of weights and sites; None: ``default_cache_dir()``.

    Raises:
        UserError: for an unknown preset, a seed below 0, or a cache that cannot be written or has no room.
    """
    described = load_preset(preset)
    shipped = preset in preset_names()
    frozen_seed, truth = frozen_hashes().get(preset, (1, None)) if shipped else (1, None)
    number = frozen_seed if seed is None else seed
    if number < 0:
        raise UserError(f"seed {number}: give a whole number from 0 up")
    # A preset of one's own may change under its name, and may be called as a shipped one.
    name = described.name if shipped else f"{described.name}-{_fingerprint(described)}"
    sites = (cache or default_cache_dir()) / "sites"
    folder = sites / f"{name}-{number}"
    if _is_made(folder, [camera.name for camera in described.cameras]):
        logger.info("site: %s", folder)
        return folder
    try:
        sites.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {sites}: {error.strerror}; set MTMCT_CACHE to a folder you may write") from None
    logger.info("making the site %s (seed %d) in %s; later runs find it there", described.name, number, folder)
    made = make_site(described, number, folder, reid=False, overwrite=folder.exists())
    if truth is not None and number == frozen_seed and made["truth"] != truth:
        # Last digits differ between processors and libraries, and crowds amplify them: still a site to show and score.
        logger.warning(
            "%s: the site's truth is not the frozen one (a changed generator, another processor or NumPy): its "
            "scores cannot be compared with published ones",
            folder,
        )
    return folder


def site_videos(site: Path) -> tuple[CameraSpec, ...]:
    """The videos of a synthetic site."""
    return tuple(CameraSpec(path.stem, str(path)) for path in listed(site / "video", "*.mp4"))


def demo_request(preset: str) -> RunRequest:
    """The tour's run: a site, scored against its truth, with videos, in a folder that every tour replaces.

    Raises:
        UserError: as ``demo_site``.
    """
    site = demo_site(preset)
    return RunRequest(
        start=Videos(site_videos(site)),
        output=OUTPUT,
        site=site / "site.yaml",
        truth=site / "gt",
        save_video=True,
        overwrite=True,
    )


def describe(result: RunResult) -> str:
    """What to look at when the tour has ended; its scores are told before."""
    folder = result.folder
    videos = ", ".join(str(path) for path in listed(folder.root, "video/*.mp4"))
    return "\n".join(
        (
            "",
            f"look at   {folder.report} (people, evidence of every link, timings)",
            f"videos    {videos}",
            f"tracks    {folder.tracks('x').parent}/<camera>.txt (MOTChallenge rows with global ids)",
            "",
            "These people were rendered, and so were those the networks learnt from: nothing here says how well real",
            "people are tracked. For real footage: python -m pipeline.run --videos a.mp4 b.mp4 (README, Your own",
            "videos).",
        )
    )


def _is_made(folder: Path, cameras: Sequence[str]) -> bool:
    try:
        told = yaml.safe_load((folder / TRUTH_FILE).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return False
    return (
        isinstance(told, dict)
        and told.get("generator") == VERSION
        and all((folder / "video" / f"{camera}.mp4").is_file() for camera in cameras)
    )


def _fingerprint(preset: Preset) -> str:
    return hashlib.sha256(preset.model_dump_json().encode()).hexdigest()[:8]
