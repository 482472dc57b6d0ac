"""Person search: by hand, and in miniature through the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.datasets.posetrack21_search import SearchPeople
from data.errors import UserError
from data.formats.box_features import BoxFeatures, read_box_features, write_box_features
from data.records import PartEmbeddings
from pipeline.cli import run
from pipeline.evaluation.person_search import person_search
from tools import dataset_info, evaluate

BOX = np.array([0.0, 0, 100, 200])
OTHER = np.array([300.0, 0, 400, 200])


def embeddings(vectors: Any, model: str = "m") -> PartEmbeddings:
    values = np.asarray(vectors, np.float32)[:, None]
    return PartEmbeddings(values, np.ones(values.shape[:2], np.float32), ("global",), ("holistic",), model)


def people(pictures: list[int], ids: list[int], box: np.ndarray = BOX) -> SearchPeople:
    return SearchPeople(np.arange(len(ids)), np.array(pictures), np.array(ids), np.tile(box, (len(ids), 1)))


def detections(pictures: list[int], boxes: Any, vectors: Any) -> BoxFeatures:
    scores = np.ones(len(pictures), np.float32)
    return BoxFeatures(np.array(pictures), np.array(boxes, float), scores, embeddings(vectors))


def test_the_ranking_is_worked_out_by_hand() -> None:
    """One person in three other pictures; found second, not found, found last of four."""
    truth = people([0, 1, 2, 3], [5, 5, 5, 5])
    found = detections(
        [1, 1, 2, 3, 0], [BOX, OTHER, OTHER, [5, 5, 100, 200], BOX], [[0.8, 0.6], [1, 0], [0.6, 0.8], [0, 1], [1, 0]]
    )
    scores = person_search(people([0, 0], [5, 6]), embeddings([[1, 0], [1, 0]]), truth, found)
    assert scores.mean_ap == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert scores.top == {1: 0.0, 5: 1.0, 10: 1.0}
    assert scores.recalls.tolist() == pytest.approx([2 / 3])
    assert (len(scores), scores.left_out) == (1, 1)


def test_average_precision_is_that_of_scikit_times_recall() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    pictures = np.repeat(np.arange(1, 30), 3)
    vectors = rng.normal(size=(len(pictures), 8))
    boxes = np.tile([BOX, OTHER, OTHER + 1000], (29, 1))
    truth = people(list(range(30)), [5] * 30)
    found = detections(pictures.tolist(), boxes, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    scores = person_search(people([0], [5]), embeddings([np.eye(8)[0]]), truth, found)
    right = np.tile([True, False, False], 29)
    expected = metrics.average_precision_score(right, found.embeddings.vectors[:, 0, 0])
    assert scores.mean_ap == pytest.approx(expected)


def test_small_people_need_less_overlap() -> None:
    small = np.array([0.0, 0, 10, 10])
    shifted = detections([1], [[5.0, 0, 15, 10]], np.ones((1, 2)))
    queries = people([0], [5], small)
    assert person_search(queries, embeddings(np.ones((1, 2))), people([0, 1], [5, 5], small), shifted).mean_ap == 1
    far = detections([1], shifted.boxes * 10, np.ones((1, 2)))
    assert person_search(queries, embeddings(np.ones((1, 2))), people([0, 1], [5, 5], small * 10), far).mean_ap == 0


def test_parts_that_are_not_seen_do_not_speak() -> None:
    """By the visible part the second detection is the person; by both parts the first would be."""
    vectors = np.array([[[1, 0], [1, 0]], [[0.9, 0.436], [-1, 0]]], np.float32)
    seen = np.array([[0, 1], [1, 0]], np.float32)
    asked = PartEmbeddings(np.array([[[1, 0], [-1, 0]]], np.float32), np.ones((1, 2), np.float32), ("a", "b"), (), "m")
    found = BoxFeatures(
        np.array([1, 1]),
        np.array([OTHER, BOX]),
        np.ones(2, np.float32),
        PartEmbeddings(vectors, seen, ("a", "b"), (), "m"),
    )
    scores = person_search(people([0], [5]), asked, people([0, 1], [5, 5]), found)
    assert scores.mean_ap == 1


# The command


def annotation(number: int, picture: int, person: int | None, box: np.ndarray) -> dict[str, Any]:
    left, top, right, bottom = box.tolist()
    return {
        "id": number, "image_id": picture, "person_id": person, "track_id": 0, "bbox_head": [1, 1, 5, 5],
        "bbox": [left, top, right - left, bottom - top], "keypoints": [],
    }  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Person 5 in pictures 0 to 3, person 6 in 0 and 1; a picture with nobody. Queries: both, in picture 0."""
    folder = tmp_path / "PoseTrack21" / "posetrack_person_search"
    folder.mkdir(parents=True)
    images = [{"id": n, "vid_id": "000001", "file_name": f"images/val/000001_a/{n:06d}.jpg"} for n in range(5)]
    gallery = [annotation(10 + n, n, 5, BOX) for n in range(4)] + [annotation(20 + n, n, 6, OTHER) for n in range(2)]
    queries = [annotation(90, 0, 5, BOX), annotation(91, 0, 6, OTHER)]
    (folder / "val.json").write_text(json.dumps({"images": images, "annotations": gallery}))
    (folder / "query.json").write_text(json.dumps({"images": images[:1], "annotations": queries}))
    return tmp_path / "PoseTrack21"


