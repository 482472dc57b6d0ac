"""The gait encoder beside the published code under TensorFlow 1.10, with weights and inputs made by rule."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reid.gait.encoder import CageOutput, GaitEncoder
from reid.gait.losses import GaitLosses, gait_losses, locality_mask
from reid.gait.published import OURS, from_variables
from reid.gait.training import apply_gradients, new_optimiser

JOINTS, FRAMES, TEMPERATURE = 20, 6, 0.1
RUNS = ("LA_rev", "BA_rev", "LA_fwd")


def generator(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def rule_variables() -> dict[str, NDArray[np.float32]]:
    """Every variable by the rule of tests/golden/README.md."""
    shapes = {
        "encoder.kernels.0": (JOINTS + 256, 1024), "encoder.kernels.1": (512, 1024),
        "decoder.kernels.0": (JOINTS + 512, 1024), "decoder.kernels.1": (512, 1024),
        "encoder.biases.0": (1024,), "encoder.biases.1": (1024,), "decoder.biases.0": (1024,),
        "decoder.biases.1": (1024,), "memory_kernel": (256, 256), "attention_kernel": (512, 256),
        "output_kernel": (256, JOINTS), "output_bias": (JOINTS,), "contrast_kernels.0": (FRAMES * 256, 256),
        "contrast_biases.0": (256,), "contrast_kernels.1": (256, 256), "contrast_biases.1": (256,),
    }  # fmt: skip
    values = {}
    for own, shape in shapes.items():
        draw = generator(OURS[own][-1]).standard_normal(shape)
        values[OURS[own][0]] = (0.1 * draw if len(shape) == 1 else draw / np.sqrt(shape[0])).astype(np.float32)
    return values


@dataclass
class Case:
    """One recorded run, and the same by our network; the three axes are given the same sequences and weights."""

    model: GaitEncoder
    points: torch.Tensor
    target: torch.Tensor
    mask: torch.Tensor | None
    wanted: dict[str, NDArray[np.float32]]

    def forward(self) -> tuple[CageOutput, torch.Tensor, GaitLosses]:
        output = self.model(self.points)
        vectors = self.model.project(output.cage)
        paired = torch.ones(self.points.shape[1] - 1, dtype=torch.bool)
        return output, vectors, gait_losses(output, self.target, vectors, paired, TEMPERATURE, self.mask, self.model)


@pytest.fixture(params=RUNS)
def case(request: pytest.FixtureRequest, golden: Callable[[str], Path]) -> Case:
    with np.load(golden("cage_tf110.npz")) as recorded:
        prefix = f"{request.param}/"
        wanted = {name.removeprefix(prefix): recorded[name] for name in recorded.files if name.startswith(prefix)}
    reverse, locality = request.param.endswith("rev"), request.param.startswith("LA")
    model = from_variables([rule_variables()] * 3, "reverse", locality, "the rule")
    drawn = generator("cage_input").uniform(-1, 1, (8, FRAMES, JOINTS)).astype(np.float32)
    points = torch.from_numpy(drawn).expand(3, -1, -1, -1)
    target = points.flip(2) if reverse else points
    return Case(model, points, target, locality_mask(FRAMES, reverse) if locality else None, wanted)


def error(got: torch.Tensor, want: NDArray[np.float32]) -> float:
    """Largest over the three axes."""
    return float(np.abs(got.detach().numpy() - want).max())


def test_features_are_those_of_the_published_code(case: Case) -> None:
    output, vectors, _ = case.forward()
    assert error(output.memory, case.wanted["memory"]) < 1e-5
    assert error(output.alignment, case.wanted["align"].transpose(1, 0, 2)) < 1e-5
    assert error(output.cage, case.wanted["cage"]) < 1e-5
    assert error(case.model(case.points, feedback=True).written, case.wanted["pred_free"]) < 1e-5
    if "proj" in case.wanted:
        assert error(vectors, case.wanted["proj"]) / np.abs(case.wanted["proj"]).max() < 1e-5


def test_losses_are_those_of_the_published_code(case: Case) -> None:
    _, _, losses = case.forward()
    wanted = {
        name: float(case.wanted[name].ravel()[0]) for name in ("real_loss", "c_loss", "rec_plus_att", "l2", "cost")
    }
    for got, name in ((losses.written, "real_loss"), (losses.contrast, "c_loss"), (losses.weights, "l2"),
                      (losses.total, "cost"), (losses.written + losses.locality, "rec_plus_att")):  # fmt: skip
        assert got.detach().numpy() == pytest.approx([wanted[name]] * 3, rel=1e-5)


def test_one_step_of_training_is_that_of_the_published_code(case: Case) -> None:
    _, _, losses = case.forward()
    # TensorFlow adds epsilon before it corrects the bias of the second moment: at the first step that is this epsilon.
    optimiser = new_optimiser(case.model, 5e-4, epsilon=1e-8 / np.sqrt(1 - 0.999))
    apply_gradients(case.model, optimiser, losses)
    state = case.model.state_dict()
    for own, names in OURS.items():
        wanted = case.wanted.get(f"after1/{names[0]}")
        if wanted is None:
            continue
        got = state[own].numpy()
        got = got[:, ::8, ::8] if got.ndim == 3 and min(got.shape[1:]) >= 256 else got
        assert np.abs(got - wanted).max() < 1e-5, own


def test_masks_are_those_recorded(golden: Callable[[str], Path]) -> None:
    with np.load(golden("cage.npz")) as recorded:
        for frames in (4, 6, 8, 10):
            assert locality_mask(frames, True).numpy() == pytest.approx(recorded[f"mask_f{frames}"], abs=1e-6)
        assert locality_mask(6, False).numpy() == pytest.approx(recorded["mask_f6_forward"], abs=1e-6)


def test_axes_do_not_mix() -> None:
    """A change of y moves nothing of x and z."""
    model = from_variables([rule_variables()] * 3, "reverse", True, "the rule")
    points = torch.from_numpy(generator("cage_input").uniform(-1, 1, (3, 4, FRAMES, JOINTS)).astype(np.float32))
    moved = points.clone()
    moved[1] += 0.5
    before, after = model(points).cage, model(moved).cage
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])
