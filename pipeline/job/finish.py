"""From tracklets to identities and everything that is written of them; needs no video and no GPU."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pipeline.association.associate import Association, associate
from pipeline.association.corrections import Correction
from pipeline.association.transitions import find_transitions, save_transitions
from pipeline.evaluation.evaluate import EvaluationOptions, evaluate_folders
from pipeline.folder.track_files import write_track_files
from pipeline.job.job import Job
from pipeline.report.page import write_report
from st_model.model import TransitionModel

logger = logging.getLogger(__name__)


def finish(job: Job, *, truth: Path | None = None, corrections: Sequence[Correction] = ()) -> Association:
    """Associate the run's tracklets, write identities, track files, evidence, scores and the report.

    Global ids of an earlier association of the same run are inherited where people overlap.

    Args:
        job: a run whose tracklets are complete.
        truth: folder of ground truth to score against, or None.
        corrections: pairs a person declared the same or different.
    """
    folder = job.folder
    with job.clock.measure("associate"):
        tracklets = folder.read_tracklets()
        previous = folder.read_global_tracks() if folder.global_tracks.exists() else None

        def under(model: TransitionModel | None) -> Association:
            return associate(
                tracklets,
                job.site,
                job.config.associate,
                transition=model,
                previous=previous,
                corrections=corrections,
                seed=job.config.run.seed,
            )

        transitions = find_transitions(tracklets, job.site, job.config.st, under)
        association = under(transitions.model)
    for line in association.warnings:
        job.warn(line)
    with job.clock.measure("write"):
        save_transitions(transitions, folder)
        folder.write_links(association.links)
        folder.write_global_tracks(association.global_tracks)
        run = job.config.run
        write_track_files(folder, job.cameras, tracklets, association.labels, run.interpolate_s, run.smooth_s)
    people = len(association.global_tracks)
    several = sum(len({visit.camera for visit in track.visits}) > 1 for track in association.global_tracks)
    uncertain = sum(link.decision == "uncertain" for link in association.links)
    job.counts["association"] = {
        "tracklets": len(tracklets),
        "people": people,
        "people_in_several_cameras": several,
        "uncertain_links": uncertain,
        "calibration": association.calibration,
        "space_time": transitions.summary(),
    }
    logger.info("%d tracklets, %d people, %d of them in several cameras", len(tracklets), people, several)
    if truth is not None:
        _score(job, truth)
    job.write_manifest("complete")
    write_report(folder, job.config.report)
    return association


def _score(job: Job, truth: Path) -> None:
    options = EvaluationOptions(cross_camera=len(job.cameras) > 1)
    with job.clock.measure("score"):
        result = evaluate_folders(truth, job.folder.tracks("x").parent, options)
    for line in result.warnings:
        job.warn(line)
    job.folder.write_json(job.folder.metrics, result.to_json())
    logger.info("%s", result.table())
