from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.skeleton_recordings import read_form, read_recordings, write_recordings
from data.skeleton_sequences import (
    JOINTS,
    LEFT_HIP,
    RIGHT_HIP,
    Recording,
    SkeletonSequences,
    centred,
    check_sequences,
    cut,
    from_coco,
    hold_out,
)


def recording(frames: int, person: int = 0, name: str = "walk") -> Recording:
    points = np.random.default_rng([frames, person]).normal(size=(frames, len(JOINTS), 3)).astype(np.float32)
    return Recording(points, np.arange(frames) / 10, person, "nm", 90, name)


def numbered(people: list[int], recordings: list[int]) -> SkeletonSequences:
    points = np.zeros((len(people), 4, len(JOINTS), 3), np.float32)
    return SkeletonSequences(points, np.array(people), np.array(recordings))


def test_sequences_overlap_by_half_and_stand_about_the_hips() -> None:
    walk = recording(13)
    found = cut([walk], 6, "walk")
    assert found.points.shape == (3, 6, len(JOINTS), 3)
    assert np.array_equal(found.points[0, 3:], found.points[1, :3])
    middle = found.points[:, :, LEFT_HIP] + found.points[:, :, RIGHT_HIP]
    assert np.abs(middle).max() < 1e-5
    assert found.followed.tolist() == [True, True]


def test_recordings_and_people_are_no_neighbours() -> None:
    found = cut([recording(8), recording(8), recording(8, 1)], 4, "walks")
    assert found.people.tolist() == [0] * 6 + [1] * 3
    assert found.followed.tolist() == [True, True, False, True, True, False, True, True]


def test_sequences_around_a_missing_joint_are_left_out_and_do_not_follow_one_another() -> None:
    walk = recording(20)
    walk.points[9, 3, 1] = np.nan
    found = cut([walk], 4, "walk")
    whole = cut([recording(20)], 4, "walk")
    assert len(whole) - len(found) == 2
    assert np.isfinite(found.points).all()
    assert (~found.followed).sum() == 1
    assert whole.followed.all()


@pytest.mark.parametrize(
    ("walks", "frames", "words"),
    [
        ([recording(5)], 6, "the longest run of 5 skeletons"),
        ([], 6, "in 0 recordings"),
        ([recording(9)], 1, "show no movement"),
        ([Recording(np.zeros((9, 17, 3), np.float32), np.arange(9.0))], 4, r"\(17, 3\)"),
    ],
)
def test_what_cannot_be_cut_is_explained(walks: list[Recording], frames: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        cut(walks, frames, "walks")


def test_the_head_rests_on_what_is_known_of_the_face() -> None:
    points = np.random.default_rng(1).normal(size=(2, 17, 3)).astype(np.float32)
    points[0, [1, 3]] = np.nan
    joints = from_coco(points)
    assert joints[0, 0] == pytest.approx(points[0, [0, 2, 4]].mean(axis=0))
    assert joints[:, 1] == pytest.approx(points[:, 5:7].mean(axis=1))
    assert np.array_equal(joints[:, 2:], points[:, 5:])
    points[1, :5] = np.nan
    assert np.isnan(from_coco(points)[1, 0]).all()
    assert np.isfinite(centred(joints)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: SkeletonSequences(s.points[:0], s.people[:0], s.recordings[:0]), "no sequences"),
        (lambda s: SkeletonSequences(s.points[:, :1], s.people, s.recordings), "too short"),
        (lambda s: SkeletonSequences(s.points[:, 0], s.people, s.recordings), "are wanted"),
        (lambda s: SkeletonSequences(s.points, s.people[:-1], s.recordings), "are wanted"),
        (
            lambda s: SkeletonSequences(np.where(np.arange(3) == 1, np.nan, s.points), s.people, s.recordings),
            "no numbers",
        ),
    ],
)
def test_unfit_sequences_are_refused(change: Callable[[SkeletonSequences], SkeletonSequences], words: str) -> None:
    sequences = cut([recording(12)], 4, "walk")
    assert check_sequences(sequences, "walk") is sequences
    with pytest.raises(UserError, match=words):
        check_sequences(change(sequences), "walk")


def test_whole_recordings_are_held_out_where_there_are_some() -> None:
    sequences = numbered([0] * 9, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    learn, judge = hold_out(sequences, 0.2)
    assert (learn.tolist(), judge.tolist()) == (list(range(6)), [6, 7, 8])


def test_what_is_held_out_shares_no_skeleton_with_what_is_learnt() -> None:
    learn, judge = hold_out(numbered([3] * 10, [0] * 10), 0.2)
    assert (learn.tolist(), judge.tolist()) == (list(range(7)), [8, 9])


def test_who_has_one_sequence_is_only_learnt_from() -> None:
    learn, judge = hold_out(numbered([0, 1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1]), 0.2)
    assert 0 in learn
    assert 0 not in judge
    assert len(judge) == 1


def test_recordings_read_back_as_they_were_written(tmp_path: Path) -> None:
    walks = [recording(7), recording(4, 2, "other")]
    walks[1].points[2, 5] = np.nan
    write_recordings(tmp_path / "a.npz", walks, "full")
    write_recordings(tmp_path / "b.npz", walks, "full")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for before, after in zip(walks, read_recordings(tmp_path / "a.npz"), strict=True):
        assert np.array_equal(before.points, after.points, equal_nan=True)
        assert np.array_equal(before.times_s, after.times_s)
        told = (after.person, after.condition, after.view_deg, after.name)
        assert told == (before.person, before.condition, before.view_deg, before.name)
    write_recordings(tmp_path / "none.npz", [], "flat")
    assert read_recordings(tmp_path / "none.npz") == []
    assert read_form(tmp_path / "none.npz") == "flat"


def test_files_that_hold_no_recordings_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_recordings(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UserError, match="npz file of numbers"):
        read_recordings(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(UserError, match="make_skeletons"):
        read_recordings(tmp_path / "other.npz")
    write_recordings(tmp_path / "good.npz", [recording(7)], "full")
    for key, value, words in (("version", 9, "version 9"), ("form", "round", "form 'round'"),
                              ("joints", np.array(["knee"]), "joints are knee"),
                              ("lengths", np.array([9]), "damaged")):  # fmt: skip
        with np.load(tmp_path / "good.npz") as archive:
            arrays = {name: archive[name] for name in archive.files} | {key: value}
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(UserError, match=words):
            read_recordings(tmp_path / "bad.npz")
