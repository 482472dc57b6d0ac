"""The run folder before a run: made, found to be the one to go on with, or taken up again."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.folder_lock import LOCK
from data.foreign import parse_yaml
from data.runtime.choice import RuntimeChoice
from data.runtime.stage_clock import StageClock
from data.site import Site, load_site, site_text
from data.training_folder import differences
from pipeline.config import Config, dump_config, load_config
from pipeline.folder.input_files import is_same
from pipeline.folder.manifest import VERSION
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import AFTER_TRACKING, RunWarning, Status
from pipeline.job.job import Job

logger = logging.getLogger(__name__)

# Settings that a message names.
_NAMED = 3


def check_folder(root: Path, *, overwrite: bool, resume: bool) -> None:
    """Check early, before anything costly, that a run may be written here; nothing is changed.

    Raises:
        UserError: when the folder holds a run that is neither to be resumed nor replaced, or something else.
    """
    folder = RunFolder(root)
    if not root.is_dir() or all(entry.name == LOCK for entry in root.iterdir()):
        return
    if not folder.ledger.exists():
        raise UserError(
            f"{root} is not empty and bears no mark of a run ({folder.ledger.path.name}); choose another --output"
        )
    if not overwrite and not resume:
        raise UserError(f"{root} already holds a run; use --overwrite, --resume or another --output")
    foreign = folder.foreign_files()
    if foreign:
        others = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise UserError(
            f"{foreign[0]}{others} was not written by a run and lies where one writes; move it out of {root}, or "
            "choose another --output"
        )


def check_inputs_outside(root: Path, inputs: Iterable[Path]) -> None:
    """Refuse to read what lies in the folder that is written.

    Args:
        root: the run folder.
        inputs: files and folders that a run reads.

    Raises:
        UserError: naming the first that lies there.
    """
    home = root.resolve()
    for path in inputs:
        if path.exists() and path.resolve().is_relative_to(home):
            raise UserError(
                f"{path} lies in the run folder {root}, which is written; move it, or choose another --output"
            )


def prepare_folder(root: Path, config: Config, site: Site, *, overwrite: bool, resume: bool) -> RunFolder:
    """Make the run folder, or check that it is the one to go on with.

    Args:
        root: the folder.
        config: resolved configuration, written to ``config.yaml``.
        site: written to ``site.yaml``.
        overwrite: replace an earlier run's results.
        resume: go on with an interrupted run of the same configuration.

    Raises:
        UserError: when the folder cannot be written, holds something else, or was made with another configuration.
    """
    folder = RunFolder(root)
    text = dump_config(config)
    check_folder(root, overwrite=overwrite, resume=resume)
    if resume and folder.manifest.exists():
        if folder.read_text(folder.config) != text:
            raise UserError(_other_config(folder, config))
        if folder.read_text(folder.site) != site_text(site):
            raise UserError(f"{root} was made with another site; resume with --site {folder.site}, or --overwrite")
        return folder
    if resume:
        logger.info("nothing was done in %s yet: the run begins with the first frame", root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if folder.ledger.exists():
            folder.remove_results()
        folder.ledger.start()
        folder.tracklets.mkdir(exist_ok=True)
        folder.write_text(folder.config, text)
        folder.write_text(folder.site, site_text(site))
    except OSError as error:
        raise UserError(f"cannot write to {root}: {error.strerror}; choose another --output") from None
    return folder


def _other_config(folder: RunFolder, config: Config) -> str:
    """What to say of a run that was made with another configuration."""
    text = folder.read_text(folder.config)
    different = differences(parse_yaml(text, str(folder.config)), config.model_dump(mode="json"))
    keys = ", ".join(key for key, _, _ in different[:_NAMED]) + (" ..." if len(different) > _NAMED else "")
    try:
        readable = dump_config(load_config([folder.config], [])) == text
    except UserError:
        readable = False
    if readable:
        how = "with another configuration"
        return f"{folder.root} was made {how} ({keys}); resume with its config.yaml, or --overwrite"
    how = "by another version of this program, which has other settings"
    return f"{folder.root} was made {how} ({keys}); resume with that version, or --overwrite"


def check_same_inputs(folder: RunFolder, inputs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to resume with other videos, detections or features than the run began with.

    Raises:
        UserError: naming the first camera that differs.
    """
    before = folder.read_inputs()
    for camera in sorted(before.keys() | inputs.keys()):
        old, new = before.get(camera, {}), inputs.get(camera, {})
        if not _is_same_input(old, new) or (camera in before) != (camera in inputs):
            raise UserError(
                f"camera '{camera}' is not the input this run began with; give the same files, or --overwrite"
            )


