"""From tracklets to a complete run: identities and everything that is written of them; needs no video and no GPU."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.listing import listed
from data.records import Tracklet
from data.site import site_text
from data.splits import apply_splits
from pipeline.association.associate import Association, associate
from pipeline.association.corrections import Correction, write_corrections
from pipeline.association.splitting import find_splits
from pipeline.association.transitions import save_transitions
from pipeline.config import dump_config
from pipeline.folder.outcome import Outcome
from pipeline.folder.output_formats import write_outputs
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import Stage, Status, WarningKind
from pipeline.job.job import Job
from pipeline.job.request import RunResult
from pipeline.job.truth import score_run
from pipeline.report.page import write_report

logger = logging.getLogger(__name__)


def complete(
    job: Job, *, truth: Path | None = None, corrections: Sequence[Correction] = (), save_video: bool = False
) -> RunResult:
    """Associate the run's tracklets; write identities, track files, evidence, scores, videos and the report.

    Global ids of an earlier association of the same run are inherited where people overlap. Its scores go; its videos
    and pages of pairs stay, and a warning tells that they are older.

    Args:
        job: a run whose tracklets are complete.
        truth: folder of ground truth to score against, or None.
        corrections: pairs a person declared the same or different.
        save_video: draw overlay videos.
    """
    with job.at_work():
        association = _associate(job, corrections)
        job.folder.metrics.unlink(missing_ok=True)
        scores = None if truth is None else score_run(job, truth, association)
        if save_video:
            _render(job)
        else:
            _tell_of_older_videos(job)
        _tell_of_older_pages(job)
    job.write_manifest(Status.COMPLETE)
    write_report(job.folder, job.config.report)
    logger.info("done: %s (look at %s)", job.folder.root, job.folder.report)
    return RunResult(
        folder=job.folder,
        global_tracks=association.global_tracks,
        links=association.links,
        counts=job.counts,
        warnings=tuple(job.warnings),
        scores=scores,
    )


def _associate(job: Job, corrections: Sequence[Correction]) -> Association:
    folder, config = job.folder, job.config
    with job.clock.measure(Stage.ASSOCIATE):
        tracked = folder.read_tracked()
        splits = find_splits(tracked, config.associate.split)
        tracklets = apply_splits(tracked, splits)
        association = associate(
            tracklets,
            job.site,
            config.associate,
            transit=config.st,
            previous=folder.read_global_tracks() if folder.global_tracks.exists() else None,
            corrections=corrections,
            seed=config.run.seed,
        )
    for line in association.warnings:
        job.warn(WarningKind.ASSOCIATION, line)
    with job.clock.measure(Stage.WRITE):
        # An earlier run may be associated anew with other settings and clocks: they belong to what is written now.
        folder.write_text(folder.config, dump_config(config))
        folder.write_text(folder.site, site_text(job.site))
        save_transitions(association.transitions, folder)
        folder.write_splits(splits)
        _keep_corrections(folder, corrections)
        found = Outcome(
            folder=folder,
            site=job.site,
            cameras=job.cameras,
            tracklets=tuple(tracklets),
            global_ids=association.labels,
            global_tracks=association.global_tracks,
            links=association.links,
            max_gap_s=config.run.interpolate_s,
            smooth_s=config.run.smooth_s,
        )
        write_outputs(found)
    job.counts["association"] = {"splits": len(splits), **_counts(tracklets, association)}
    _tell(job, len(tracklets), association)
    return association


def _tell_of_older_videos(job: Job) -> None:
    if listed(job.folder.video("x").parent, "*.mp4"):
        job.warn(
            WarningKind.VIDEO,
            "the videos were drawn before this association and may show other identities; `python -m tools.render "
            f"{job.folder.root} --overwrite` draws them anew",
        )


def _tell_of_older_pages(job: Job) -> None:
    tools = {job.folder.questions: "tools.ask", job.folder.inspection: "tools.inspect_link"}
    for page, tool in tools.items():
        if page.exists():
            job.warn(
                WarningKind.PAGES,
                f"{page.name} was written before this association and may show other identities; `python -m {tool}` "
                "writes it anew",
            )


def _keep_corrections(folder: RunFolder, corrections: Sequence[Correction]) -> None:
    """What was declared belongs to the evidence: the file it came from may change, or be another folder's."""
    if corrections:
        write_corrections(folder.claim(folder.used_corrections), corrections)
    else:
        folder.used_corrections.unlink(missing_ok=True)


def _tell(job: Job, tracklets: int, association: Association) -> None:
    """What was found, and what kept cues away that a user could give."""
    people, cameras = len(association.global_tracks), len(job.cameras)
    if not people:
        return
    line = f"{tracklets} tracklet{'s' * (tracklets != 1)}, {people} {'person' if people == 1 else 'people'}"
    if cameras == 1:
        logger.info("%s", line)
        return
    logger.info("%s, %d of them in several cameras", line, _in_several(association))
    logger.info("%s", association.expectation.line())
    if sum(job.site.clock(camera).known for camera in job.cameras) < 2:
        logger.info(
            "times of different cameras took no part, as no clocks are known to be common: `python -m "
            "tools.check_site` begins a site file that can say so"
        )


def _in_several(association: Association) -> int:
    return sum(len({visit.camera for visit in track.visits}) > 1 for track in association.global_tracks)


def _counts(tracklets: Sequence[Tracklet], association: Association) -> dict[str, object]:
    return {
        "tracklets": len(tracklets),
        "people": len(association.global_tracks),
        "people_in_several_cameras": _in_several(association),
        "links": association.expectation.to_json(),
        "uncertain_links": Counter(link.decision for link in association.links)["uncertain"],
        "calibration": association.calibration,
        "worth": association.worth.to_json(),
        "space_time": association.transitions.summary(),
    }


def _render(job: Job) -> None:
    from pipeline.rendering.overlay import render_run

    def lacking(camera: str, reason: str) -> None:
        job.warn(WarningKind.VIDEO, f"no overlay video: {reason}", camera)

    with job.clock.measure(Stage.RENDER):
        try:
            render_run(job.folder, job.config.render, own=True, lacking=lacking)
        except UserError as error:
            job.warn(WarningKind.VIDEO, str(error))
