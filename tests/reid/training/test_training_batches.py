"""Samplers, schedules and augmentations of ReID training."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import UserError
from reid.models.spec import PART_NAMES
from reid.samples.network_input import SizedCrop
from reid.training.augment import AugmentConfig, augment, fill_of
from reid.training.batch import TrainBatch
from reid.training.dataset import LoadedCrop
from reid.training.occluders import OccluderBank
from reid.training.occlusion import Occluders, neighbours, paste, shifted_rows
from reid.training.sampler import IdentityBatches, WholeEpochs
from reid.training.schedule import ScheduleConfig, learning_rate

OFF = AugmentConfig(occlude=0, shift_px=0, erase=0)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
NAMES = PART_NAMES["eight"]


def make_batch(seed=0, count=8, size=(48, 24)):
    """Crops whose pixels tell their own place, with keypoints on them."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([x / width, y / height, torch.zeros(size)])
    images = place.repeat(count, 1, 1, 1)
    images[:, 2] = torch.arange(count)[:, None, None] / count
    points = torch.rand(count, 17, 2, generator=generator) * torch.tensor([width, height])
    targets = torch.cat([points.floor(), torch.ones(count, 17, 1)], -1)
    silhouettes = torch.zeros(count, *size)
    silhouettes[:, 8:40, 6:18] = 1
    parts = torch.rand(count, len(NAMES), *size, generator=generator)
    return TrainBatch(
        images, parts, silhouettes, targets, targets.flip(1)[:, None].clone(), torch.arange(count) // 2,
        torch.zeros(count, dtype=torch.int64), torch.ones(count, dtype=torch.bool),
    )  # fmt: skip


def run(batch, seed=0, **changes):
    config = OFF.model_copy(update=changes)
    return augment(batch, config, torch.Generator().manual_seed(seed), NAMES, MEAN, STD)


def paste_neighbours(batch, probability, generator):
    return paste(batch, neighbours(batch, probability, generator), generator)


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 9), min_size=4, max_size=12), people=st.integers(2, 4), pictures=st.integers(1, 4))
def test_batches_hold_p_identities_of_k_pictures(sizes, people, pictures):
    identities = np.repeat(np.arange(len(sizes)) * 3, sizes)
    sampler = IdentityBatches(identities, people, pictures, seed=1)
    batches = sampler.epoch(0)
    assert batches.shape[1] == people * pictures
    for batch in batches:
        groups = identities[batch].reshape(people, pictures)
        assert (groups == groups[:, :1]).all()
        assert len(np.unique(groups[:, 0])) == people
    used, counts = np.unique(batches, return_counts=True)
    large = np.isin(identities[used], np.flatnonzero(np.array(sizes) >= pictures) * 3)
    assert (counts[large] == 1).all()
    assert np.array_equal(sampler.epoch(3), IdentityBatches(identities, people, pictures, seed=1).epoch(3))
    if len(identities) > 30:
        assert not np.array_equal(sampler.epoch(1)[:1], sampler.epoch(2)[:1])


def test_too_few_identities():
    with pytest.raises(UserError, match="3 identities"):
        IdentityBatches(np.array([1, 2, 3, 3]), 4, 2, 0)


@pytest.mark.parametrize(("pictures", "least", "left"), [(13, 2, 3), (11, 2, 0), (13, 4, 0), (14, 4, 4)])
def test_a_last_batch_too_small_for_every_process_sits_the_epoch_out(pictures, least, left):
    batches = WholeEpochs(pictures, 5, 0, least).epoch(0)
    assert [len(batch) for batch in batches] == [5, 5] + [left] * bool(left)
    assert len(np.unique(np.concatenate(batches))) == 10 + left


def test_published_schedules():
    cosine = ScheduleConfig()
    rates = [learning_rate(cosine, 0.008, 120, epoch) for epoch in (0, 2.9, 5, 62.5, 120)]
    assert rates == pytest.approx([1.6e-5, 1.6e-5 + 0.4 * (0.008 - 1.6e-5), 0.008, 0.0040615, 1.6e-5], rel=1e-2)
    steps = ScheduleConfig(kind="steps", warmup_epochs=10)
    rates = [learning_rate(steps, 3.5e-4, 120, epoch) for epoch in (0, 10, 39, 40, 70)]
    assert rates == pytest.approx([3.5e-6, 3.5e-4, 3.5e-4, 3.5e-5, 3.5e-6])
    smooth = ScheduleConfig(every_step=True)
    assert learning_rate(smooth, 0.008, 120, 2.5) == pytest.approx(0.004008)


def test_nothing_happens_when_all_is_off():
    batch = make_batch()
    out = run(batch)
    assert torch.equal(out.images, batch.images)
    assert torch.equal(out.targets, batch.targets)


