"""CVAT's XML 1.1, for video (tracks of boxes) and for images (boxes with an attribute ``track_id``); frames from 0.

A track is given by its keyframes: between two of them boxes lie on the straight line, after ``outside="1"`` there are
none until the next keyframe, and the last one stays until the end of the task, ``<size>``. CVAT's own exports list the
boxes between keyframes too. Only boxes are read and written, no shapes, and no score.

Sources: the CVAT documentation, XML annotation format; what CVAT makes of keyframes when it reads such a file.
"""

import logging
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from data.atomic import open_atomic
from data.errors import UserError
from data.formats.mot import MotTable
from data.formats.track_sets import CameraTracks, every_frame
from data.formats.xml_in import read_xml
from data.labels import PEOPLE, is_person

logger = logging.getLogger(__name__)

_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_IDENTITY = "track_id"
# A file of a few lines may stand for this many.
_MOST_BOXES = 20_000_000


def read_cvat(path: Path) -> CameraTracks:
    """Read a file of either kind; boxes of other labels than a person's are left out with a warning.

    Raises:
        UserError: it is no such file, a box of a picture has no ``track_id``, or a value is broken.
    """
    root = read_xml(path)
    if root.tag != "annotations":
        raise UserError(f"{path} is no CVAT file: expected <annotations>, found <{root.tag}>")
    try:
        read = _of_images if root.find("image") is not None else _of_video
        rows, strangers, length, size = read(path, root)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: a number in it is missing or broken ({error})") from None
    if strangers:
        logger.warning("%s: %d boxes are not labelled %s and were left out", path, strangers, " or ".join(PEOPLE[:4]))
    values = np.array(rows, np.float64).reshape(-1, 6)
    if not np.isfinite(values).all() or (values[:, :2] < 0).any():
        raise UserError(f"{path}: a frame or id is below 0, or a corner is not finite")
    # Ids of 64 bits do not survive a matrix of floats.
    try:
        ids = np.array([int(row[1]) for row in rows], np.int64)
    except OverflowError:
        raise UserError(f"{path}: an id has more than 64 bits") from None
    table = MotTable.make(values[:, 0].astype(np.int64), ids, values[:, 2:])
    last = int(table.frames[-1]) + 1 if len(table) else 0
    return CameraTracks(path.stem, max(length, last), size, table)


Found = tuple[list[list[float]], int, int, tuple[int, int]]


def _of_video(path: Path, root: ElementTree.Element) -> Found:
    rows: list[list[float]] = []
    strangers, between, after = 0, 0, 0
    length = int(root.findtext(".//size") or 0)
    for track in root.iter("track"):
        boxes = {int(_value(box, "frame")): box for box in track.iter("box")}
        if len(boxes) < len(list(track.iter("box"))):
            raise UserError(f"{path}: track {track.get('id')} has two boxes in a frame; remove one")
        if not is_person(track.get("label")):
            strangers += sum(not _is_outside(box) for box in boxes.values())
            continue
        whose, frames = int(_value(track, "id")), sorted(boxes)
        for frame, following in zip(frames, [*frames[1:], max(length, frames[-1] + 1)] if frames else [], strict=True):
            if _is_outside(boxes[frame]):
                continue
            last = frame == frames[-1]
            between, after = between + (following - frame - 1) * (not last), after + (following - frame - 1) * last
            if len(rows) + between + after > _MOST_BOXES:
                raise UserError(f"{path}: its keyframes stand for more than {_MOST_BOXES} boxes; is <size> right?")
            here = np.array(_corners(boxes[frame]))
            there = here if last else np.array(_corners(boxes[following]))
            share = (np.arange(following - frame) / (following - frame))[:, None]
            lines = (1 - share) * here + share * there
            rows += [[frame + step, whose, *corners] for step, corners in enumerate(lines.tolist())]
    for count, what in ((between, "between keyframes"), (after, "after the last keyframe of a track not ended there")):
        if count:
            logger.warning("%s: %d boxes %s were filled in, as CVAT does", path, count, what)
    size = (int(root.findtext(".//original_size/width") or 0), int(root.findtext(".//original_size/height") or 0))
    return rows, strangers, length, size


