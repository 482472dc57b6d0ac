"""Tracking data sets in miniature, in the layouts they are published in, and the real annotations beside them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.datasets.registry import TRACKING, read_dataset
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.formats.mot import read_mot, write_mot

INFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=14\nseqLength={length}\nimWidth=640\nimHeight=480\nimExt=.jpg\n"


def write_sequence(root: Path, name: str, rows: str, length: int = 3) -> None:
    (root / name / "gt").mkdir(parents=True)
    (root / name / "gt" / "gt.txt").write_text(rows)
    (root / name / "seqinfo.ini").write_text(INFO.format(name=name, length=length))


def told(dataset: TrackingDataset) -> list[tuple[str, int]]:
    return [(problem.kind, problem.count) for problem in dataset.problems]


def test_every_name_has_an_adapter() -> None:
    assert all(callable(TRACKING.load(name)) for name in TRACKING)
    with pytest.raises(UserError, match=r"unknown data set 'mot71'.*did you mean 'mot17'"):
        read_dataset("mot71", Path())


def test_motchallenge_says_which_sequences_are_missing(tmp_path: Path) -> None:
    train = tmp_path / "MOT17" / "train"
    write_sequence(train, "MOT17-02-SDP", "1,4,10,20,30,40,1,1,0.5\n2,4,10,20,30,0,1,1,1\n3,5,1,1,9,9,1,7,1\n")
    dataset = read_dataset("mot17", tmp_path)
    (sequence,) = dataset.sequences
    assert (sequence.name, sequence.length, sequence.fps, sequence.size) == ("MOT17-02-SDP", 3, 14.0, (640, 480))
    assert sequence.truth.frames.tolist() == [0, 2]
    assert dataset.people(sequence).tolist() == [4]
    assert (dataset.rule, dataset.frame_base, dataset.one_site) == ("mot17", 1, False)
    assert told(dataset) == [("missing sequence", 6), ("box without area", 1)]
    assert "MOT17-04-SDP" in str(dataset.problems[0])
    assert "DPM" not in str(dataset.problems[0])


def test_frames_of_the_wrong_base_are_an_error(tmp_path: Path) -> None:
    train = tmp_path / "train"
    write_sequence(train, "MOT20-01", "0,4,10,20,30,40,1,1,1\n")
    with pytest.raises(UserError, match="frames count from 1"):
        read_dataset("mot20", tmp_path)
    (train / "MOT20-01" / "gt" / "gt.txt").write_text("4,4,10,20,30,40,1,1,1\n")
    with pytest.raises(UserError, match="frame 4 is beyond the stated length of 3 frames counted from 1; is the file"):
        read_dataset("mot20", tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "annotations_positions").mkdir()
    with pytest.raises(
        UserError, match=r"is not WILDTRACK: missing annotations_positions/\*\.json in .* \(there: anno"
    ):
        read_dataset("wildtrack", tmp_path)
    with pytest.raises(UserError, match="is not MOT16: missing"):
        read_dataset("mot16", tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        read_dataset("mot15", tmp_path / "nowhere")
    write_sequence(tmp_path / "train", "KITTI-13", "1,1,1,1,5,5,1,-1,-1,-1\n")
    with pytest.raises(UserError, match="MOT15 has no part 'test'; choose --split from train"):
        read_dataset("mot15", tmp_path, "test")


def person(number: int, position: int, *boxes: tuple[int, int, int, int]) -> dict[str, Any]:
    keys = ("xmin", "ymin", "xmax", "ymax")
    views = [{"viewNum": view, **dict(zip(keys, box, strict=True))} for view, box in enumerate(boxes)]
    return {"personID": number, "positionID": position, "views": views}


NOBODY = (-1, -1, -1, -1)


def write_wildtrack(root: Path, frames: dict[int, list[Any]]) -> Path:
    folder = root / "annotations_positions"
    folder.mkdir(parents=True, exist_ok=True)
    for number, people in frames.items():
        (folder / f"{number:08d}.json").write_text(json.dumps(people))
    return root


def test_wildtrack_gives_boxes_and_places(tmp_path: Path) -> None:
    box = (10, 20, 40, 90)
    write_wildtrack(tmp_path, {0: [person(7, 481, box, NOBODY)], 10: [person(7, 2, NOBODY, box, *[NOBODY] * 5, box)]})
    dataset = read_dataset("wildtrack", tmp_path)
    assert [one.name for one in dataset.sequences] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    first, second = dataset.sequences[:2]
    assert (first.length, first.truth.frames.tolist(), second.truth.frames.tolist()) == (3, [0], [2])
    assert first.annotated is not None
    assert (first.annotated.tolist(), first.annotated_count) == ([0, 2], 2)
    assert first.truth.boxes.tolist() == [list(map(float, box))]
    assert dataset.ground is not None
    assert dataset.ground.xy.round(6).tolist() == [[-2.975, -8.975], [-2.95, -9.0]]
    assert told(dataset) == [("missing frame", 398), ("row of an unknown camera", 1), ("missing file", 14)]
    write_wildtrack(tmp_path, {5: [person(7, 480 * 1440, box)]})
    with pytest.raises(UserError, match="beyond the grid"):
        read_dataset("wildtrack", tmp_path)


def test_an_id_twice_in_a_frame_keeps_its_first_box(tmp_path: Path) -> None:
    write_wildtrack(tmp_path, {0: [person(7, 0, (1, 1, 5, 5)), person(7, 0, (2, 2, 6, 6))]})
    dataset = read_dataset("wildtrack", tmp_path)
    assert dataset.sequences[0].truth.boxes.tolist() == [[1, 1, 5, 5]]
    assert ("id twice in a frame", 1) in told(dataset)
    assert dataset.ground is not None
    assert len(dataset.ground) == 1


def test_a_document_type_is_not_read(tmp_path: Path) -> None:
    write_wildtrack(tmp_path, {0: []})
    for folder, name in (("extrinsic", "extr"), ("intrinsic_zero", "intr")):
        (tmp_path / "calibrations" / folder).mkdir(parents=True)
        (tmp_path / "calibrations" / folder / f"{name}_CVLab1.xml").write_text(
            '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
        )
    with pytest.raises(UserError, match="declares a document type"):
        read_dataset("wildtrack", tmp_path)


def test_nlpr_mct_counts_from_one_and_shares_ids(tmp_path: Path) -> None:
    folder = tmp_path / "annotation" / "Dataset2"
    folder.mkdir(parents=True)
    (folder / "Cam1.dat").write_text("1  1  3  10  20  5  9\n1  2  3  10  20  5  9\n2  2  3  10  20  5  9\n")
    (folder / "Cam2.dat").write_text("2  9  3  10  20  5  9\n")
    dataset = read_dataset("nlpr_mct", tmp_path)
    assert [(one.name, one.length, one.truth.frames.tolist()) for one in dataset.sequences] == [
        ("Cam1", 9, [0, 1]),
        ("Cam2", 9, [8]),
    ]
    assert (dataset.split, dataset.shared_ids) == ("Dataset2", True)
    assert told(dataset) == [("missing file", 1), ("row of an unknown camera", 1)]
    (folder / "Cam2.dat").write_text("2  0  3  10  20  5  9\n")
    with pytest.raises(UserError, match=r"Cam2\.dat:1: the frame is below 1"):
        read_dataset("nlpr_mct", tmp_path)
    (tmp_path / "annotation" / "Dataset1").mkdir()
    (tmp_path / "annotation" / "Dataset1" / "Cam1.dat").write_text("1  1  3  10  20  5  9\n")
    with pytest.raises(UserError, match="several parts; choose --split from Dataset1, Dataset2"):
        read_dataset("nlpr_mct", tmp_path)


def test_a_site_has_one_file_per_camera(tmp_path: Path) -> None:
    (tmp_path / "hall.txt").write_text("1,0,1,1,5,5,1,1,1\n")
    (tmp_path / "lengths.json").write_text('{"hall": 4, "door": 4}')
    dataset = read_dataset("site", tmp_path)
    assert [(one.name, one.length) for one in dataset.sequences] == [("hall", 4)]
    assert told(dataset) == [("missing file", 1)]
    (tmp_path / "lengths.json").write_text('{"hall": "4"}')
    with pytest.raises(UserError, match="hall is '4'; give a number of frames"):
        read_dataset("site", tmp_path)


def test_real_wildtrack_is_what_was_prepared_from_it(testdata: Path) -> None:
    dataset = read_dataset("wildtrack", testdata / "wildtrack")
    assert told(dataset) == [("missing frame", 200)]
    assert len(dataset.calibration) == 7
    for sequence in dataset.sequences:
        prepared = read_mot(testdata / "scored" / "gt" / "wildtrackA" / f"{sequence.name}.txt", "gt")
        assert sequence.length == 200
        np.testing.assert_array_equal(sequence.truth.frames, prepared.frames)
        np.testing.assert_allclose(sequence.truth.boxes, prepared.boxes)
    assert dataset.ground is not None
    feet = np.column_stack([dataset.ground.xy, np.zeros(len(dataset.ground)), np.ones(len(dataset.ground))])
    errors = []
    for sequence in dataset.sequences:
        table = sequence.truth
        seen = {(f, i): row for row, (f, i) in enumerate(zip(table.frames.tolist(), table.ids.tolist(), strict=True))}
        keys = list(zip(dataset.ground.frames.tolist(), dataset.ground.ids.tolist(), strict=True))
        both = [(row, seen[key]) for row, key in enumerate(keys) if key in seen]
        places, rows = (np.array(column) for column in zip(*both, strict=True))
        pixels = feet[places] @ dataset.calibration[sequence.name].T
        boxes = table.boxes[rows]
        middles = np.column_stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, 3]])
        errors.append(np.median(np.abs(pixels[:, :2] / pixels[:, 2:] - middles), axis=0))
    assert np.max(errors) < 15.0


def test_real_mot_sequences_are_read_whole(testdata: Path, tmp_path: Path) -> None:
    dataset = read_dataset("mot17", testdata / "mot17")
    assert [(one.name, one.length) for one in dataset.sequences] == [("MOT17-05-FRCNN", 837), ("MOT17-09-FRCNN", 525)]
    assert told(dataset) == [("missing sequence", 5)]
    prepared = read_dataset("site", testdata / "scored" / "gt" / "mot15")
    for one in prepared.sequences:
        write_sequence(tmp_path / "train", one.name, "", one.length)
        write_mot(tmp_path / "train" / one.name / "gt" / "gt.txt", one.truth, "gt")
    published = read_dataset("mot15", tmp_path)
    assert not published.problems
    assert [len(one.truth) for one in published.sequences] == [len(one.truth) for one in prepared.sequences]


def test_real_nlpr_rows_survive_its_layout(testdata: Path, tmp_path: Path) -> None:
    prepared = read_dataset("site", testdata / "scored" / "gt" / "nlpr_half1")
    folder = tmp_path / "annotation" / "Dataset1"
    folder.mkdir(parents=True)
    for number, one in enumerate(prepared.sequences, 1):
        table = one.truth
        sizes = table.boxes[:, 2:] - table.boxes[:, :2]
        values = np.column_stack([np.full(len(table), number), table.frames + 1, table.ids, table.boxes[:, :2], sizes])
        np.savetxt(folder / f"Cam{number}.dat", values, "%d", "  ")
    dataset = read_dataset("nlpr_mct", tmp_path)
    for one, other in zip(dataset.sequences, prepared.sequences, strict=True):
        np.testing.assert_array_equal(one.truth.boxes, other.truth.boxes)
        np.testing.assert_array_equal(one.truth.ids, other.truth.ids)


@pytest.mark.parametrize("value", ["1e400", "NaN", "99999999999999999999", '"7"', "1.5"])
def test_numbers_nobody_can_mean_are_told(value: str, tmp_path: Path) -> None:
    write_wildtrack(tmp_path, {0: [person(7, 0, (1, 1, 5, 5))]})
    path = tmp_path / "annotations_positions" / "00000000.json"
    path.write_text(path.read_text().replace('"personID": 7', f'"personID": {value}'))
    with pytest.raises(UserError, match="is no annotation of WILDTRACK"):
        read_dataset("wildtrack", tmp_path)
    (tmp_path / "view-IP1.txt").write_text(f'{value} 1 1 5 5 0 0 0 0 "human"\n'.replace('"7"', "x"))
    with pytest.raises(UserError, match=r"view-IP1\.txt:1: (expected track|not a row)"):
        read_dataset("campus", tmp_path)
