import cv2
import numpy as np
import pytest

from data.errors import UserError
from pipeline.review.inspection import inspect, strongest_pair
from pipeline.review.replay import replay
from tools.inspect_link import main


@pytest.fixture
def pair_of(make):
    """Six people in two cameras, one after the other; and whether two keys are one person."""
    tracklets, truth = make.crowd(6, cameras=2, noise=0.4)
    return tracklets, truth


def looked(folder, a, b, **options):
    found = replay(folder, **options)
    index = found.judgement.table.index()
    return inspect(found.judgement, found.labels, index[a], index[b])


def test_what_the_run_decided_is_found_again_from_its_folder(finished, pair_of):
    folder = finished(pair_of[0])
    found = replay(folder)
    decided = found.judgement.decide()
    assert len(set(zip(decided.tolist(), found.labels.tolist()))) == len(set(decided.tolist()))
    index = found.judgement.table.index()
    for link in folder.read_links():
        seen = inspect(found.judgement, found.labels, index[link.a], index[link.b])
        assert seen.probability == pytest.approx(link.probability, abs=1e-6)
        assert {saying.name: saying.llr for saying in seen.sayings} == pytest.approx(link.llr, abs=1e-6)
        assert 1 / (1 + np.exp(-seen.log_odds)) == pytest.approx(link.probability, abs=1e-6)


def test_joined_and_parted_pairs_say_why(finished, pair_of, capsys):
    folder = finished(pair_of[0])
    joined = looked(folder, ("cam0", 2), ("cam1", 2))
    assert joined.joined
    assert joined.verdict.startswith("joined: by themselves")
    parted = looked(folder, ("cam0", 2), ("cam1", 3))
    assert not parted.joined
    assert parted.group_added < parted.threshold or parted.blocked
    assert parted.verdict.startswith("not joined")
    assert parted.rivals[0][0].key == ("cam1", 2), "the runner-up of the first is whom it was joined with"
    assert parted.rivals[0][0].joined
    assert main([str(folder.root), "cam0:2", "cam1:2"]) == 0
    out = capsys.readouterr().out
    for text in ("appearance", "one person 0.", "prior", "rivals", "sum", "runners-up", "no lag is known", "part0"):
        assert text in out
    assert "pictures:" not in out
    assert not (folder.root / "inspection.html").exists()


def test_people_seen_at_once_are_two_whatever_they_look_like(finished, make):
    same = np.ones((4, 1, 32)) + 0.01 * np.random.default_rng(0).normal(size=(4, 1, 32))
    boxes = [(100, 100, 160, 280), (400, 100, 460, 280)]
    tracklets = [
        make.tracklet("a", number, 0, 8, prototypes=make.embeddings(same), box=box) for number, box in enumerate(boxes)
    ]
    found = looked(finished(tracklets), ("a", 0), ("a", 1))
    assert found.excluded == "seen at once in one camera"
    assert found.verdict == "two people for certain: seen at once in one camera"
    assert not found.sayings


