from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from data.formats.mot import MotKind, MotTable, read_mot, write_mot


def written(folder: Path, text: str) -> Path:
    path = folder / "cam1.txt"
    path.write_text(text)
    return path


def test_tracks(tmp_path: Path) -> None:
    table = read_mot(written(tmp_path, "2,7,10,20,30,40.5,0.5,-1,-1,-1\n1,0,1,2,3,4,1,-1,-1,-1\n"), "tracks")
    assert table.frames.tolist() == [0, 1]
    assert table.frames.dtype == table.ids.dtype == table.class_ids.dtype == table.rows.dtype == np.int64
    assert table.ids.tolist() == [0, 7]
    assert table.boxes.tolist() == [[1, 2, 4, 6], [10, 20, 40, 60.5]]
    assert table.scores.tolist() == [1, 0.5]
    assert table.scores.dtype == np.float32
    assert table.flags.all()
    assert table.class_ids.tolist() == [1, 1]
    assert table.visibility.tolist() == [1, 1]
    assert table.rows.tolist() == [1, 0]


def test_ground_truth_columns(tmp_path: Path) -> None:
    table = read_mot(written(tmp_path, "1,3,0,0,5,5,0,7,0.25\n1,2,0,0,5,5,1,1,1\n"), "gt")
    assert table.ids.tolist() == [2, 3]
    assert table.flags.tolist() == [True, False]
    assert table.class_ids.tolist() == [1, 7]
    assert table.visibility.tolist() == [1, 0.25]
    assert table.scores.tolist() == [1, 1]


@pytest.mark.parametrize("tail", ["1,-1,-1,-1", "1,12.25,-3.5,0", "1,-1,-1", "1"])
def test_ground_truth_without_class(tmp_path: Path, tail: str) -> None:
    table = read_mot(written(tmp_path, f"1,3,0,0,5,5,{tail}\n"), "gt")
    assert (table.class_ids.tolist(), table.visibility.tolist(), table.flags.tolist()) == ([1], [1], [True])


@pytest.mark.parametrize(
    "text",
    [
        "1,5,1,2,3,4,0.5\n2,5,1,2,3,4,0.5\n",
        "1.0, 5.0, 1, 2, 3, 4, 0.5, -1, -1, -1\r\n2, 5.0, 1.0, 2, 3, 4, 5e-1, -1, -1, -1\r\n",
        "\n1 5 1 2 3 4 0.5\n\n  \n2\t5\t1\t2\t3\t4\t0.5",
        "\ufeff1,5,1,2,3,4,0.5,1\n2,5,1,2,3,4,0.5,1\n\n",
    ],
)
def test_spellings(tmp_path: Path, text: str) -> None:
    table = read_mot(written(tmp_path, text), "tracks")
    assert table.frames.tolist() == [0, 1]
    assert table.ids.tolist() == [5, 5]
    assert table.boxes.tolist() == [[1, 2, 4, 6]] * 2
    assert table.scores.tolist() == [0.5, 0.5]


def test_six_columns_are_enough_for_tracks_only(tmp_path: Path) -> None:
    path = written(tmp_path, "1,5,1,2,3,4\n")
    assert read_mot(path, "tracks").scores.tolist() == [1]
    with pytest.raises(UserError, match=r"cam1.txt:1: 6 columns"):
        read_mot(path, "gt")


def test_ground_truth_stands_in_for_tracks(tmp_path: Path) -> None:
    as_truth = read_mot(written(tmp_path, "1,1,0,0,5,5,1,1,0.5\n1,2,0,0,5,5,0,7,1\n"), "tracks")
    assert as_truth.flags.tolist() == [True, False]
    with_scores = read_mot(written(tmp_path, "1,1,0,0,5,5,0.9,1,0.5\n1,2,0,0,5,5,0,7,1\n"), "tracks")
    assert with_scores.flags.all()
    padded = read_mot(written(tmp_path, "1,1,0,0,5,5,1,-1,-1\n1,2,0,0,5,5,0,-1,-1\n"), "tracks")
    assert padded.flags.all()