def write(folder: Path, **change: Any) -> Path:
    """Everybody is found in every picture, once more in the empty one, and once weakly; looks tell people apart."""
    folder.mkdir(exist_ok=True)
    five, six = [1.0, 0.0], [0.0, 1.0]
    write_box_features(
        folder / "query.npz",
        BoxFeatures(np.array([91, 90]), np.array([OTHER, BOX]), np.ones(2, np.float32), embeddings([six, five])),
    )
    owners = np.array([0, 1, 2, 3, 0, 1, 4, 2])
    boxes = np.array([BOX] * 4 + [OTHER] * 2 + [BOX, OTHER])
    scores = np.array([0.9] * 7 + [0.2], np.float32)
    looks = embeddings([five] * 4 + [six] * 2 + [five, five])
    write_box_features(folder / "gallery.npz", BoxFeatures(owners, boxes, scores, looks))
    for name, entries in change.items():
        with np.load(folder / f"{name}.npz") as archive:
            content = dict(archive) | entries
        np.savez(folder / f"{name}.npz", **{key: value for key, value in content.items() if value is not None})
    return folder


def score(root: Path, pred: Path, *more: str) -> int:
    given = ["--dataset", "posetrack21_person_search", "--root", str(root), "--pred", str(pred), *more]
    return run(evaluate.main, given)


def scores(root: Path, pred: Path, *more: str) -> dict[str, Any]:
    path = pred / "scores.json"
    assert score(root, pred, "--json", str(path), *more) == 0
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_people_are_searched_in_all_other_pictures(root: Path, tmp_path: Path) -> None:
    content = scores(root, write(tmp_path / "pred"))
    assert content["figures"] == {"mAP": 1.0, "top-1": 1.0, "top-5": 1.0, "top-10": 1.0}
    row = content["tables"][0]["rows"][0]
    assert (row["queries"], row["people"], row["pictures"], row["detections"], row["found"]) == (2, 2, 4, 6, 1.0)
    told = ["1 of 8 detections are in pictures without annotations", "1 of 8 detections have a score below 0.5"]
    assert content["warnings"] == [f"gallery.npz: {line}, not ranked" for line in told]


def test_wrong_looks_and_missed_people_cost(root: Path, tmp_path: Path) -> None:
    swapped = {"vectors": np.array([[[1.0, 0.0]], [[0.0, 1.0]]])}
    assert scores(root, write(tmp_path / "pred", query=swapped))["figures"]["top-1"] == 0
    missed = {"boxes": np.array([BOX, OTHER, BOX, BOX, OTHER, OTHER, BOX, OTHER])}
    content = scores(root, write(tmp_path / "pred", gallery=missed))
    assert content["figures"]["mAP"] == pytest.approx(((1 / 2 + 2 / 3) / 3 + 1) / 2), "second and third; never"
    assert content["tables"][0]["rows"][0]["found"] == pytest.approx((2 / 3 + 1) / 2)


