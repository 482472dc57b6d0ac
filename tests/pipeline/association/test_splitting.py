"""Tracklets that change person are cut; those that do not stay whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.records import PartEmbeddings, Tracklet
from data.site import Site
from data.splits import apply_splits
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig, SplitConfig
from pipeline.association.corrections import Anchor, Correction
from pipeline.association.splitting import Scale, find_splits
from pipeline.association.two_sided import TwoSided
from pipeline.folder.run_folder import RunFolder

FPS, SECONDS, DIM = 10, 20, 64
MEETING_S = 10.0


def look(person: int) -> np.ndarray:
    return np.random.default_rng(100 + person).normal(size=DIM)


def walk(local_id: int, persons: tuple[int, int], lane: float, seed: int, camera: str = "hall") -> Tracklet:
    """Somebody who crosses the picture and at MEETING_S stands where the one of the other lane stands."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(FPS * SECONDS) / FPS
    x = 100 + 20 * times_s if local_id % 2 else 500 - 20 * times_s
    y = 200 + lane * np.minimum(np.abs(times_s - MEETING_S) / 4, 1)
    boxes = np.stack([x, y, x + 40, y + 120], 1).astype(np.float32)
    rows = np.arange(5, len(times_s), 12)
    people = np.where(times_s[rows] < MEETING_S, *persons)
    vectors = np.stack([look(int(person)) for person in people]) + rng.normal(0, 0.35, (len(rows), DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    looks = PartEmbeddings(vectors[:, None], np.ones((len(rows), 1), np.float32), ("body",), ("holistic",), "m")
    return Tracklet(
        camera, local_id, times_s, np.arange(len(times_s)), boxes, np.full(len(times_s), 0.9, np.float32),
        prototypes=looks, prototype_rows=rows, frame_size=(640, 480),
    )  # fmt: skip


def scene(*, swapped: bool) -> list[Tracklet]:
    """Two people who meet and part, and two bystanders; with ``swapped`` the tracks exchange the two."""
    first, second = ((1, 2), (2, 1)) if swapped else ((1, 1), (2, 2))
    return [walk(1, first, 60, 1), walk(2, second, -60, 2), walk(3, (3, 3), 220, 3), walk(4, (4, 4), -190, 4)]


def test_an_exchange_where_two_meet_is_cut_in_both_tracks() -> None:
    splits = find_splits(scene(swapped=True), SplitConfig())
    assert [(split.local_id, split.new_id) for split in splits] == [
        (1, 5 * splits[0].row + 1),
        (2, 5 * splits[1].row + 2),
    ]
    assert all(abs(split.time_s - MEETING_S) < 1 for split in splits)
    assert [split.taken_from for split in splits] == [2, 1]
    assert all(split.probability > 0.9 for split in splits)


def test_people_who_stay_themselves_are_not_cut() -> None:
    assert find_splits(scene(swapped=False), SplitConfig()) == []


def test_the_order_of_tracklets_does_not_matter() -> None:
    tracklets = scene(swapped=True)
    assert find_splits(tracklets[::-1], SplitConfig()) == find_splits(tracklets, SplitConfig())


def test_a_cut_keeps_its_name_when_others_come_or_go() -> None:
    tracked = scene(swapped=True)
    every = find_splits(tracked, SplitConfig())
    fewer = find_splits([item for item in tracked if item.local_id != 2] + [walk(2, (2, 2), -60, 2)], SplitConfig())
    assert fewer != every
    assert {split.row: split.new_id for split in fewer} == {s.row: s.new_id for s in every if s.local_id == 1}


def test_it_can_be_switched_off() -> None:
    assert find_splits(scene(swapped=True), SplitConfig(enabled=False)) == []


def test_without_looks_nothing_is_cut() -> None:
    blind = [replace(item, prototypes=None, prototype_rows=np.zeros(0, np.int64)) for item in scene(swapped=True)]
    assert find_splits(blind, SplitConfig()) == []


def test_tracks_of_a_camera_group_are_left_alone() -> None:
    grouped = [replace(item, group_id=item.local_id) for item in scene(swapped=True)]
    assert find_splits(grouped, SplitConfig()) == []


def test_all_alike_tells_nobody_apart() -> None:
    alike = []
    for item in scene(swapped=True):
        assert item.prototypes is not None
        same = np.tile(np.eye(1, DIM, dtype=np.float32), (len(item.prototypes), 1, 1))
        alike.append(replace(item, prototypes=replace(item.prototypes, vectors=same)))
    assert find_splits(alike, SplitConfig()) == []


def test_pieces_are_joined_to_whom_they_show() -> None:
    tracked = scene(swapped=True)
    splits = find_splits(tracked, SplitConfig())
    labels = associate(apply_splits(tracked, splits), Site.blank(["hall"]), AssociateConfig()).labels
    after_first, after_second = (("hall", split.new_id) for split in splits)
    assert labels["hall", 1] != labels[after_first]
    assert labels["hall", 1] == labels[after_second]
    assert labels["hall", 2] == labels[after_first]


def test_a_person_can_veto_a_cut() -> None:
    tracked = scene(swapped=True)
    splits = find_splits(tracked, SplitConfig())
    pieces = apply_splits(tracked, splits)

    def anchor(time_s: float) -> Anchor:
        row = int(time_s * FPS)
        return Anchor(camera="hall", time_s=time_s, box=tuple(tracked[0].boxes[row].tolist()))

    veto = Correction("same", anchor(2.0), anchor(18.0))
    labels = associate(pieces, Site.blank(["hall"]), AssociateConfig(), corrections=[veto]).labels
    assert labels["hall", 1] == labels["hall", splits[0].new_id]


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.3, 0.6, 1.9])
def test_evidence_rises_with_the_distance(distance: float) -> None:
    near, far = TwoSided(0.2, 0.06, 0.06), TwoSided(0.6, 0.12, 0.12)
    scale = Scale(near, far, 0.02)
    assert scale.llr(distance) <= scale.llr(distance + 0.1)
    assert scale.llr(np.nan) == 0
    assert scale.llr(0.1) < 0 < scale.llr(0.7)
    assert Scale(far, near, 0.02).llr(0.9) == 0


def test_cuts_are_kept_in_the_run_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.tracklets.mkdir()
    tracked = scene(swapped=True)
    folder.write_part(0.0, 0, tracked)
    assert len(folder.read_tracklets()) == 4
    splits = find_splits(tracked, SplitConfig())
    folder.write_splits(splits)
    assert folder.read_splits() == splits
    assert [item.local_id for item in folder.read_tracklets("hall")] == [
        1,
        2,
        3,
        4,
        *sorted(split.new_id for split in splits),
    ]
    assert [item.local_id for item in folder.read_tracked()] == [1, 2, 3, 4]
