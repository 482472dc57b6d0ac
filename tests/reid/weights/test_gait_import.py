"""Published gait files through tools.import_checkpoint."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import UserError
from reid.gait.encoder import GaitEncoder
from reid.gait.files import load_encoder
from reid.gait.published import OURS
from reid.gait.spec import GaitSpec
from reid.weights.pickled_ids import read_ids
from tests.reid.weights.test_tensor_bundle import write_checkpoint
from tools.import_checkpoint import main


def write_encoder(root: Path, name: str) -> GaitEncoder:
    """A checkpoint per axis, with what TensorFlow keeps beside: moments, a dead copy, counters."""
    torch.manual_seed(0)
    model = GaitEncoder(GaitSpec(joints=3, frames=2))
    for axis, letter in enumerate("xyz"):
        arrays = {OURS[own][0]: tensor[axis].numpy() for own, tensor in model.state_dict().items()}
        arrays |= {"W/Adam": np.zeros(3, np.float32), "beta1_power": np.array(0.9, np.float32)}
        arrays |= {"lstm_weights_layer_2": np.zeros(1024, np.float32)}
        folder = root / name.format(letter)
        folder.mkdir()
        write_checkpoint(folder / "trained_model.ckpt", arrays)
    return model


def test_three_axes_become_one_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_encoder(tmp_path, "BIWI_LA_{}_2_0.1_0pre_rev_rec")
    given = tmp_path / "BIWI_LA_y_2_0.1_0pre_rev_rec/trained_model.ckpt.index"
    out = tmp_path / "reverse.safetensors"
    assert main([str(given), "--out", str(out)]) == 0
    assert "task reverse, 2 frames of 3 joints" in capsys.readouterr().out
    found = load_encoder(out)
    assert found.spec.locality
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


def test_what_is_no_published_encoder_is_explained(tmp_path: Path) -> None:
    name = "KS20_BA_{}_2_0.1_0view_pre_sorting"
    write_encoder(tmp_path, name)
    given = tmp_path / name.format("x") / "trained_model.ckpt.index"
    main([str(given)])
    assert not load_encoder(given.parent / "trained_model.safetensors").spec.locality
    with pytest.raises(UserError, match="exists already"):
        main([str(given)])
    with pytest.raises(UserError, match="--install is for KPR"):
        main([str(given), "--install"])
    folder = tmp_path / name.format("z")
    write_checkpoint(folder / "trained_model.ckpt", {"W": np.zeros((2, 2), np.float32)})
    with pytest.raises(UserError, match="axis z has no variable 'rnn/"):
        main([str(given), "--overwrite"])
    (folder / "trained_model.ckpt.index").unlink()
    with pytest.raises(UserError, match="cannot read checkpoint"):
        main([str(given), "--overwrite"])
    given.parent.rename(tmp_path / "renamed")
    with pytest.raises(UserError, match="give it the published name"):
        main([str(tmp_path / "renamed" / given.name), "--overwrite"])


@pytest.mark.parametrize(
    "held",
    [
        {3: [0, 1, 5], 0: [2]},
        {"3": [0, 1, 5], "0": [2]},
        {3: [np.int64(0), np.int64(1), np.int64(5)], 0: [np.int64(2)]},
        {np.int64(3): np.array([0, 1, 5]), np.int64(0): np.array([2], np.int32)},
        {3: (0, 1, 5), 0: (2,)},
    ],
)
def test_pickled_ids_become_json(tmp_path: Path, held: object) -> None:
    path = tmp_path / "ids_BIWI_6.npy"
    np.save(path, np.array(held, object), allow_pickle=True)
    assert main([str(path)]) == 0
    found = json.loads((tmp_path / "ids_BIWI_6.json").read_text())
    assert found == {"3": [0, 1, 5], "0": [2]}


class Harm:
    """What a pickle of an enemy does when it is opened."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.place,)  # type: ignore[return-value]


def test_nothing_in_pickled_ids_is_run(tmp_path: Path) -> None:
    harmed = tmp_path / "harmed"
    path = tmp_path / "ids.npy"
    np.save(path, np.array({0: Harm(harmed)}, object), allow_pickle=True)
    with pytest.raises(UserError, match="person '0'"):
        read_ids(path)
    assert not harmed.exists()
    np.load(path, allow_pickle=True)
    assert harmed.exists()


def test_files_that_hold_no_ids_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "ids.npy"
    with pytest.raises(UserError, match="cannot read"):
        read_ids(path)
    np.save(path, np.zeros(3))
    with pytest.raises(UserError, match="no sequence numbers"):
        read_ids(path)
    np.save(path, np.array([{0: [1]}, {1: [2]}], object), allow_pickle=True)
    with pytest.raises(UserError, match="no sequence numbers"):
        read_ids(path)
    path.write_bytes(pickle.dumps({0: [1]}))
    with pytest.raises(UserError, match="damaged"):
        read_ids(path)
    np.save(path, np.array({0: np.array([1], ">i8")}, object), allow_pickle=True)
    with pytest.raises(UserError, match="no list"):
        read_ids(path)