def test_one_vector_per_person_is_enough(root: Path, tmp_path: Path) -> None:
    flat = {"visibility": None, "model_id": None}
    pred = write(tmp_path / "pred", query=flat | {"vectors": np.array([[0.0, 1.0], [2.0, 0.0]])}, gallery=flat)
    assert scores(root, pred)["figures"]["mAP"] == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"query": {"owners": np.array([90, 90])}}, "query 90 is there twice"),
        ({"query": {"owners": np.array([90, 7])}}, "has nothing of query 91 (1 of 2 are missing)"),
        ({"query": {"model_id": np.array("n")}}, "query.npz was made by n, gallery.npz by m"),
        ({"query": {"vectors": np.ones((2, 1, 3))}}, "features of queries are (1, 3), those of detections (1, 2)"),
        ({"gallery": {"owners": np.arange(100, 108)}}, "none of 0 detections lies on anybody"),
        ({"gallery": {"boxes": np.tile(BOX + 5000, (8, 1))}}, "none of 6 detections lies on anybody"),
        ({"gallery": {"boxes": np.tile([50.0, 0, 10, 9], (8, 1))}}, "the wrong way round"),
        ({"gallery": {"boxes": np.ones((3, 4))}}, "does not go with 8 owners"),
        ({"gallery": {"vectors": None}}, "it lacks vectors"),
        ({"gallery": {"owners": np.array(3)}}, "does not go with"),
        ({"gallery": {"owners": np.full(8, np.inf)}}, "are ids, whole numbers"),
        ({"gallery": {"visibility": np.full((8, 1), 2.0)}}, "a visibility outside 0-1"),
    ],
)
def test_broken_features_are_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], complaint: str
) -> None:
    assert score(root, write(tmp_path / "pred", **change)) == 2
    assert complaint in capsys.readouterr().err


def test_features_that_are_not_finite_are_no_evidence(root: Path, tmp_path: Path) -> None:
    vectors = np.array([[0, 1.0], [np.nan, 0]])[:, None]
    content = scores(root, write(tmp_path / "pred", query={"vectors": vectors}))
    assert "query.npz: 1 rows have features that are not finite: no evidence" in content["warnings"]
    assert content["figures"]["mAP"] == 0.5, "what nothing is known of is not ranked in the order of the file"


def test_problems_of_the_data_set_are_told(root: Path, tmp_path: Path) -> None:
    path = root / "posetrack_person_search" / "val.json"
    content = json.loads(path.read_text())
    content["annotations"] += [
        annotation(50, 2, None, OTHER), annotation(51, 2, 8, np.array([1.0, 2, 1, 9])), annotation(52, 3, 5, OTHER)
    ]  # fmt: skip
    path.write_text(json.dumps(content))
    warnings = scores(root, write(tmp_path / "pred"))["warnings"]
    for kind in ("row without an identity (1)", "box without area (1)", "id twice in a frame (1)"):
        assert any(kind in line for line in warnings), kind


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    write(tmp_path)
    back = read_box_features(tmp_path / "gallery.npz")
    assert back.owners.tolist() == [0, 1, 2, 3, 0, 1, 4, 2]
    assert back.embeddings.model_id == "m"
    with pytest.raises(UserError, match="cannot read"):
        read_box_features(tmp_path / "no.npz")


def test_the_data_set_is_told_of(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(dataset_info.main, ["posetrack21_person_search", str(root), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [row["people"] for row in facts["sequences"]] == [2, 2]
    assert facts["sequences"][1] == {"name": "gallery", "pictures": 4, "boxes": 6, "people": 2}
    assert (facts["people in both"], facts["pictures that are not here"], facts["problems"]) == (2, 5, [])
