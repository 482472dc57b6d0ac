"""One person leaves a run folder: vectors, pictures, tracks, places, links, answers and every mention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.formats.mot import read_mot, write_mot
from data.formats.tracklets import read_tracklets, write_tracklets
from data.formats.world import read_world_paths, write_world_paths
from data.listing import listed
from data.records import Tracklet
from data.site import load_site
from data.splits import Span, Split, apply_splits, piece_spans
from pipeline.association.corrections import corrections_of_run, tracklets_of, write_corrections
from pipeline.association.table import build_table
from pipeline.config import RunConfig, load_config
from pipeline.folder.crop_notes import read_note
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.track_files import mot_table, root_ids
from pipeline.job.traces import Key, forget_mentions, mentioned, out_of_reach, remove_uncuttable
from pipeline.report.page import write_report


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of a person.

    Attributes:
        tracklets: pieces of tracks, with their vectors.
        pictures: crops.
        links: pairs with evidence.
        removed: files that show people and were removed whole, as they cannot be cut.
        out_of_reach: what the folder's owner has to see to, one line each.
    """

    tracklets: int
    pictures: int
    links: int
    removed: tuple[Path, ...]
    out_of_reach: tuple[str, ...]


def forget(folder: RunFolder, person: int) -> Forgotten:
    """Remove a person from a complete run; other people keep their ids.

    A track that passed from one person to another is cut for good, and only this person's pieces go.

    Args:
        folder: a run that was associated; the caller is its only writer.
        person: global id.

    Raises:
        UserError: when there is no such person, the run is not complete, or a file of it is damaged.
    """
    manifest = folder.read_manifest()
    if manifest["status"] != "complete":
        raise UserError(
            f"the run in {folder.root} is {manifest['status']}; finish it with `pipeline.run --resume` first"
        )
    people = folder.read_global_tracks()
    found = [one for one in people if one.global_id == person]
    if not found:
        raise UserError(f"the run in {folder.root} has no person {person}")
    keys = {(visit.camera, visit.local_id) for visit in found[0].visits}
    splits = folder.read_splits()
    cut = {split_key for split_key, pieces in _pieces(splits).items() if keys.intersection(pieces)}
    roots = root_ids(folder.read_tracklets())
    config = load_config([folder.config])
    # First what shows and describes the person, last what says who it was: killed in between, it can be done again.
    _forget_answers(folder, keys)
    pictures = _forget_pictures(folder, keys, cut, splits)
    _forget_tracklets(folder, keys, cut, splits)
    for camera in manifest["inputs"]:
        _forget_rows(folder, folder.tracks(camera), {person})
    for path in listed(folder.world("x").parent, "*.csv"):
        paths = read_world_paths(path)
        write_world_paths(folder.claim(path), paths.select(paths.ids != person))
    removed = remove_uncuttable(folder)
    links = folder.read_links()
    kept = [link for link in links if link.a not in keys and link.b not in keys]
    folder.write_links(kept)
    folder.write_splits(_left_of(splits, keys, cut))
    forget_mentions(folder, keys)
    _rewrite_local_tracks(folder, list(manifest["inputs"]), roots, config.run)
    folder.write_global_tracks([one for one in people if one.global_id != person])
    write_report(folder, config.report)
    _prove(folder, person, keys)
    return Forgotten(len(keys), pictures, len(links) - len(kept), removed, out_of_reach(folder, manifest["inputs"]))


def _pieces(splits: Sequence[Split]) -> dict[Key, set[Key]]:
    """The pieces of each tracklet that was cut."""
    found: dict[Key, set[Key]] = {}
    for (camera, name), span in piece_spans(splits).items():
        found.setdefault((camera, span.local_id), set()).add((camera, name))
    return found


def _left_of(splits: Sequence[Split], keys: set[Key], cut: set[Key]) -> list[Split]:
    """The cuts of other tracks, which do not say any more that the person took one over."""
    kept = [split for split in splits if (split.camera, split.local_id) not in cut]
    return [replace(one, taken_from=-1) if (one.camera, one.taken_from) in keys else one for one in kept]