@pytest.mark.parametrize("text", ["", "\n \n\n"])
@pytest.mark.parametrize("kind", ["gt", "tracks", "det"])
def test_empty_file(tmp_path: Path, text: str, kind: MotKind) -> None:
    table = read_mot(written(tmp_path, text), kind)
    assert len(table) == 0
    assert table.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("kind", "row", "complaint"),
    [
        ("tracks", "2,1,a,2,3,4,1", "not a row of numbers: '2,1,a,2,3,4,1'"),
        ("tracks", "frame,id,x,y,w,h,conf", "not a row of numbers"),
        ("tracks", "2,1,,2,3,4,1", "not a row of numbers"),
        ("tracks", "2,1,1,2,3,4", "6 columns, where the rows above have 7"),
        ("tracks", "2 1 1 2 3 4 1", "not a row of numbers"),
        ("tracks", "2,1,nan,2,3,4,1", "left is not a finite number"),
        ("det", "2,-1,1,2,3,4,nan", "column 7 is not a finite number"),
        ("tracks", "2,1,1,2,inf,4,1", "width is not a finite number"),
        ("tracks", "0,1,1,2,3,4,1", "frame is below 1"),
        ("tracks", "1.5,1,1,2,3,4,1", "frame is not a whole number"),
        ("tracks", "2,1.25,1,2,3,4,1", "id is not a whole number"),
        ("tracks", "2,1e300,1,2,3,4,1", "id is not a whole number"),
        ("gt", "2,1,1,2,3,4,1.5", "column 7 is not a whole number"),
        ("tracks", "2,1,1,2,-3,4,1", "width is negative"),
        ("det", "2,1,1,2,3,-4,1", "height is negative"),
        ("tracks", "2,-1,1,2,3,4,1", "id is negative"),
        ("gt", "1,4,1,2,3,4,1", "id 4 is given twice in frame 1"),
        ("tracks", "1,4,9,9,9,9,1", "id 4 is given twice in frame 1"),
    ],
)
def test_broken_row(tmp_path: Path, kind: MotKind, row: str, complaint: str) -> None:
    path = written(tmp_path, f"\n1,4,1,2,3,4,1\n\n{row}\n9,9,9,9,9,9,1\n")
    with pytest.raises(UserError) as error:
        read_mot(path, kind)
    assert str(error.value).startswith(f"{path}:4: {complaint}")
    assert "\n" not in str(error.value)


