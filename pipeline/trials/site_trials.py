"""The same synthetic sites through the pipeline in several ways: how much each network is worth, in tracking scores."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.weight_records import file_sha256
from pipeline.config import dump_config, load_config
from pipeline.demo import CONFIG, demo_site, site_videos
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import Status
from pipeline.job.request import RunRequest, Videos
from pipeline.job.runner import run

logger = logging.getLogger(__name__)

PERFECT, SHIPPED = "perfect", "shipped"
MEASURES = ("HOTA", "IDF1")
_NO_CROPS = "run.crops=false"


@dataclass(frozen=True, slots=True)
class Way:
    """One way through the pipeline.

    Attributes:
        name: of the way and of its run folders.
        config: patch on the defaults.
        perfect: people and skeletons come from the truth; appearance is still looked at.
    """

    name: str
    config: Path
    perfect: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """Scores of one way on one site.

    Attributes:
        preset: of the site.
        seed: of the site.
        way: name.
        per_camera: HOTA and IDF1 (0-1) of all cameras, each with its own ids.
        cross_camera: the same with one id per person over all cameras.
    """

    preset: str
    seed: int
    way: str
    per_camera: dict[str, float]
    cross_camera: dict[str, float]


def parse_way(text: str) -> Way:
    """The way of a command line: ``shipped``, ``perfect``, or ``NAME=CONFIG.yaml``.

    Raises:
        UserError: for anything else.
    """
    if text == SHIPPED:
        return Way(SHIPPED, CONFIG)
    if text == PERFECT:
        return Way(PERFECT, CONFIG, perfect=True)
    name, equals, path = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"--ways {text}: give {SHIPPED}, {PERFECT}, or NAME=CONFIG.yaml")
    return Way(name, Path(path))


def run_trial(preset: str, seed: int, way: Way, out: Path, overrides: Sequence[str] = ()) -> Trial:
    """Run one way on one site, or read the scores of a complete run of the same configuration and weights.

    Args:
        preset: see ``demo_site``.
        seed: of the site.
        way: how.
        out: folder of the run folders.
        overrides: "key.sub=value" on top of the way's configuration.

    Raises:
        UserError: as ``pipeline.job.runner.run``.
    """
    site = demo_site(preset, seed)
    folder = RunFolder(out / f"{site.name}-{way.name}")
    config = load_config([way.config], [_NO_CROPS, *overrides])
    if not _is_complete(folder, dump_config(config)):
        start = Videos(site_videos(site), site / "keypoints" if way.perfect else None)
        run(RunRequest(start, folder.root, site / "site.yaml", truth=site / "gt", overwrite=True), config)
    rows = {row["kind"]: row for row in json.loads(folder.metrics.read_text(encoding="utf-8"))["scores"]}
    alone = rows["combined" if "combined" in rows else "sequence"]
    joined = rows.get("cross_camera", alone)
    return Trial(
        preset,
        seed,
        way.name,
        {name: alone[name] for name in MEASURES},
        {name: joined[name] for name in MEASURES},
    )


def table(trials: Sequence[Trial]) -> str:
    """Mean and standard deviation over seeds, in percent; one line per preset and way."""
    lines = [f"{'preset':10} {'way':10} {'seeds':>5}  {'HOTA':>12} {'IDF1':>12}  {'cross HOTA':>12} {'cross IDF1':>12}"]
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.preset, trial.way), []).append(trial)
    for (preset, way), members in groups.items():
        cells = [
            _spread([100 * getattr(trial, scope)[name] for trial in members])
            for scope in ("per_camera", "cross_camera")
            for name in MEASURES
        ]
        alone, joined = (" ".join(f"{cell:>12}" for cell in pair) for pair in (cells[:2], cells[2:]))
        lines.append(f"{preset:10} {way:10} {len(members):5}  {alone}  {joined}")
    return "\n".join(lines)


def _is_complete(folder: RunFolder, config: str) -> bool:
    """Whether the scores in a folder are those that a run would give now."""
    if not folder.metrics.exists() or folder.config.read_text(encoding="utf-8") != config:
        return False
    manifest = folder.read_manifest()
    weights = [(Path(one["path"]), one["sha256"]) for found in manifest["weights"].values() for one in found]
    return manifest["status"] == Status.COMPLETE and all(
        path.exists() and file_sha256(path) == digest for path, digest in weights
    )


def _spread(values: Sequence[float]) -> str:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.1f} ± {deviation:.1f}"