@pytest.mark.parametrize("changes", [{"shift_px": 7}, {"flip": 0.5}, {"shift_px": 4, "flip": 0.5}])
def test_picture_and_keypoints_move_together(changes):
    batch = make_batch(1)
    out = run(batch, 2, **changes)
    moved = 0
    for row in range(len(batch)):
        before, after = batch.targets[row].long(), out.targets[row].long()
        for point in range(17):
            if "flip" in changes:
                partner = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15][point]
                options = [(point, point), (partner, point)]
            else:
                options = [(point, point)]
            if not out.targets[row, point, 2]:
                continue
            seen = out.images[row, :, after[point, 1], after[point, 0]]
            matches = [
                torch.equal(seen, batch.images[row, :, before[source, 1], before[source, 0]]) for source, _ in options
            ]
            assert any(matches)
            moved += int(not torch.equal(before[point], after[point]))
    assert moved > 20


def test_shift_brings_in_black_and_drops_points():
    batch = make_batch(3)
    out = run(batch, 4, shift_px=10)
    black = (out.images[:, 2] == 0) & (batch.images[:, 2] > 0)
    assert black.any()
    assert (out.parts[:, 0][black] == 0).all()
    gone = out.targets[..., 2] == 0
    assert gone.any()
    inside = (out.targets[..., 0] >= 0) & (out.targets[..., 0] < 24) & (out.targets[..., 1] >= 0)
    assert inside.all()


def test_flip_swaps_sides():
    batch = make_batch(5)
    out = run(batch, 0, flip=1.0)
    left, right = NAMES.index("left_arm"), NAMES.index("right_arm")
    assert torch.equal(out.parts[:, left], batch.parts[:, right].flip(-1))
    assert torch.equal(out.parts[:, 0], batch.parts[:, 0].flip(-1))
    assert torch.equal(out.targets[:, 5, 0], 23 - batch.targets[:, 6, 0])
    again = run(out, 0, flip=1.0)
    assert torch.equal(again.images, batch.images)
    assert torch.equal(again.targets, batch.targets)


def test_erasing_takes_one_rectangle():
    batch = make_batch(6)
    out = run(batch, 1, erase=1.0, erase_fill="mean")
    for row in range(len(batch)):
        hole = (out.images[row] == torch.tensor(MEAN)[:, None, None]).all(0)
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert int(hole.sum()) == int(rows * columns)
        assert 0.1 * 48 <= int(rows) <= 0.7 * 48
        assert 0.1 * 24 <= int(columns) <= 0.7 * 24
        assert not out.parts[row, :, hole].any()
        points = batch.targets[row].long()
        assert torch.equal(out.targets[row, :, 2] == 0, hole[points[:, 1], points[:, 0]])


def test_the_published_fill_is_the_mean_after_normalising():
    """0.485 after normalising, not 0: the original fills behind its normalisation."""
    batch = make_batch(6)
    out = run(batch, 1, erase=1.0)
    hole = (run(batch, 1, erase=1.0, erase_fill="mean").images == torch.tensor(MEAN)[:, None, None]).all(1)
    after = (out.images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    for channel, level in enumerate(MEAN):
        assert torch.allclose(after[:, channel][hole], torch.tensor(level), atol=1e-6)
    assert fill_of(OFF, (0.5,) * 3, (0.5,) * 3) == (0.75,) * 3


def test_jitter_keeps_range_and_rows_apart():
    batch = make_batch(7)
    out = run(batch, 1, jitter=0.5)
    changed = (out.images != batch.images).flatten(1).any(1)
    assert changed.any()
    assert not changed.all()
    assert out.images.min() >= 0
    assert out.images.max() <= 1


def test_prompt_dropping():
    batch = make_batch(8, count=64)
    some = run(batch, 1, drop_some=1.0, drop_share=0.5)
    share = float((some.targets[..., 2] == 0).float().mean())
    assert 0.4 < share < 0.6
    assert torch.equal(some.negatives, batch.negatives)
    whole = run(batch, 1, drop_all=0.5)
    dropped = (whole.targets[..., 2] == 0).all(1)
    assert 0.25 < float(dropped.float().mean()) < 0.75
    assert not whole.negatives[dropped].any()
    assert torch.equal(whole.targets[~dropped], batch.targets[~dropped])


def test_pasted_people():
    batch = make_batch(9)
    out = paste_neighbours(batch, 1.0, torch.Generator().manual_seed(0))
    assert out.negatives.shape == (8, 2, 17, 3)
    assert torch.equal(batch.images, make_batch(9).images)
    for row in range(8):
        own, blue = row / 8, out.images[row, 2]
        covered = (blue - own).abs() > 1e-6
        donors = blue[covered].unique()
        assert len(donors) == 1
        donor = round(float(donors) * 8)
        assert donor // 2 != row // 2
        assert not out.parts[row, :, covered].any()
        points = batch.targets[row].long()
        assert torch.equal(out.targets[row, :, 2] == 0, covered[points[:, 1], points[:, 0]])
        for x, y, confidence in out.negatives[row, 1]:
            if confidence:
                # The point lies where the pasted person does, on the pixel it lay on before.
                assert covered[int(y), int(x)]
                first = out.images[row, :, int(y), int(x)]
                source = (first[:2] * torch.tensor([24, 48])).round().long()
                assert (batch.targets[donor, :, :2].long() == source).all(1).any()
        assert 48 * 0.05 <= covered.nonzero()[:, 0].min() <= 48 * 0.45


def test_nobody_is_pasted_without_silhouettes_or_strangers():
    from dataclasses import replace

    batch = make_batch(10)
    blank = replace(batch, silhouettes=torch.zeros_like(batch.silhouettes))
    alone = replace(batch, identities=torch.zeros_like(batch.identities))
    for one in (blank, alone):
        out = paste_neighbours(one, 1.0, torch.Generator().manual_seed(0))
        assert torch.equal(out.images, batch.images)
        assert not out.negatives[:, 1].any()


def test_shifted_rows():
    maps = torch.arange(2 * 1 * 3 * 4.0).view(2, 1, 3, 4) + 1
    out = shifted_rows(maps, torch.tensor([1]), torch.tensor([[1, -1]]))
    assert out[0, 0].tolist() == [[0, 17, 18, 19], [0, 21, 22, 23], [0, 0, 0, 0]]


def test_the_same_generator_gives_the_same_batch():
    config = AugmentConfig(occlude=0.5, occluders="batch", flip=0.5, jitter=0.5, drop_some=0.3, drop_all=0.1)
    first, second = (
        augment(make_batch(11), config, torch.Generator().manual_seed(5), NAMES, MEAN, STD) for _ in range(2)
    )
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.targets, second.targets)
    assert torch.equal(first.negatives, second.negatives)