def test_class_must_be_whole(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cam1.txt:1: column 8 is not a whole number"):
        read_mot(written(tmp_path, "1,1,-1,-1,1,1,1,2.1726,0.5535\n"), "gt")


def test_detections_need_no_ids(tmp_path: Path) -> None:
    table = read_mot(written(tmp_path, "2,-1,1,2,3,4,0.1\n1,-1,5,6,7,8,0.2\n2,-1,0,0,1,1,-0.3\n"), "det")
    assert table.frames.tolist() == [0, 1, 1]
    assert table.rows.tolist() == [1, 0, 2], "features beside the file are found by the row's number"
    assert table.scores.tolist() == pytest.approx([0.2, 0.1, -0.3])


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*absent.txt"):
        read_mot(tmp_path / "absent.txt", "det")
    with pytest.raises(UserError, match="cannot read"):
        read_mot(tmp_path, "det")
    picture = tmp_path / "picture.txt"
    picture.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(UserError, match=r"picture.txt is no text in UTF-8"):
        read_mot(picture, "det")


def test_scores_in_place_of_flags_count_in_every_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = read_mot(written(tmp_path, "1,1,0,0,5,5,0.9,-1,-1,-1\n1,2,0,0,5,5,0,-1,-1,-1\n"), "gt")
    assert table.flags.all()
    assert "column 7 holds scores" in caplog.text
    assert read_mot(written(tmp_path, "1,1,0,0,5,5,1,-1,-1,-1\n1,2,0,0,5,5,0,-1,-1,-1\n"), "gt").flags.sum() == 1


def test_visible_shares_in_percent_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cam1.txt:2: column 9 is no visible share from 0 to 1"):
        read_mot(written(tmp_path, "1,1,0,0,5,5,1,1,1\n2,1,0,0,5,5,1,1,85\n"), "gt")


@pytest.mark.parametrize("kind", ["gt", "tracks", "det"])
def test_boxes_in_shares_of_the_picture_are_refused(tmp_path: Path, kind: MotKind) -> None:
    path = written(tmp_path, "1,1,0.5,0.25,0.1,0.3,1\n2,1,0.9,-0.1,0.2,1.1,1\n")
    with pytest.raises(UserError, match="shares of the picture, not pixels; multiply"):
        read_mot(path, kind)
    assert len(read_mot(written(tmp_path, "1,1,0.5,0.25,0.1,0.3,1\n2,1,100,50,20,60,1\n"), kind)) == 2
    assert len(read_mot(written(tmp_path, "1,1,0,0,0,0,1\n"), kind)) == 1, "boxes without area say nothing"


def test_ids_have_64_bits(tmp_path: Path) -> None:
    ids = [504403158265495553, 504403158265495555, 2**63 - 1]
    path = written(tmp_path, "".join(f"1,{number},10,20,30,40,1,-1,-1,-1\n" for number in ids))
    table = read_mot(path, "tracks")
    assert table.ids.tolist() == ids
    write_mot(tmp_path / "again.txt", table)
    assert read_mot(tmp_path / "again.txt", "tracks").ids.tolist() == ids


def test_an_unsigned_minus_one_is_no_id(tmp_path: Path) -> None:
    path = written(tmp_path, f"1,{2**64 - 1},10,20,30,40,1\n")
    assert read_mot(path, "det").ids.tolist() == [-1]
    with pytest.raises(UserError, match="id is negative: every row needs an id"):
        read_mot(path, "tracks")


@pytest.mark.parametrize("large", ["9223372036854775808", "9007199254740993.5", "1e40"])
def test_ids_beyond_64_bits_are_one_line(tmp_path: Path, large: str) -> None:
    with pytest.raises(UserError, match=r"cam1.txt:2: id is not a whole number of 64 bits"):
        read_mot(written(tmp_path, f"1,504403158265495553,10,20,30,40,1\n2,{large},10,20,30,40,1\n"), "tracks")


def test_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    rows = "1,4,10,20,40,60,0.5\n2,4,10,20,40,60,0.5\n"
    table = read_mot(written(tmp_path, "Frame,track_id,bb_left,bb_top,bb_width,bb_height,conf\n" + rows), "tracks")
    assert table.ids.tolist() == [4, 4]
    with pytest.raises(UserError, match=r"cam1.txt:1: column 5 is called 'x2', where width is expected"):
        read_mot(written(tmp_path, "frame,id,x1,y1,x2,y2,conf\n" + rows), "tracks")


def test_decimal_commas_between_commas_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"11 columns, .*put ; between columns"):
        read_mot(written(tmp_path, "1,4,10,5,20,5,30,5,40,5,1\n"), "tracks")


def test_truth_in_the_columns_of_visdrone_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_mot(written(tmp_path, "1,0,10,20,30,60,1,4,0,1\n1,1,50,20,30,60,1,1,0,2\n"), "gt")
    assert "columns 8 to 10 are not read, and seem VisDrone's" in caplog.text
    caplog.clear()
    read_mot(written(tmp_path, "1,0,10,20,30,60,1,-1,-1,-1\n1,1,50,20,30,60,1,3.5,0,0\n"), "gt")
    assert not caplog.text


