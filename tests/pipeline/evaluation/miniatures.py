"""Public data sets in miniature: a few frames in the layouts they are published in, each with one thing wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from data.datasets.dukemtmc import STARTS, WINDOWS
from data.datasets.registry import read_dataset
from data.formats.mot import MotTable, write_mot

# 500 px focal length, 4 m above (2, -3), 25 degrees down, along y.
PROJECTION = [
    [500.0, 290.0185, -135.2378, 411.0069],
    [0.0, 6.2047, -554.5823, 2236.9433],
    [0.0, 0.9063, -0.4226, 4.4094],
]
FIRST = WINDOWS["trainval"].first + 1
_INFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=14\nseqLength=6\nimWidth=640\nimHeight=480\nimExt=.jpg\n"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def mot_rows(person: int, frames: range, left: float = 10.0, tail: str = "1,1,1") -> str:
    return "".join(f"{frame},{person},{left},10,20,40,{tail}\n" for frame in frames)


def write_mot_set(root: Path, name: str, sequence: str) -> None:
    """One sequence; one box without area, most sequences missing."""
    text = mot_rows(1, range(1, 7)) + mot_rows(2, range(2, 5), 200.0) + "3,9,10,10,20,0,1,1,1\n"
    put(root / "train" / sequence / "gt" / "gt.txt", text)
    put(root / "train" / sequence / "seqinfo.ini", _INFO.format(name=sequence))


def duke_rows(camera: int, person: int, first: int, count: int, left: float = 100.0) -> np.ndarray:
    """Somebody in a camera from a frame of the common clock on: camera, id, frame, box, place."""
    frames = np.arange(first, first + count) - STARTS[camera - 1] + 1
    return np.stack([[camera, person, frame, left, 100, 40, 100, left / 10, camera] for frame in frames.tolist()])


def write_duke(root: Path) -> None:
    """One person who goes from camera 1 to camera 2, another in camera 2, a third before the window."""
    rows = [duke_rows(1, 7, FIRST, 60), duke_rows(2, 7, FIRST + 500, 40), duke_rows(2, 9, FIRST, 50, 400.0)]
    (root / "ground_truth").mkdir(parents=True)
    truth = np.concatenate([*rows, duke_rows(1, 3, FIRST - 100, 100)])
    scipy.io.savemat(root / "ground_truth" / "trainval.mat", {"trainData": truth})


def duke_regions(root: Path, edge: int = 500) -> None:
    """The devkit's file: a square from the corner in all cameras."""
    square = f"[0 0; {edge} 0; {edge} {edge}; 0 {edge}]"
    put(root / "getROIs.m", "".join(f"ROIs{{{camera}}} = {square};\n" for camera in range(1, 9)))


def write_wildtrack(root: Path, frames: tuple[int, ...] = tuple(range(6))) -> None:
    """One person in views 0 and 1, who walks a metre a frame along the grid; half a data set."""
    nowhere = {"xmin": -1, "ymin": -1, "xmax": -1, "ymax": -1}
    for frame in frames:
        box = {"xmin": 100 + 20 * frame, "ymin": -50, "xmax": 150 + 20 * frame, "ymax": 200}
        views = [{"viewNum": view, **(box if view < 2 else nowhere)} for view in range(7)]
        person = {"personID": 3, "positionID": 480 * 360 + 120 + 40 * frame, "views": views}
        put(root / "annotations_positions" / f"{5 * frame:08d}.json", json.dumps([person]))


def aicity_rows(camera: int, person: int, shift_m: float = 0.0, frames: int = 4) -> str:
    return "".join(f"{camera} {person} {frame} 10 10 20 40 {frame + shift_m} 5\n" for frame in range(frames))


def write_aicity(root: Path) -> None:
    """One scene of two cameras; a row of a camera that has no folder."""
    for camera in (1, 2):
        matrix = {"camera projection matrix": PROJECTION}
        put(root / "val" / "scene_1" / f"camera_{camera:04d}" / "calibration.json", json.dumps(matrix))
    text = aicity_rows(1, 4) + aicity_rows(2, 4) + aicity_rows(7, 4, frames=1)
    put(root / "val" / "scene_1" / "ground_truth.txt", text)


def solid(number: int, kind: str, x: float, cameras: tuple[str, ...]) -> dict[str, Any]:
    """An object of AI City 2025: half a metre wide and long, two metres high."""
    views = {camera: [10 + 100 * number, 10, 40 + 100 * number, 90] for camera in cameras}
    return {
        "object type": kind,
        "object id": number,
        "3d location": [x, 5.0, 1.0],
        "3d bounding box scale": [0.5, 0.5, 2.0],
        "3d bounding box rotation": [0.0, 0.0, 0.0],
        "2d bounding box visible": views,
    }