def loaded(row, identity, outlined=True):
    """A crop that tells its row by its colour."""
    image = np.full((8, 4, 3), row, np.uint8)
    silhouette = np.full((8, 4), 255 * outlined, np.uint8)
    target = np.full((17, 3), 1, np.float32)
    crop = SizedCrop(image, target, np.zeros((0, 17, 3), np.float32))
    return LoadedCrop(crop, np.ones((8, 8, 4), np.uint8), silhouette, identity, 0, True)


def test_the_bank_keeps_five_crops_of_a_person_and_reads_each_once():
    identities = np.repeat(np.arange(4), 12)
    read = []

    def crop(row):
        read.append(row)
        return loaded(row, int(identities[row]))

    bank = OccluderBank(crop, identities, seed=3)
    batch = torch.tensor([0, 0, 1, 1, 2, 2])
    generator = torch.Generator().manual_seed(0)
    pasted = [[] for _ in batch]
    for _ in range(300):
        drawn = bank.draw(batch, 1.0, generator)
        assert drawn.rows.tolist() == list(range(6))
        for row, image in zip(drawn.rows.tolist(), drawn.images):
            pasted[row].append(round(float(image[0, 0, 0]) * 255))
    for row, donors in enumerate(pasted):
        people = {int(identities[donor]) for donor in donors}
        assert people == {0, 1, 2} - {int(batch[row])}
        assert len(set(donors)) == 10
    assert sorted(read) == sorted(set(read))
    assert len(read) == 15
    again = OccluderBank(lambda row: loaded(row, int(identities[row])), identities, seed=3)
    first, second = (one.draw(batch, 0.5, torch.Generator().manual_seed(7)) for one in (bank, again))
    assert torch.equal(first.rows, second.rows)
    assert torch.equal(first.images, second.images)
    assert 0 < len(first.rows) < 6


def test_the_bank_pastes_only_who_has_an_outline():
    identities = np.repeat(np.arange(3), 2)
    bank = OccluderBank(lambda row: loaded(row, row // 2, outlined=row == 2), identities, seed=0)
    drawn = bank.draw(torch.tensor([0, 1, 2]), 1.0, torch.Generator().manual_seed(0))
    assert drawn.rows.tolist() == [0, 2]
    assert (drawn.images * 255).round().unique().tolist() == [2]
    assert bank.draw(torch.tensor([0, 2]), 1.0, torch.Generator().manual_seed(0)) is None
    assert bank.draw(torch.tensor([0, 1]), 0.0, torch.Generator().manual_seed(0)) is None


def test_what_the_bank_gives_is_pasted():
    batch = make_batch(9)
    row = torch.tensor([5])
    occluders = Occluders(row, torch.full((1, 3, 48, 24), 0.25), batch.silhouettes[:1], batch.targets[:1])
    config = OFF.model_copy(update={"occlude": 1.0})
    out = augment(batch, config, torch.Generator().manual_seed(1), NAMES, MEAN, STD, occluders)
    changed = (out.images != batch.images).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [5]
    assert out.negatives.shape == (8, 2, 17, 3)
    assert out.negatives[5, 1].any()
    assert not out.negatives[[0, 1, 2, 3, 4, 6, 7], 1].any()
    none = augment(batch, config, torch.Generator().manual_seed(1), NAMES, MEAN, STD)
    assert torch.equal(none.images, batch.images)
