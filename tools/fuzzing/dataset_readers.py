"""Readers of public data sets and of the formats their tracks are handed in by, with a sound file for each."""

import json
from collections.abc import Callable
from pathlib import Path

from tools.fuzzing.reader import Reader


def dataset_readers() -> dict[str, Reader]:
    """By name, in the order in which they are tried."""
    from data.datasets.registry import read_dataset
    from data.formats.box_features import read_box_features
    from data.formats.submissions import FORMATS

    def dataset(name: str, file: str, content: str) -> Reader:
        return _reader(file, content, lambda folder: read_dataset(name, folder))

    def tracks(name: str, file: str, content: str) -> Reader:
        where = Path(file) if FORMATS[name].one_file else Path()
        return _reader(file, content, lambda folder: FORMATS[name].read(folder / where))

    view = {"viewNum": 0, "xmin": 1, "ymin": 1, "xmax": 9, "ymax": 9}
    people = [{"personID": number, "positionID": 7 * number, "views": [view]} for number in range(9)]
    rows = "".join(f"1 {n % 3} {n + 1} 10 20 30 60 1.5 2.5\n" for n in range(20))
    nlpr = "".join(f"1  {n + 1}  {n % 3}  10  20  30  60\n" for n in range(20))
    vatic = "".join(f'{n % 3} 10 20 40 80 {n} 0 0 1 "PERSON"\n' for n in range(20))
    boxes = "".join(f'<box frame="{3 * n}" outside="{n % 2}" xtl="1" ytl="1" xbr="9" ybr="9"/>' for n in range(5))
    meta = "<meta><task><size>20</size></task></meta>"
    cvat = f'<annotations>{meta}<track id="0" label="person">{boxes}</track></annotations>'
    image = {"id": 1, "vid_id": "000001", "file_name": "images/val/000001_a/000000.jpg"}
    person = {"id": 1, "image_id": 1, "person_id": 2, "bbox": [1, 2, 30, 40], "keypoints": [5, 6, 1] * 17}
    posetrack = json.dumps({"images": [image], "annotations": [person]})
    truth = "".join(f"{n + 1},{n % 3},10,20,30,60,1,1,1\n" for n in range(20))
    return {
        "mot17": dataset("mot17", "train/MOT17-02-SDP/gt/gt.txt", truth),
        "wildtrack": dataset("wildtrack", "annotations_positions/00000000.json", json.dumps(people)),
        "nlpr_mct": dataset("nlpr_mct", "annotation/Dataset1/Cam1.dat", nlpr),
        "aicity": dataset("aicity", "scene_001/ground_truth.txt", rows),
        "epfl": dataset("epfl", "terrace/terrace1-c0.txt", vatic),
        "cmc": dataset("cmc", "CMC1/GT_CMC1_WORLD_CENTROID.txt", "1 4 -1 -1 -1 -1 -1 2.5 0.5 0.8 .5 .5 .8\n" * 9),
        "posetrack21": dataset("posetrack21", "posetrack_data/val/000001_a.json", posetrack),
        "cvat": tracks("cvat_video", "a.xml", cvat),
        "duke tracks": tracks("duke", "all.txt", rows),
        "posetrack tracks": tracks("posetrack", "a.json", posetrack),
        "box features": Reader("a.npz", _write_box_features, lambda folder: read_box_features(folder / "a.npz")),
    }


def _write_box_features(folder: Path) -> None:
    import numpy as np

    from data.formats.box_features import BoxFeatures, write_box_features
    from data.records import PartEmbeddings

    vectors, seen = np.ones((6, 2, 8), np.float32), np.ones((6, 2), np.float32)
    made = PartEmbeddings(vectors, seen, ("a", "b"), ("part", "part"), "model")
    boxes = np.tile([1.0, 2, 30, 40], (6, 1))
    write_box_features(folder / "a.npz", BoxFeatures(np.arange(6), boxes, np.ones(6, np.float32), made))


def _reader(file: str, content: str, read: Callable[[Path], object]) -> Reader:
    def write(folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content, encoding="utf-8")

    return Reader(file, write, read)
