"""The truth that a run is scored against: looked at before the run begins, so that it can cost no run.

Cameras are matched by name. Those of the run that have truth are scored; a run of which no camera has any does not
begin. Once people are tracked, whatever is wrong with the truth is a warning.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from data.datasets.mot_folder import read_mot_folder
from data.errors import UserError
from pipeline.evaluation.evaluate import EvaluationOptions, check_truth, evaluate_folders
from pipeline.evaluation.result import EvaluationResult
from pipeline.folder.stages import Stage, WarningKind
from pipeline.job.job import Job

logger = logging.getLogger(__name__)


def check_run_truth(truth: Path, cameras: Sequence[str], limit: int | None) -> None:
    """Read the truth of the cameras of a run.

    Args:
        truth: folder of ground truth.
        cameras: of the run.
        limit: frames of every camera at most, or None.

    Raises:
        UserError: it is broken, or about none of the cameras.
    """
    check_truth(truth, _options(truth, cameras, limit))


def score_run(job: Job, truth: Path) -> EvaluationResult | None:
    """Score the track files of a run; what the reader of the scores must know becomes a warning of the run.

    Returns:
        The scores; None where there are none, which a warning explains: the run itself is whole.
    """
    try:
        options = _options(truth, job.cameras, job.limit)
        with job.clock.measure(Stage.SCORE):
            result = evaluate_folders(truth, job.folder.tracks("x").parent, options)
    except UserError as error:
        job.warn(WarningKind.SCORES, f"not scored: {error}")
        return None
    absent = [name for name in read_mot_folder(truth).names if name not in job.cameras]
    for line in [
        *result.warnings,
        *(f"{name}: truth of a camera that this run has not, not scored" for name in absent),
    ]:
        job.warn(WarningKind.SCORES, line)
    logger.info("%s", result.table())
    return result


def _options(truth: Path, cameras: Sequence[str], limit: int | None) -> EvaluationOptions:
    there = read_mot_folder(truth).names
    known = tuple(name for name in there if name in cameras)
    if not known:
        raise UserError(
            f"{truth} has truth of {', '.join(there)}, and this run has the cameras {', '.join(cameras)}; name them "
            "alike"
        )
    return EvaluationOptions(cross_camera=len(known) > 1, sequences=known, allow_missing=True, limit=limit)