def check_same_limit(folder: RunFolder, limit: int | None) -> None:
    """Refuse to resume with another number of frames than the run began with.

    Raises:
        UserError: saying both.
    """
    before = folder.read_manifest().get("limit")
    if before != limit:
        first, second = (f"--limit {value}" if value is not None else "no --limit" for value in (before, limit))
        raise UserError(f"the run in {folder.root} began with {first}; resume with the same, not with {second}")


def check_same_weights(folder: RunFolder, weights: Mapping[str, list[dict[str, object]]]) -> None:
    """Refuse to resume with other weights: what "auto" stands for may change, and one run never mixes two networks.

    Raises:
        UserError: naming what the run began with, and what there is now.
    """
    before = folder.read_manifest()["weights"]
    for kind in sorted(before.keys() | weights.keys()):
        first, second = before.get(kind, []), weights.get(kind, [])
        if [one["sha256"] for one in first] != [one["sha256"] for one in second]:
            names = [" and ".join(str(one["name"]) for one in found) or "none" for found in (first, second)]
            raise UserError(
                f"the run in {folder.root} began with {kind} weights {names[0]}, and {kind}.weights stands for "
                f"{names[1]} now; resume where it finds the same file, or --overwrite"
            )


def began_on(folder: RunFolder) -> dict[str, RuntimeChoice]:
    """What computed the networks of a run when it began: whoever goes on with it computes the same bytes.

    Raises:
        UserError: when the manifest is broken.
    """
    told = folder.read_manifest().get("runtimes", {})
    return {key: RuntimeChoice.from_json(value) for key, value in told.items()}


def is_tracked(folder: RunFolder) -> bool:
    """Whether a run's tracklets are complete."""
    return Status(folder.read_manifest()["status"]).has_tracklets


def load_job(folder: RunFolder, config: Config) -> Job:
    """Take up a run whose tracklets are complete, to associate it again.

    What is known of its inputs, its weights and its tracking stays; warnings and timings of the earlier association go.

    Raises:
        UserError: when its tracking did not finish, or another version wrote its manifest.
    """
    job, status = read_job(folder, config)
    if not status.has_tracklets:
        raise UserError(
            f"the run in {folder.root} is {status.value}; finish it with `pipeline.run --resume`, or end it where it "
            f"is: `python -m tools.associate {folder.root} --end`"
        )
    return job


def read_job(folder: RunFolder, config: Config) -> tuple[Job, Status]:
    """What is known of a run before its association, and how far it got.

    Raises:
        UserError: when another version wrote its manifest, or a file of it is broken.
    """
    manifest = folder.read_json(folder.manifest)
    if manifest.get("version") != VERSION:
        raise UserError(f"{folder.manifest} is of another version of this program; run again with --overwrite")
    manifest = folder.read_manifest()
    warnings = [RunWarning.from_json(value) for value in manifest["warnings"]]
    stages = manifest["timings"]["stages"]
    job = Job(
        folder=folder,
        config=config,
        site=load_site(folder.site),
        inputs=manifest["inputs"],
        weights=manifest["weights"],
        runtimes=began_on(folder),
        limit=manifest.get("limit"),
        warnings=[warning for warning in warnings if warning.kind.before_association],
        clock=StageClock.from_summary({stage: spent for stage, spent in stages.items() if stage not in AFTER_TRACKING}),
        counts=manifest["counts"],
        wall_s=manifest["timings"]["wall_s"],
    )
    return job, Status(manifest["status"])


def _is_same_input(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a camera's file or folder, and the files beside it, are the same, by what they are."""
    beside = [{kind: found for kind, found in one.items() if isinstance(found, Mapping)} for one in (old, new)]
    return (
        is_same(old, new)
        and beside[0].keys() == beside[1].keys()
        and all(is_same(beside[0][kind], beside[1][kind]) for kind in beside[0])
    )
