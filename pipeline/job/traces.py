"""What tells of a person in a run folder beside its results: words, drawn pages and videos, what a kill left behind."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.atomic import temporary_path
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import RunWarning, WarningKind

Key = tuple[str, int]

_NOTED = RunWarning(
    WarningKind.FORGOTTEN, "people were removed from this run (tools.forget); its counts and scores still count them"
)
# An answer that fits nowhere is told with its place and time.
_ANSWER = re.compile(r"correction \d+ \((same|different)\)")
_NAMED = 5


def forget_mentions(folder: RunFolder, keys: set[Key]) -> None:
    """Remove warnings and log lines that name tracklets, or the place of an answer; note that somebody was removed.

    Args:
        folder: a run.
        keys: (camera, local_id) of the tracklets.
    """
    tells = _tells_of(keys)
    manifest = folder.read_json(folder.manifest)
    kept = [one for one in manifest["warnings"] if not tells(str(RunWarning.from_json(one)))]
    noted = _NOTED.to_json()
    manifest["warnings"] = kept if noted in kept else [*kept, noted]
    folder.write_json(folder.manifest, manifest)
    if folder.log.exists():
        lines = folder.read_text(folder.log).splitlines(keepends=True)
        folder.write_text(folder.log, "".join(line for line in lines if not tells(line)))


def mentioned(folder: RunFolder, keys: set[Key]) -> bool:
    """Whether a warning or a log line still names one of the tracklets."""
    tells = _tells_of(keys)
    words = [str(RunWarning.from_json(one)) for one in folder.read_manifest()["warnings"]]
    words += folder.read_text(folder.log).splitlines() if folder.log.exists() else []
    return any(map(tells, words))


def _tells_of(keys: set[Key]) -> Callable[[str], bool]:
    named = [rf"(?<!\w){re.escape(camera)}[ :]{local_id}(?!\d)" for camera, local_id in sorted(keys)]
    wanted = re.compile("|".join([*named, _ANSWER.pattern]))
    return lambda text: wanted.search(text) is not None


def remove_uncuttable(folder: RunFolder) -> tuple[Path, ...]:
    """Remove what shows people and cannot be cut: videos and pages, which can be made again; the report is left.

    Checkpoints and halves of files that a killed process left go too.

    Returns:
        Videos and pages that were there.
    """
    drawn = []
    for name in folder.ledger.names() if folder.ledger.exists() else ():
        path = folder.root / name
        if path != folder.report and path.suffix in (".mp4", ".html") and folder.holds(path):
            path.unlink()
            drawn.append(path)
        elif path.parent == folder.checkpoint and folder.holds(path):
            path.unlink()
        half = temporary_path(path)
        if folder.holds(half):
            half.unlink()
    return tuple(drawn)


def out_of_reach(folder: RunFolder, inputs: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What the folder's owner has to see to, one line each."""
    lines = [f"the recording of camera {camera}: {given.get('uri', '?')}" for camera, given in inputs.items()]
    if folder.crops.is_dir():
        lines.append(f"pictures of other people in front of whom or behind whom the person stands: {folder.crops}")
    if folder.space_time.is_dir():
        lines.append(f"counts of how long people take between cameras, without names: {folder.space_time}")
    strangers = _strangers(folder)
    if strangers:
        more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
        lines.append(f"files that lie here and no run wrote: {', '.join(strangers[:_NAMED])}{more}")
    lines.append(
        "copies of this folder, backups, files and answers that were written elsewhere, and disk blocks that were not "
        "overwritten"
    )
    return tuple(lines)


def _strangers(folder: RunFolder) -> list[str]:
    """Files in the run folder that are neither listed nor read by a run, relative to it."""
    known = set(folder.ledger.names()) if folder.ledger.exists() else set()
    results = (folder.tracklets, folder.tracks("x").parent, folder.local_tracks("x").parent, folder.world("x").parent)
    own = (
        folder.config, folder.site, folder.manifest, folder.progress, folder.splits, folder.links, folder.log,
        folder.global_tracks, folder.metrics, folder.report, folder.corrections, folder.used_corrections,
    )  # fmt: skip
    found = []
    for here, below, files in os.walk(folder.root):
        below[:] = sorted(one for one in below if Path(here, one) not in (*results, folder.crops, folder.space_time))
        for path in (Path(here, name) for name in sorted(files)):
            name = path.relative_to(folder.root).as_posix()
            if name not in known and path not in own and not path.name.startswith(".mtmct-"):
                found.append(name)
    return found
