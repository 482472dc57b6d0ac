"""The truth that a run is scored against: looked at before the run begins, so that it can cost no run.

Cameras are matched by name. Those of the run that have truth are scored; a run of which no camera has any does not
begin. Once people are tracked, whatever is wrong with the truth is a warning.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.datasets.mot_folder import read_mot_folder
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from pipeline.evaluation.association.links import check_links
from pipeline.evaluation.association.runs import truth_of_run
from pipeline.evaluation.evaluate import EvaluationOptions, check_truth, evaluate
from pipeline.evaluation.result import EvaluationResult
from pipeline.folder.stages import Stage, WarningKind
from pipeline.job.job import Job

if TYPE_CHECKING:
    from pipeline.association.associate import Association

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
    known = read_mot_folder(truth)
    check_truth(known, _options(known, cameras, limit))


def score_run(job: Job, folder: Path, association: "Association") -> EvaluationResult | None:
    """Score the track files and the links of a run into its folder; what the reader must know becomes a warning.

    Args:
        job: whose track files are written.
        folder: of ground truth.
        association: its persons, and how far links are expected to be right.

    Returns:
        The scores; None where there are none, which a warning explains: the run itself is whole.
    """
    try:
        truth = read_mot_folder(folder)
        options = _options(truth, job.cameras, job.limit)
        with job.clock.measure(Stage.SCORE):
            result = evaluate(truth, job.folder.tracks("x").parent, options)
    except UserError as error:
        job.warn(WarningKind.SCORES, f"not scored: {error}")
        return None
    absent = [name for name in truth.names if name not in job.cameras]
    for line in [
        *result.warnings,
        *(f"{name}: truth of a camera that this run has not, not scored" for name in absent),
    ]:
        job.warn(WarningKind.SCORES, line)
    metrics = result.to_json()
    judged = {row.name for row in result.rows if row.kind == "sequence"}
    if len({camera for camera, _ in association.labels} & judged) > 1:
        known = truth_of_run(job.folder.read_tracklets(), truth, limit=job.limit)
        expected = association.expectation
        check = check_links(known, association.labels, expected.precision, expected.recall)
        metrics["links_over_cameras"] = check.to_json()
        logger.info("%s", check.line())
    job.folder.write_json(job.folder.metrics, metrics)
    return result


def _options(truth: TrackingDataset, cameras: Sequence[str], limit: int | None) -> EvaluationOptions:
    known = tuple(name for name in truth.names if name in cameras)
    if not known:
        raise UserError(
            f"{truth.root} has truth of {', '.join(truth.names)}, and this run has the cameras {', '.join(cameras)}; "
            "name them alike"
        )
    return EvaluationOptions(cross_camera=len(known) > 1, sequences=known, allow_missing=True, limit=limit)
