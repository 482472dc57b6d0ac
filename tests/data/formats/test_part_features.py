"""Part features of pictures in an npz file."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import UserError
from data.formats.part_features import UNKNOWN_MODEL, PartFeatures, read_part_features, write_part_features
from data.records import PartEmbeddings


def features(masks=True):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(4, 3, 5)).astype(np.float16)
    visibility = rng.uniform(size=(4, 3)).astype(np.float32)
    made = PartEmbeddings(vectors, visibility, ("foreground", "head", "feet"), ("holistic", "part", "part"), "net@1")
    drawn = rng.uniform(size=(4, 3, 6, 2)).astype(np.float16) if masks else None
    return PartFeatures(("a.jpg", "sub/b.jpg", "c.jpg", "ä.png"), made, drawn)


@pytest.mark.parametrize("masks", [True, False])
def test_round_trip(tmp_path, masks):
    given = features(masks)
    write_part_features(tmp_path / "new" / "f.npz", given)
    back = read_part_features(tmp_path / "new" / "f.npz")
    assert back.names == given.names
    assert len(back) == 4
    assert np.array_equal(back.embeddings.vectors, given.embeddings.vectors)
    assert back.embeddings.vectors.dtype == np.float16
    assert np.array_equal(back.embeddings.visibility, given.embeddings.visibility)
    assert (back.embeddings.part_names, back.embeddings.part_kinds, back.embeddings.model_id) == (
        given.embeddings.part_names, given.embeddings.part_kinds, "net@1",
    )  # fmt: skip
    assert (back.masks is None) == (not masks)
    assert masks is False or np.array_equal(back.masks, given.masks)
    write_part_features(tmp_path / "again.npz", given)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "new" / "f.npz").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["again.npz"]


def test_files_that_are_something_else(tmp_path):
    path = tmp_path / "f.npz"
    with pytest.raises(UserError, match="there is no"):
        read_part_features(path)
    path.write_text("no archive")
    with pytest.raises(UserError, match=r"is no \.npz file of numbers"):
        read_part_features(path)
    np.savez(path, names=np.array(["a"]), vectors=np.zeros((1, 2, 3)))
    with pytest.raises(UserError, match="lacks visibility, part_names, part_kinds, model_id"):
        read_part_features(path)
    write_part_features(path, features())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"is no \.npz file of numbers"):
        read_part_features(path)
    entries = {
        "names": np.array(["a", "b"]), "vectors": np.zeros((1, 2, 3)), "visibility": np.zeros((1, 2)),
        "part_names": np.array(["x", "y"]), "part_kinds": np.array(["part", "part"]), "model_id": np.array("m"),
    }  # fmt: skip
    np.savez(path, **entries)
    with pytest.raises(UserError, match="do not fit"):
        read_part_features(path)
    np.savez(path, **{**entries, "names": np.array(["a"]), "part_kinds": np.array(["part", "other"])})
    with pytest.raises(UserError, match="do not fit"):
        read_part_features(path)


def test_an_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_part_features(tmp_path / "file" / "f.npz", features())


def test_one_vector_per_picture_may_come_from_elsewhere(tmp_path):
    path = tmp_path / "f.npz"
    vectors = np.array([[3, 4], [0, 0], [0, -2]], np.float16)
    for names in (np.array(["a.jpg", "ä.jpg", "c.jpg"]), np.array(["a.jpg", "ä.jpg".encode(), "c.jpg"], np.bytes_)):
        for kind in (np.float16, np.float64, np.int32):
            np.savez(path, names=names, feature=vectors.astype(kind))
            found = read_part_features(path)
            assert found.names == ("a.jpg", "ä.jpg", "c.jpg")
            made = found.embeddings
            assert (made.part_names, made.part_kinds, made.model_id) == (("global",), ("holistic",), UNKNOWN_MODEL)
            assert np.allclose(made.vectors[:, 0], [[0.6, 0.8], [0, 0], [0, -1]])
            assert made.visibility.tolist() == [[1], [0], [1]], "zeros are no evidence"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"feature": np.eye(2)}, "no 'names' beside 'feature'"),
        ({"names": np.array(["a", "b"]), "feature": np.eye(3)}, "2 names, but features of shape"),
        ({"names": np.array(["a", "b"]), "feature": np.ones(2)}, "2 names, but features of shape"),
        ({"names": np.array(["a", "b"]), "feature": np.array([["x"], ["y"]])}, "'feature' must be numbers"),
        ({"names": np.array(["a", "b"]), "feature": np.array([[1, np.nan], [1, 2]])}, "1 of 2 feature rows .* row 0"),
        ({"names": np.array([1, 2]), "feature": np.eye(2)}, "names are text"),
        ({"names": np.array([b"\xff", b"b"]), "feature": np.eye(2)}, "no text in UTF-8"),
    ],
)
def test_wrong_features_from_elsewhere(tmp_path, entries, message):
    np.savez(tmp_path / "f.npz", **entries)
    with pytest.raises(UserError, match=message):
        read_part_features(tmp_path / "f.npz")


def test_numbers_nobody_can_mean(tmp_path):
    given = features().embeddings
    for wrong, message in (
        (replace(given, vectors=np.full_like(given.vectors, np.nan)), "4 of 4 feature rows"),
        (replace(given, visibility=given.visibility + 1), "between 0 and 1"),
        (replace(given, visibility=given.visibility * np.nan), "between 0 and 1"),
    ):
        write_part_features(tmp_path / "f.npz", PartFeatures(features().names, wrong))
        with pytest.raises(UserError, match=message):
            read_part_features(tmp_path / "f.npz")
