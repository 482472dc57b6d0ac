"""SAN: equal to the recorded numbers, and what its encoder and decoder promise."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reid.losses.texture import decoder_triplet_losses, reconstruction_loss
from reid.losses.triplet import part_triplet_loss
from reid.models.san import SAN
from reid.models.san_spec import SanSpec
from reid.weights.san import decoder_name, encoder_name
from tests.reid.models.test_pcb import generator, relative, tensor

Names = dict[str, dict[str, list[int]]]
SMALL = SanSpec(height=64, width=32, blocks=(1, 1, 1, 1), channels=8, dim=16, identities=3)


@pytest.fixture(scope="module")
def names(golden: Callable[[str], Path]) -> Names:
    return json.loads(golden("san_tensors.json").read_text())


def published(names: Names, key: str) -> dict[str, Tensor]:
    return {name: tensor(name, shape) for name, shape in names[key].items()}


def made(name: str, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    return torch.from_numpy(generator(name).uniform(low, high, shape).astype(np.float32))


@pytest.fixture(scope="module")
def ruled(names: Names) -> SAN:
    model = SAN(SanSpec(identities=16)).eval()
    model.encoder.load_state_dict(
        {encoder_name(name): value for name, value in published(names, "san_encoder").items()}
    )
    assert model.decoder is not None
    model.decoder.load_state_dict(
        {decoder_name(name): value for name, value in published(names, "san_decoder").items()}
    )
    return model


def moments(value: Tensor) -> np.ndarray:
    return np.array([value.mean(), value.std(), value.abs().max()])


def test_parity_of_encoder_and_decoder(golden: Callable[[str], Path], ruled: SAN) -> None:
    images = made("san_input", (2, 3, 256, 128), -2, 2)
    assert ruled.decoder is not None
    with np.load(golden("san.npz")) as case, torch.inference_mode():
        found = ruled.encoder(images)
        drawn = ruled.decoder(found.maps)
        assert relative(found.embeddings, case["feature"]) < 1e-4
        assert relative(found.logits, case["logits"]) < 1e-4
        assert relative(found.maps[3][:, ::8], case["fmap"]) < 1e-4
        for number, step in ((1, 4), (2, 2), (3, 1)):
            assert relative(found.maps[number - 1][:, ::4, ::step, ::step], case[f"down{number}"]) < 1e-4
        assert drawn.textures.shape == (2, 3, 256, 256)
        assert relative(drawn.textures[:, :, ::2, ::2], case["recon"]) < 1e-4
        for number, step in ((1, 2), (2, 4), (3, 8), (4, 8)):
            assert relative(drawn.levels[number - 1][:, ::4, ::step, ::step], case[f"sim{number}"]) < 1e-4
        whole = (found.embeddings, found.maps[3], *found.maps[:3], drawn.textures, *drawn.levels)
        assert np.allclose(np.stack([moments(value) for value in whole]), case["moments"], rtol=1e-4, atol=1e-5)
        assert torch.equal(ruled.encoder.embed(images), found.embeddings)
        assert torch.equal(ruled.textures(images), drawn.textures)


def test_parity_of_the_plain_encoder(golden: Callable[[str], Path], names: Names) -> None:
    model = SAN(SanSpec(dim=None, identities=16, decoder=False)).eval()
    state = published(names, "san_resnet50_plain")
    model.encoder.load_state_dict({encoder_name(name): value for name, value in state.items()})
    with np.load(golden("san.npz")) as case, torch.inference_mode():
        found = model.encoder.embed(made("san_input", (2, 3, 256, 128), -2, 2))
        assert relative(found, case["plain"]) < 1e-4


def test_parity_of_the_losses(golden: Callable[[str], Path]) -> None:
    told = json.loads(golden("san_losses.json").read_text())
    logits, vectors = made("loss_logits", (16, 10), -3, 3), made("loss_feats", (16, 32), -1, 1)
    labels = torch.arange(16) // 4
    assert float(F.cross_entropy(logits, labels, label_smoothing=0.1)) == pytest.approx(told["ce_smooth"], rel=1e-6)
    assert float(F.cross_entropy(logits, labels)) == pytest.approx(told["ce_plain"], rel=1e-6)
    triplet = part_triplet_loss(vectors[:, None], labels, margin=0.3).loss
    assert float(triplet) == pytest.approx(told["triplet"], rel=1e-5)
    levels = [made(f"dec_sim{number}", (16, 8, 4, 2), 0, 1) for number in range(1, 5)]
    terms = decoder_triplet_losses(levels, pictures=4)
    assert terms.tolist() == pytest.approx(told["decoder_triplet_terms"], rel=1e-5)


def test_every_published_name_has_a_place(names: Names) -> None:
    model = SAN(SanSpec(identities=16))
    assert model.decoder is not None
    assert {encoder_name(name) for name in names["san_encoder"]} == set(model.encoder.state_dict())
    assert {decoder_name(name) for name in names["san_decoder"]} == set(model.decoder.state_dict())


def test_embeddings_never_run_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SAN(SMALL).eval()
    assert model.decoder is not None

    def fail(*_: object) -> None:
        raise AssertionError("the decoder ran")

    monkeypatch.setattr(model.decoder, "forward", fail)
    images = torch.rand(2, 3, 64, 32)
    with torch.inference_mode():
        assert model.encoder.embed(images).shape == (2, 16)
        with pytest.raises(AssertionError, match="the decoder ran"):
            model.textures(images)


def test_networks_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"the plain encoder \(dim: null\) has no decoder"):
        SAN(SMALL.model_copy(update={"dim": None}))
    with pytest.raises(ValueError, match="has no decoder"):
        SAN(SMALL.model_copy(update={"decoder": False})).textures(torch.rand(1, 3, 64, 32))


def test_hard_triplets_take_the_farthest_and_the_nearest() -> None:
    level = torch.tensor([0.0, 1.0, 3.0, 5.0]).view(4, 1, 1, 1)
    assert decoder_triplet_losses([level], 2, mining="hard").tolist() == pytest.approx(
        [float(np.mean([0.0, max(1 - 4 + 0.3, 0), max(4 - 4 + 0.3, 0), 0.0]))]
    )
    assert decoder_triplet_losses([level], 2).tolist() == pytest.approx([max(1 - 9 + 0.3, 0)])
    with pytest.raises(ValueError, match="4 pictures are no two or more identities of 4 pictures"):
        decoder_triplet_losses([level], 4)


def test_reconstruction_is_the_mean_difference() -> None:
    assert float(reconstruction_loss(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), -0.5))) == 0.5