def test_frame_offsets() -> None:
    table = MotTable.make(np.array([4, 1, 1]), np.array([0, 2, 1]), np.zeros((3, 4)))
    assert table.frame_offsets(6).tolist() == [0, 0, 2, 2, 2, 3, 3]
    assert table.ids.tolist() == [1, 2, 0]
    assert table.shifted(10).frames.tolist() == [11, 11, 14]


coordinate = st.floats(-5000, 5000, width=32)
size = st.floats(0, 2000, width=32)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 9), coordinate, coordinate, size, size, st.floats(0, 1)),
        unique_by=lambda row: row[:2],
        max_size=30,
    ),
    st.sampled_from(["gt", "tracks", "det"]),
)
@settings(max_examples=60)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]], kind: MotKind) -> None:
    values = np.array(rows, float).reshape(-1, 7)
    boxes = np.concatenate([values[:, 2:4], values[:, 2:4] + values[:, 4:6]], axis=1)
    share = values[:, 6].astype(np.float32)
    columns = {"visibility": share, "flags": share > 0.5} if kind == "gt" else {"scores": share}
    table = MotTable.make(values[:, 0].astype(int), values[:, 1].astype(int), boxes, **columns)
    path = tmp_path_factory.mktemp("mot") / "cam1.txt"
    write_mot(path, table, kind)
    again = read_mot(path, kind)
    for column in ("frames", "ids", "flags", "class_ids"):
        assert (getattr(again, column) == getattr(table, column)).all()
    assert np.allclose(again.boxes, table.boxes, rtol=0, atol=1.001e-3)
    assert np.allclose(again.scores, table.scores, rtol=0, atol=5.1e-5)
    assert np.allclose(again.visibility, table.visibility, rtol=0, atol=5.1e-5)
    text = path.read_bytes()
    write_mot(path, again, kind)
    assert path.read_bytes() == text
    assert [name.name for name in path.parent.iterdir()] == ["cam1.txt"]


def test_text_is_fixed(tmp_path: Path) -> None:
    boxes = np.array([[-0.0001, 2.5, 10.0, 20.25], [1 / 3, 0, 1, 1]])
    path = tmp_path / "cam1.txt"
    write_mot(path, MotTable.make(np.array([0, 11]), np.array([0, 5]), boxes, np.array([0.98767, 1])))
    assert path.read_text() == (
        "1,0,0.000,2.500,10.000,17.750,0.9877,-1,-1,-1\n12,5,0.333,0.000,0.667,1.000,1.0000,-1,-1,-1\n"
    )
    write_mot(path, MotTable.empty())
    assert path.read_bytes() == b""


def test_a_million_numbers_come_back(tmp_path: Path) -> None:
    count = 100_000
    boxes = np.random.default_rng(0).uniform(0, 1000, (count, 4))
    boxes[:, 2:] += 1000
    path = tmp_path / "cam1.txt"
    write_mot(path, MotTable.make(np.arange(count) // 30, np.arange(count) % 30, boxes))
    table = read_mot(path, "tracks")
    assert np.array_equal(table.frames * 30 + table.ids, np.arange(count))


def test_real_files(testdata: Path) -> None:
    scored = testdata / "scored"
    kinds: list[tuple[MotKind, list[Path]]] = [
        ("gt", [path for path in scored.glob("gt/*/*.txt") if path.stem != "world"]),
        ("gt", list(testdata.glob("mot17*/**/gt.txt"))),
        ("det", [*testdata.glob("mot17mini/**/det.txt"), *scored.glob("input/*/det/*.txt")]),
        ("tracks", [*testdata.glob("mot17/tracker_output/*.txt"), *scored.glob("input/*/tracks/*.txt")]),
    ]
    for kind, paths in kinds:
        assert paths, kind
        for path in paths:
            lines = [line for line in path.read_text().splitlines() if line.strip()]
            assert len(read_mot(path, kind)) == len(lines), path