def _is_outside(box: ElementTree.Element) -> bool:
    return box.get("outside", "0") == "1"


def _of_images(path: Path, root: ElementTree.Element) -> Found:
    rows, strangers, length, size = [], 0, 0, (0, 0)
    for image in root.iter("image"):
        frame = int(_value(image, "id"))
        length = max(length, frame + 1)
        size = (int(image.get("width", "0")), int(image.get("height", "0")))
        for box in image.iter("box"):
            if not is_person(box.get("label")):
                strangers += 1
                continue
            whose = next((one.text for one in box.iter("attribute") if one.get("name") == _IDENTITY), None)
            if whose is None:
                raise UserError(
                    f"{path}: a box of image {frame} has no attribute '{_IDENTITY}': nobody knows whose it is"
                )
            rows.append([frame, int(whose), *_corners(box)])
    return rows, strangers, length, size


def _value(element: ElementTree.Element, name: str) -> str:
    found = element.get(name)
    if found is None:
        raise ValueError(f"<{element.tag}> has no {name}")
    return found


def _corners(box: ElementTree.Element) -> list[float]:
    return [float(_value(box, name)) for name in _CORNERS]


def write_cvat_video(path: Path, tracks: CameraTracks) -> None:
    """Write tracks, atomically; where a track pauses or ends before the video, an "outside" box says so."""
    root = _root(tracks)
    table = tracks.table
    for whose in np.unique(table.ids).tolist():
        track = ElementTree.SubElement(root, "track", id=str(whose), label=PEOPLE[0], source="file")
        rows = np.flatnonzero(table.ids == whose)
        for row, after in zip(rows.tolist(), [*table.frames[rows[1:]].tolist(), tracks.length], strict=True):
            frame = int(table.frames[row])
            _box(track, table, row, frame=str(frame), outside="0", keyframe="1")
            if frame + 1 < after:
                _box(track, table, row, frame=str(frame + 1), outside="1", keyframe="1")
    _write(path, root)


def write_cvat_images(path: Path, tracks: CameraTracks) -> None:
    """Write one image per frame, atomically."""
    root = _root(tracks)
    table = tracks.table
    frames = every_frame(tracks)
    offsets = table.frame_offsets(tracks.length)
    for frame in frames:
        image = ElementTree.SubElement(
            root,
            "image",
            id=str(frame),
            name=f"frame_{frame:06d}",
            width=str(tracks.size[0]),
            height=str(tracks.size[1]),
        )
        for row in range(int(offsets[frame]), int(offsets[frame + 1])):
            box = _box(image, table, row, label=PEOPLE[0])
            ElementTree.SubElement(box, "attribute", name=_IDENTITY).text = str(table.ids[row])
    _write(path, root)


def _root(tracks: CameraTracks) -> ElementTree.Element:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "size").text = str(tracks.length)
    size = ElementTree.SubElement(task, "original_size")
    for name, value in zip(("width", "height"), tracks.size, strict=True):
        ElementTree.SubElement(size, name).text = str(value)
    return root


def _box(parent: ElementTree.Element, table: MotTable, row: int, **stated: str) -> ElementTree.Element:
    corners = {name: f"{value:.3f}" for name, value in zip(_CORNERS, table.boxes[row].tolist(), strict=True)}
    return ElementTree.SubElement(parent, "box", {**stated, "occluded": "0", **corners, "z_order": "0"})


def _write(path: Path, root: ElementTree.Element) -> None:
    ElementTree.indent(root)
    with open_atomic(path, newline="\n") as stream:
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n')
        stream.write(ElementTree.tostring(root, encoding="unicode") + "\n")
