"""The extractor: crops and prompts of full frames, batched over cameras."""

from contextlib import nullcontext
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from data.kernels.device_crops import crop_batch
from data.records import EmbedRequest
from reid.embedders.base import AttentiveEmbedder
from reid.embedders.kpr import KprEmbedder, graphed_maps
from reid.models.spec import PART_NAMES, ModelSpec
from reid.prompts.masks import draw_prompts
from reid.samples.crops import covering_pixels
from reid.samples.device_input import device_input
from reid.weights.checkpoints import build_model, cameras_entry, load_model, save_checkpoint

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1, 2), heads=(1, 2, 4), height=64, width=44,
    mean=(0.5,) * 3, std=(0.25,) * 3, part_names=PART_NAMES["five_v"], prompt_groups="cck6", dim=24, identities=7,
)  # fmt: skip
NO_SKELETONS = np.zeros((0, 17, 3), np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network whose parts and prompts matter."""
    torch.manual_seed(4)
    state = build_model(SPEC).state_dict()
    for name, tensor in state.items():
        if "masks_patch_embed.norm" in name or name.startswith("pixel_classifier.classifier.weight"):
            tensor.copy_(torch.randn_like(tensor))
    path = tmp_path_factory.mktemp("kpr") / "small.safetensors"
    save_checkpoint(path, state, SPEC)
    return path


@pytest.fixture(scope="module")
def embedder(weights):
    return KprEmbedder(weights, "cpu", 4, "fp32")


def request(seed, people=3, keypoints=True, size=(90, 120), spare=1):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    corners = rng.integers(0, 50, (people, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.integers(12, 40, (people, 2))], 1).astype(np.float32)

    def skeletons(around):
        places = rng.uniform(0, 1, (len(around), 17, 2)) * (around[:, None, 2:] - around[:, None, :2])
        confidence = rng.uniform(0, 1, (len(around), 17, 1))
        return np.concatenate([places + around[:, None, :2], confidence], -1).astype(np.float32)

    own = skeletons(boxes) if keypoints else None
    return EmbedRequest(image, boxes, own, skeletons(boxes[:spare]) if keypoints else NO_SKELETONS)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31))
def test_crops_equal_opencvs(seed):
    rng = np.random.default_rng(seed)
    frames = [rng.integers(0, 256, (*rng.integers(8, 60, 2), 3), dtype=np.uint8) for _ in range(3)]
    rows = rng.integers(0, 3, 5)
    rectangles = []
    for row in rows:
        height, width = frames[row].shape[:2]
        x, y = rng.integers(0, width - 1), rng.integers(0, height - 1)
        rectangles.append([x, y, rng.integers(x + 1, width + 1), rng.integers(y + 1, height + 1)])
    size = (32, 16)
    crops = crop_batch(
        [torch.from_numpy(frame) for frame in frames], torch.from_numpy(rows), torch.tensor(rectangles), size
    )  # fmt: skip
    assert crops.shape == (5, 3, *size)
    for row, (x1, y1, x2, y2), crop in zip(rows, rectangles, crops):
        want = cv2.resize(frames[row][y1:y2, x1:x2], size[::-1], interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(crop.permute(1, 2, 0).numpy(), want.astype(np.float32) / 255)


def test_a_row_is_what_the_network_says_about_its_crop(weights, embedder):
    model, _ = load_model(weights)
    asked = request(1)
    got = embedder([asked])[0]
    for row in range(3):
        box = asked.boxes[row].astype(int)
        x1, y1, x2, y2 = box
        crop = cv2.resize(asked.image[y1:y2, x1:x2], (44, 64), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        scale = np.array([44 / (x2 - x1), 64 / (y2 - y1), 1], np.float32)
        shift = np.array([x1, y1, 0], np.float32)
        others = [asked.keypoints[other] for other in range(3) if other != row] + list(asked.negatives)
        prompts = draw_prompts(
            torch.from_numpy((asked.keypoints[row] - shift) * scale)[None],
            torch.from_numpy((np.stack(others) - shift) * scale),
            torch.zeros(len(others), dtype=torch.int64),
            (64, 44),
            "cck6",
        )
        with torch.inference_mode():
            out = model(torch.from_numpy((crop / 255 - 0.5) / 0.25).permute(2, 0, 1)[None], prompts)
        seen = out.visibility["parts"][0].numpy()
        assert np.array_equal(got.visibility[row, 1:] > 0, seen)
        parts = torch.nn.functional.normalize(out.embeddings["parts"][0], dim=-1).numpy()
        assert np.abs(got.vectors[row, 1:][seen] - parts[seen]).max() <= 1e-5
        whole = torch.nn.functional.normalize(out.bn_embeddings["foreg"][0], dim=-1).numpy()
        assert np.abs(got.vectors[row, 0] - whole).max() <= 1e-5


def test_faint_neighbours_prompt_a_network_that_draws_every_keypoint(weights, tmp_path):
    """Its negatives are not those of a network with a threshold: nothing is dropped before it is drawn."""
    model, _ = load_model(weights)
    spec = SPEC.model_copy(update={"prompt_continuous": True})
    save_checkpoint(tmp_path / "continuous.safetensors", model.state_dict(), spec)
    asked = request(1, people=1)
    faint = replace(asked, negatives=asked.negatives * np.array([1, 1, 0.2], np.float32))
    nobody = replace(asked, negatives=NO_SKELETONS)
    for path, differs in ((weights, False), (tmp_path / "continuous.safetensors", True)):
        embedder = KprEmbedder(path, "cpu", 4, "fp32")
        one, other = (embedder([some])[0].vectors for some in (faint, nobody))
        assert bool(np.abs(one - other).max() > 1e-4) == differs


def test_vectors_are_unit_or_absent(embedder):
    assert embedder.part_names == ("foreground", *PART_NAMES["five_v"])
    assert embedder.part_kinds == ("holistic",) + ("part",) * 5
    for result in embedder([request(seed) for seed in range(4)]):
        lengths = np.linalg.norm(result.vectors, axis=-1)
        assert np.allclose(lengths[result.visibility > 0], 1, atol=1e-5)
        assert not lengths[result.visibility == 0].any()
        assert result.vectors.dtype == result.visibility.dtype == np.float32
        assert result.visibility.max() <= 1
        assert np.array_equal(result.visibility[:, 0], result.visibility[:, 1:].max(1))


def test_requests_do_not_mix(embedder):
    requests = [request(5), request(6, people=0), request(7, keypoints=False), request(8, people=6, size=(70, 100))]
    together = embedder(requests)
    assert [len(result) for result in together] == [3, 0, 3, 6]
    for asked, result in zip(requests, together):
        alone = embedder([asked])[0]
        assert np.allclose(result.vectors, alone.vectors, atol=1e-5)
        assert np.allclose(result.visibility, alone.visibility, atol=1e-5)
    again = embedder(requests)
    assert all(np.array_equal(a.vectors, b.vectors) for a, b in zip(together, again))
    assert embedder([]) == []


def test_prompts_matter_and_negatives_too(embedder):
    asked = request(9)
    plain = embedder([EmbedRequest(asked.image, asked.boxes, None, NO_SKELETONS)])[0]
    positive = embedder([EmbedRequest(asked.image, asked.boxes[:1], asked.keypoints[:1], NO_SKELETONS)])[0]
    negative = embedder([EmbedRequest(asked.image, asked.boxes[:1], asked.keypoints[:1], asked.negatives)])[0]
    assert not np.allclose(plain.vectors[:1], positive.vectors, atol=1e-4)
    assert not np.allclose(negative.vectors, positive.vectors, atol=1e-4)
    empty = embedder([EmbedRequest(asked.image, asked.boxes, np.zeros((3, 17, 3), np.float32), NO_SKELETONS)])[0]
    assert np.array_equal(empty.vectors, plain.vectors)


def test_a_second_skeleton_of_the_same_person_is_no_negative(embedder):
    asked = request(10, people=1)
    asked.keypoints[..., 2] = 0.9
    alone = embedder([EmbedRequest(asked.image, asked.boxes, asked.keypoints, NO_SKELETONS)])[0]
    twin = asked.keypoints + np.array([0.1, -0.1, 0], np.float32)
    doubled = embedder([EmbedRequest(asked.image, asked.boxes, asked.keypoints, twin)])[0]
    assert np.array_equal(alone.vectors, doubled.vectors)


@pytest.mark.parametrize(
    "box", [(10, 10, 10, 30), (30, 30, 20, 20), (-50, -50, -10, -10), (500, 10, 600, 40), (np.nan, 0, 10, 10)]
)
def test_boxes_that_show_nothing_are_no_evidence(embedder, box):
    asked = request(11, people=2)
    boxes = asked.boxes.copy()
    boxes[0] = box
    result = embedder([EmbedRequest(asked.image, boxes, None, NO_SKELETONS)])[0]
    whole = embedder([EmbedRequest(asked.image, asked.boxes[1:], None, NO_SKELETONS)])[0]
    assert not result.visibility[0].any()
    assert not result.vectors[0].any()
    assert np.allclose(result.vectors[1], whole.vectors[0], atol=1e-5)


def test_boxes_beyond_the_frame_are_cut(embedder):
    asked = request(12, people=1)
    outside, inside = np.float32([[-20, -5, 40, 300]]), np.float32([[0, 0, 40, 90]])
    a, b = (embedder([EmbedRequest(asked.image, boxes, None, NO_SKELETONS)])[0] for boxes in (outside, inside))
    assert np.array_equal(a.vectors, b.vectors)


def test_bfloat16_stays_close(weights, embedder):
    asked = request(13, people=6)
    half = KprEmbedder(weights, "cpu", 4, "bf16")([asked])[0]
    full = embedder([asked])[0]
    both = (half.visibility > 0) & (full.visibility > 0)
    assert both.sum() >= 0.9 * (full.visibility > 0).sum()
    assert ((half.vectors * full.vectors).sum(-1)[both] > 0.995).all()


def test_reduced_precision_keeps_visibilities_and_rankings(weights, embedder):
    asked = [request(seed, people=6) for seed in range(30, 34)]
    full, half = (one(asked) for one in (embedder, KprEmbedder(weights, "cpu", 8, "bf16")))
    vectors = [np.concatenate([rows.vectors for rows in results]) for results in (full, half)]
    seen = [np.concatenate([rows.visibility for rows in results]) > 0 for results in (full, half)]
    assert (seen[0] == seen[1]).mean() > 0.95
    whole = [found[:, 0] @ found[:, 0].T - 2 * np.eye(len(found)) for found in vectors]
    clear = np.sort(whole[0])[:, -1] - np.sort(whole[0])[:, -2] > 0.01
    assert clear.any()
    assert np.array_equal(whole[0].argmax(1)[clear], whole[1].argmax(1)[clear])


def test_only_the_backbone_runs_in_reduced_precision(weights, monkeypatch):
    half = KprEmbedder(weights, "cpu", 4, "bf16")
    seen = []
    feature_map, describe = half._model.feature_map, half._model.describe
    monkeypatch.setattr(half._model, "feature_map", lambda *a: seen.append(feature_map(*a)) or seen[-1])
    monkeypatch.setattr(
        half._model, "describe", lambda features, *a, **o: seen.append(features) or describe(features, *a, **o)
    )
    half([request(40)])
    assert [features.dtype for features in seen] == [torch.bfloat16, torch.float32]


def test_pictures_with_their_prompts_behind_are_the_one_input_of_a_graph(weights):
    model, info = load_model(weights)
    torch.manual_seed(5)
    images, prompts = torch.randn(2, 3, 64, 44), torch.rand(2, info.spec.prompt_channels, 64, 44)
    graphed = graphed_maps(model, "small")
    with torch.inference_mode():
        (prompted,) = graphed(torch.cat([images, prompts], 1))
        (plain,) = graphed(images)
        torch.testing.assert_close(prompted, model.feature_map(images, prompts))
        torch.testing.assert_close(plain, model.feature_map(images))
    assert not torch.allclose(prompted, plain, atol=1e-3)


def test_a_network_whose_values_grow_too_large_is_told_and_describes_nobody(weights, monkeypatch):
    made = KprEmbedder(weights, "cpu", 4, "fp32")
    feature_map = made._model.feature_map
    monkeypatch.setattr(made._model, "feature_map", lambda *given: feature_map(*given) * float("inf"))
    with pytest.raises(
        UserError, match=r"small\.safetensors gives values that are not finite; fetch or import it anew"
    ):
        made([request(44)])
    made._reduced = torch.float16
    monkeypatch.setattr(made, "_autocast", nullcontext)
    with pytest.raises(UserError, match=r"not finite; set reid\.precision to bf16 or fp32"):
        made([request(44)])


@pytest.mark.gpu
def test_small_batches_on_a_gpu_replay_a_graph_and_say_what_the_plain_network_says(weights, caplog):
    embedder = KprEmbedder(weights, "cuda:0", 64, "bf16")
    asked = [request(seed, people=3) for seed in range(50, 53)]
    replayed = [embedder(asked) for _ in range(2)][1]
    embedder._graphed = None
    for ours, plain in zip(replayed, embedder(asked), strict=True):
        assert np.array_equal(ours.visibility > 0, plain.visibility > 0)
        assert ((ours.vectors * plain.vectors).sum(-1)[plain.visibility > 0] > 0.999).all()
    assert not caplog.records


def test_a_colour_cast_is_evened_out(weights, embedder):
    image = request(41).image // 2 + 50
    tint = np.array([1.2, 1.0, 0.8])
    tint *= image.mean() / (image * tint).mean()
    asked, tinted = (replace(request(41), image=shown.astype(np.uint8)) for shown in (image, image * tint))
    adapting = KprEmbedder(weights, "cpu", 4, "fp32", "grey_world")
    assert adapting.model_id == embedder.model_id + "+grey_world"

    def change(one):
        return 1 - (one([asked])[0].vectors * one([tinted])[0].vectors).sum(-1)[:, 0]

    assert (change(adapting) < 0.5 * change(embedder)).all()
    # Frames of one batch are evened out each by itself.
    together = adapting([asked, tinted])
    assert np.allclose(together[1].vectors, adapting([tinted])[0].vectors, atol=1e-5)


def test_gains_multiply_colours_within_their_range():
    frame = torch.full((8, 8, 3), 200, dtype=torch.uint8)
    rows, rectangles = torch.tensor([0, 0]), torch.tensor([[0, 0, 8, 8], [2, 2, 6, 6]])
    gains = torch.tensor([[1.0, 0.5, 2.0], [1.0, 1.0, 1.0]])
    crops = crop_batch([frame], rows, rectangles, (4, 4), gains)
    assert torch.allclose(crops[0, :, 1, 1], torch.tensor([200 / 255, 100 / 255, 1.0]))
    assert torch.allclose(crops[1], torch.tensor(200 / 255))


@pytest.fixture(scope="module")
def with_tokens(tmp_path_factory):
    """A network of three camera tokens, of training cameras 1, 2 and 5, that matter."""
    spec = SPEC.model_copy(update={"cameras": 3})
    torch.manual_seed(6)
    state = build_model(spec).state_dict()
    for name, tensor in state.items():
        if name.endswith("sie_embed") or "masks_patch_embed.norm" in name or "pixel_classifier.classifier.w" in name:
            tensor.copy_(torch.randn_like(tensor))
    path = tmp_path_factory.mktemp("tokens") / "tokens.safetensors"
    save_checkpoint(path, state, spec, cameras_entry([1, 2, 5]))
    return path


def test_people_of_a_camera_get_its_token_as_in_the_original(with_tokens):
    """Frames of several cameras in one batch, held against the network called with the numbers of their tokens."""
    model, _ = load_model(with_tokens)
    embedder = KprEmbedder(with_tokens, "cpu", 4, "fp32", cameras={"hall": 5, "gate": 1})
    asked = [replace(request(row, people=2), camera=name) for row, name in enumerate(("gate", "hall", "yard"))]
    for one, got, token in zip(asked, embedder(asked), (0, 2, -1)):
        given = device_input(
            [torch.from_numpy(one.image)], np.zeros(2, np.int64), covering_pixels(one.boxes, one.image.shape),
            one.keypoints, *(np.concatenate([one.keypoints[::-1], *[one.negatives] * 2]), np.array([0, 1, 0, 1])),
            embedder.spec,
        )  # fmt: skip
        with torch.inference_mode():
            out = model(given.images, given.prompts, torch.full((2,), token))
        whole = torch.nn.functional.normalize(out.bn_embeddings["foreg"], dim=-1).numpy()
        assert np.abs(got.vectors[:, 0] - whole).max() <= 1e-5
    without = KprEmbedder(with_tokens, "cpu", 4, "fp32")(asked)
    with_ = embedder(asked)
    assert 1 - (without[0].vectors[0, 0] @ with_[0].vectors[0, 0]) > 0.01, "the token matters"
    assert np.abs(without[2].vectors - with_[2].vectors).max() <= 1e-5


def test_tokens_are_off_with_a_line_and_a_wrong_one_is_refused(with_tokens, weights, caplog):
    off = KprEmbedder(with_tokens, "cpu", 4, "fp32")
    assert "camera tokens (of its training cameras 1, 2, 5), and they are off: reid.camera_tokens" in caplog.text
    caplog.clear()
    on = KprEmbedder(with_tokens, "cpu", 4, "fp32", cameras={"hall": 5})
    assert not caplog.text
    assert on.model_id.startswith(off.model_id + "+tokens"), "vectors of the two are never compared"
    with pytest.raises(UserError, match=r"hall: 4: .* no token of a training camera 4; it has those of 1, 2, 5"):
        KprEmbedder(with_tokens, "cpu", 4, "fp32", cameras={"hall": 4})
    with pytest.raises(UserError, match="tells no camera of any token"):
        KprEmbedder(weights, "cpu", 4, "fp32", cameras={"hall": 1})


def test_vectors_of_other_tokens_have_another_name(with_tokens):
    def name(cameras):
        return KprEmbedder(with_tokens, "cpu", 4, "fp32", cameras=cameras).model_id

    made = name({"hall": 5, "gate": 1})
    assert made == name({"gate": 1, "hall": 5}), "the order in which cameras are told says nothing"
    assert len({made, name({"hall": 1, "gate": 5}), name({"hall": 5}), name({"door": 5, "gate": 1}), name({})}) == 5


def test_bpbreid_serves_too(tmp_path):
    spec = ModelSpec(architecture="bpbreid", backbone="resnet50", height=64, width=32, dim=24)
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "b.safetensors", build_model(spec).state_dict(), spec)
    embedder = KprEmbedder(tmp_path / "b.safetensors", "cpu", 8, "fp32")
    result = embedder([request(14)])[0]
    assert result.vectors.shape == (3, 9, 24)
    assert result.model_id.startswith("bpbreid-resnet50-")


def test_misuse(weights, tmp_path):
    with pytest.raises(UserError, match="fp32, bf16"):
        KprEmbedder(weights, "cpu", 4, "fp8")
    with pytest.raises(UserError, match="fp16 needs a CUDA device"):
        KprEmbedder(weights, "cpu", 4, "fp16")
    with pytest.raises(UserError, match="not found"):
        KprEmbedder(str(tmp_path / "none.safetensors"))
    spec = SPEC.model_copy(update={"learnable_attention": False})
    save_checkpoint(tmp_path / "fixed.safetensors", build_model(spec).state_dict(), spec)
    with pytest.raises(UserError, match="parsing labels"):
        KprEmbedder(tmp_path / "fixed.safetensors", "cpu", 4)


def test_masks_are_the_networks_attention(weights, embedder):
    requests = [request(15), request(16, people=0), request(17, people=2)]
    requests[2].boxes[0] = (30, 30, 20, 20)
    plain = embedder(requests)
    attentive = embedder.with_masks(requests)
    assert isinstance(embedder, AttentiveEmbedder)
    for result, (same, masks) in zip(plain, attentive, strict=True):
        assert np.array_equal(result.vectors, same.vectors)
        assert masks.shape[:2] == result.visibility.shape
        assert masks.shape[2:] == (16, 11)
        assert np.allclose(masks[:, 0], masks[:, 1:].max(1, initial=0))
    masks = attentive[0][1]
    assert masks[:, 1:].sum(1).max() <= 1 + 1e-5
    assert masks[:, 1:].sum(1).min() < 0.9  # what is missing is the background
    seen = plain[0].visibility > 0
    assert np.allclose(masks.max((2, 3))[seen], plain[0].visibility[seen], atol=1e-5)
    assert not attentive[2][1][0].any()
    assert attentive[2][1][1].any()
    assert embedder.with_masks([]) == []
