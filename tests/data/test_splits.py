"""Cuts of tracklets and the pieces they leave."""

import numpy as np

from data.records import PartEmbeddings, Tracklet
from data.splits import Split, apply_splits, piece_spans


def tracklet(local_id: int, rows: int = 10, continues: int = -1) -> Tracklet:
    looks = PartEmbeddings(
        np.eye(3, 4, dtype=np.float32)[:, None], np.ones((3, 1), np.float32), ("body",), ("holistic",), "m"
    )
    boxes = np.arange(rows, dtype=np.float32)[:, None] + np.array([0, 0, 10, 30], np.float32)
    return Tracklet(
        "hall", local_id, np.arange(rows) / 10, np.arange(rows), boxes, np.ones(rows, np.float32),
        prototypes=looks, prototype_rows=np.array([1, 4, 7]), continues=continues,
    )  # fmt: skip


def cut(local_id: int, new_id: int, row: int) -> Split:
    return Split("hall", local_id, new_id, row, row / 10, 4.0, 0.9, -1)


def test_pieces_hold_every_row_once_and_their_own_looks() -> None:
    first, second, third = apply_splits([tracklet(3)], [cut(3, 9, 7), cut(3, 8, 2)])
    assert [piece.local_id for piece in (first, second, third)] == [3, 8, 9]
    assert [len(piece) for piece in (first, second, third)] == [2, 5, 3]
    assert np.concatenate([piece.frames for piece in (first, second, third)]).tolist() == list(range(10))
    assert [piece.prototype_rows.tolist() for piece in (first, second, third)] == [[1], [2], [0]]
    assert second.prototypes is not None
    assert second.prototypes.vectors[0, 0].tolist() == [0, 1, 0, 0]
    assert all(piece.keypoints is None for piece in (first, second, third))


def test_a_piece_without_looks_has_none() -> None:
    first, _ = apply_splits([tracklet(3)], [cut(3, 9, 1)])
    assert first.prototypes is None
    assert len(first.prototype_rows) == 0


def test_what_continued_a_cut_tracklet_continues_its_last_piece() -> None:
    found = {piece.local_id: piece for piece in apply_splits([tracklet(3), tracklet(4, continues=3)], [cut(3, 9, 5)])}
    assert found[4].continues == 9
    assert found[3].continues == found[9].continues == -1


def test_without_cuts_nothing_changes() -> None:
    whole = tracklet(3)
    assert apply_splits([whole], [cut(5, 9, 5)]) == [whole]


def test_spans_tell_which_part_a_piece_is() -> None:
    spans = piece_spans([cut(3, 9, 7), cut(3, 8, 2)])
    assert {key[1]: (span.local_id, span.start_s, span.end_s) for key, span in spans.items()} == {
        3: (3, -np.inf, 0.2), 8: (3, 0.2, 0.7), 9: (3, 0.7, np.inf),
    }  # fmt: skip