def _forget_pictures(folder: RunFolder, keys: set[Key], cut: set[Key], splits: Sequence[Split]) -> int:
    """Remove the person's crops; those of other pieces of a cut track are named as the pieces are."""
    count = 0
    for camera, local_id in sorted((keys - set(piece_spans(splits))) | cut):
        spans = {name: span for (where, name), span in piece_spans(splits).items() if where == camera}
        own = {name: span for name, span in spans.items() if span.local_id == local_id}
        for path in listed(folder.crops / camera, f"{local_id}_*.jpg"):
            folder.check_no_link(path)
            owner = _owner(path, own) if (camera, local_id) in cut else local_id
            if owner is not None and (camera, owner) not in keys:
                number = int(path.stem.rpartition("_")[2])
                path.rename(folder.claim(folder.crop(camera, owner, number)))
            else:
                path.unlink()
                count += 1
    return count


def _owner(path: Path, spans: Mapping[int, Span]) -> int | None:
    """Piece in whose time a crop was taken; None where its note does not tell."""
    time_s = (read_note(path.read_bytes()) or {}).get("time_s")
    if not isinstance(time_s, int | float):
        return None
    return next((name for name, span in spans.items() if span.start_s <= time_s < span.end_s), None)


def _forget_answers(folder: RunFolder, keys: set[Key]) -> None:
    """Answers about the person say where it was; those that lie on nobody do nothing, and may be about it."""
    for path in (folder.corrections, folder.used_corrections):
        known = corrections_of_run(path)
        if known:
            table = build_table(folder.read_tracklets(), load_site(folder.site))
            config = load_config([folder.config]).associate.corrections
            found = [tracklets_of(one, table, config) for one in known]
            kept = [one for one, (a, b) in zip(known, found) if a is not None and b is not None and not {a, b} & keys]
            write_corrections(path, kept)


def _forget_tracklets(folder: RunFolder, keys: set[Key], cut: set[Key], splits: Sequence[Split]) -> None:
    mine = [split for split in splits if (split.camera, split.local_id) in cut]
    for path in folder.part_paths():
        stored = read_tracklets(path)
        left = [_without(item, keys) for item in apply_splits(stored, mine) if item.key not in keys]
        write_tracklets(folder.claim(path), left)


def _without(tracklet: Tracklet, keys: set[Key]) -> Tracklet:
    """A tracklet that does not go on from a forgotten one."""
    return replace(tracklet, continues=-1) if (tracklet.camera, tracklet.continues) in keys else tracklet


def _forget_rows(folder: RunFolder, path: Path, ids: set[int]) -> None:
    if path.exists():
        table = read_mot(path, "tracks")
        write_mot(folder.claim(path), table.select(~np.isin(table.ids, sorted(ids))))


def _rewrite_local_tracks(folder: RunFolder, cameras: Sequence[str], roots: Mapping[Key, int], run: RunConfig) -> None:
    """The cameras' own tracks of who is left, whose pieces go by the id of the first of their chain."""
    left = folder.read_tracklets()
    for camera in cameras:
        path = folder.local_tracks(camera)
        if path.exists():
            own = [item for item in left if item.camera == camera]
            write_mot(folder.claim(path), mot_table(own, roots, run.interpolate_s, run.smooth_s))


def _prove(folder: RunFolder, person: int, keys: set[Key]) -> None:
    """Read everything back and look for the person."""
    left = [f"tracklets of {key}" for key in keys if key in {item.key for item in folder.read_tracked()}]
    left += ["its links" for link in folder.read_links() if link.a in keys or link.b in keys]
    left += ["its identity" for one in folder.read_global_tracks() if one.global_id == person]
    left += [f"pictures of {key}" for key in keys if listed(folder.crops / key[0], f"{key[1]}_*.jpg")]
    for camera in {camera for camera, _ in keys}:
        path = folder.tracks(camera)
        if path.exists() and person in read_mot(path, "tracks").ids:
            left.append(f"rows of {path.name}")
    left += ["cuts that name it" for cut in folder.read_splits() if (cut.camera, cut.taken_from) in keys]
    left += ["lines that name it"] * mentioned(folder, keys)
    if left:
        raise RuntimeError(f"person {person} is still in {folder.root}: {', '.join(sorted(set(left)))}")