def test_who_keeps_two_groups_apart_is_named(finished, make):
    """The third tracklet looks like both of the others, who are in one camera at once."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(1, 32))
    vectors = [base + 0.3 * rng.normal(size=(4, 1, 32)) for _ in range(3)]
    others, _ = make.crowd(8, cameras=2, dim=32, noise=0.4)
    left = [
        make.tracklet("cam0", 90 + number, 5000, 5008, prototypes=make.embeddings(vectors[number]),
                      box=(100 + 300 * number, 100, 160 + 300 * number, 280))
        for number in range(2)
    ]  # fmt: skip
    right = make.tracklet("cam1", 92, 6000, 6008, prototypes=make.embeddings(vectors[2]))
    folder = finished([*others, *left, right])
    found = [looked(folder, ("cam0", 90 + number), ("cam1", 92)) for number in range(2)]
    assert sorted(one.joined for one in found) == [False, True]
    (apart,) = (one for one in found if not one.joined)
    assert apart.blocked is not None
    assert {apart.blocked[0], apart.blocked[1]} == {("cam0", 90), ("cam0", 91)}
    assert "cam0:90" in apart.verdict and "seen at once in one camera" in apart.verdict  # noqa: PT018


def test_a_pair_that_was_not_compared_is_looked_at_all_the_same(finished, make, capsys):
    tracklets, _ = make.crowd(40, cameras=2, noise=0.2)
    folder = finished(tracklets)
    table = replay(folder).judgement.table
    pairs = replay(folder).judgement.scores.pairs
    rows = np.arange(len(table))
    known = set(zip(pairs.a.tolist(), pairs.b.tolist()))
    absent = next((a, b) for a in rows.tolist() for b in rows.tolist() if a < b and (a, b) not in known
                  and table.camera[a] != table.camera[b])  # fmt: skip
    names = [f"{camera}:{number}" for camera, number in (table.keys[row] for row in absent)]
    assert main([str(folder.root), *names]) == 0
    out = capsys.readouterr().out
    assert "did not compare them" in out
    assert "appearance" in out


def test_people_can_be_named_by_their_global_ids(finished, pair_of, capsys):
    folder = finished(pair_of[0])
    found = replay(folder)
    first, second = found.ids[:2]
    assert main([str(folder.root), str(first), str(second)]) == 0
    assert f"person {first};" in capsys.readouterr().out
    judgement = found.judgement
    left, right = (np.flatnonzero(found.labels == name) for name in (0, 1))
    a, b = strongest_pair(judgement, left, right)
    assert a in left
    assert b in right


def test_pictures_of_both_lie_side_by_side_where_there_are(finished, pair_of, capsys):
    folder = finished(pair_of[0])
    picture = cv2.imencode(".jpg", np.full((90, 40, 3), 120, np.uint8))[1].tobytes()
    path = folder.crop("cam0", 2, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(picture)
    assert main([str(folder.root), "cam0:2", "cam1:2"]) == 0
    page = (folder.root / "inspection.html").read_text()
    assert page.count("<img ") == 1
    assert "data:image/jpeg" in page
    assert "The run kept no picture of it." in page
    assert "joined: by themselves" in page
    assert "pictures:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("cam0:99", "cam1:0"), "camera 'cam0' has no tracklet 99; its local ids are 0, 1, 2"),
        (("hall:0", "cam1:0"), "no tracklets of camera 'hall'; its cameras are cam0, cam1"),
        (("cam0", "cam1:0"), "'cam0' names no tracklet: give camera:local_id"),
        (("cam0:0", "77"), "no person 77; its global ids are"),
        (("cam0:0", "cam0:0"), "are the same tracklet"),
    ],
)
def test_who_is_not_there_is_one_clear_line(finished, pair_of, names, line):
    folder = finished(pair_of[0])
    with pytest.raises(UserError, match=line):
        main([str(folder.root), *names])


def test_runs_that_have_nothing_to_look_at(finished, make, tmp_path):
    with pytest.raises(UserError, match="is not a run folder"):
        main([str(tmp_path), "a:0", "a:1"])
    empty = finished([], "empty")
    with pytest.raises(UserError, match=r"no tracklets of camera 'a'; its cameras are none"):
        main([str(empty.root), "a:0", "a:1"])
    alone = finished([make.tracklet()], "alone")
    with pytest.raises(UserError, match="has no tracklet 1; its local ids are 0"):
        main([str(alone.root), "a:0", "a:1"])
    alone.global_tracks.unlink()
    with pytest.raises(UserError, match=r"run python -m tools\.associate on it first"):
        main([str(alone.root), "a:0", "a:1"])


def test_identities_of_other_tracklets_are_noticed(finished, pair_of):
    folder = finished(pair_of[0])
    folder.write_global_tracks(folder.read_global_tracks()[:-1])
    with pytest.raises(UserError, match="do not belong together"):
        replay(folder)