def write_aicity2025(root: Path, scene: str = "Warehouse_015", frames: int = 4) -> None:
    """A scene of two cameras: a person in both, a forklift of the same id; a camera without calibration."""
    people = {
        str(frame): [
            solid(1, "Person", frame, ("Camera", "Camera_01", *(("Camera_09",) if not frame else ()))),
            solid(1, "Forklift", 50.0 + frame, ("Camera",)),
        ]
        for frame in range(frames)
    }
    put(root / "val" / scene / "ground_truth.json", json.dumps(people))
    size = [{"name": "frameWidth", "value": 1920}, {"name": "frameHeight", "value": 1080}]
    sensors = [
        {"id": name, "type": "camera", "cameraMatrix": PROJECTION, "attributes": size}
        for name in ("Camera", "Camera_01")
    ]
    put(root / "val" / scene / "calibration.json", json.dumps({"calibrationType": "cartesian", "sensors": sensors}))


def solid_rows(scene: int, kind: int, person: int, x: float = 0.0, frames: int = 4) -> str:
    """Rows of a submission of AI City 2025 for somebody who walks a metre a frame."""
    return "".join(f"{scene} {kind} {person} {frame} {x + frame} 5 1 0.5 0.5 2 0\n" for frame in range(frames))


def write_vatic(root: Path, sequence: str, names: tuple[str, str]) -> None:
    """Two cameras; a bicycle, which is nobody, and a box without area."""
    walks = "".join(f'0 10 10 30 50 {frame} 0 0 1 "PERSON"\n' for frame in range(6))
    text = walks + '3 1 2 9 9 4 0 1 0 "bicycle"\n0 10 10 10 50 6 0 0 1 "PERSON"\n'
    for name in names:
        put(root / sequence / name, text)


def write_cmc(root: Path) -> None:
    """Three of four cameras and places."""
    world = "".join(f"{frame} 4 -1 -1 -1 -1 -1 {frame}.5 0.5 0.8 .5 .5 .8\n" for frame in range(1, 7))
    put(root / "CMC1" / "GT_CMC1_WORLD_CENTROID.txt", world)
    for camera in (1, 2, 3):
        put(root / "CMC1" / f"GT_CMC1_Cam_{camera}.txt", mot_rows(4, range(1, 7), tail="1,1,0.9"))


def write_nlpr(root: Path) -> None:
    """Two of three cameras, one after the other in time."""
    for camera, first in ((1, 1), (2, 21)):
        rows = "".join(f"{camera}  {frame}  3  10  20  5  9\n" for frame in range(first, first + 10))
        put(root / "annotation" / "Dataset2" / f"Cam{camera}.dat", rows)


def write_posetrack_boxes(root: Path) -> None:
    """One video without its list of frames and without keypoints."""
    folder = root / "posetrack_mot" / "mot" / "val" / "000001_a"
    put(folder / "gt" / "gt.txt", mot_rows(9, range(1, 7), tail="1,-1,-1,-1"))


def write_site(root: Path) -> None:
    """Two cameras, one after the other in time; a third one has no file."""
    for camera, first in (("c1", 1), ("c2", 21)):
        put(root / f"{camera}.txt", mot_rows(1, range(first, first + 10)))
    put(root / "lengths.json", json.dumps({"c1": 30, "c2": 30, "c3": 30}))


MINIATURES: dict[str, Callable[[Path], None]] = {
    "aicity": write_aicity,
    "aicity2025": write_aicity2025,
    "campus": lambda root: write_vatic(root, "Garden1", ("view-HC1.txt", "view-HC2.txt")),
    "cmc": write_cmc,
    "dukemtmc": write_duke,
    "epfl": lambda root: write_vatic(root, "terrace", ("terrace1-c0.txt", "terrace1-c1.txt")),
    "mot15": lambda root: write_mot_set(root, "mot15", "KITTI-13"),
    "mot16": lambda root: write_mot_set(root, "mot16", "MOT16-02"),
    "mot17": lambda root: write_mot_set(root, "mot17", "MOT17-02-SDP"),
    "mot20": lambda root: write_mot_set(root, "mot20", "MOT20-01"),
    "nlpr_mct": write_nlpr,
    "posetrack21_mot": write_posetrack_boxes,
    "site": write_site,
    "wildtrack": write_wildtrack,
}


def write_perfect(name: str, root: Path, folder: Path) -> None:
    """Predictions of everything that are its truth, with ids of their own, in the data set's own format."""
    if name == "aicity":
        put(folder / "scene_1.txt", aicity_rows(1, 9) + aicity_rows(2, 9))
    elif name == "aicity2025":
        put(folder / "Warehouse_015.txt", solid_rows(15, 0, 9) + solid_rows(15, 1, 9, 50.0))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for one in read_dataset(name, root).sequences:
            table = one.truth.select(one.truth.flags & (one.truth.class_ids == 1))
            write_mot(folder / f"{one.name}.txt", MotTable.make(table.frames, table.ids + 50, table.boxes))
