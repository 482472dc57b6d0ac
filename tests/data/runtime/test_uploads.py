"""A picture goes to a device once where it was promised not to change, and each time where not."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch

from data.runtime import uploads
from data.runtime.uploads import on_device, share, start_upload

# Copies into nothing: the bookkeeping without a GPU.
META = torch.device("meta")


@pytest.fixture
def uploaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes that went up."""
    shapes: list[tuple[int, ...]] = []
    upload = uploads._upload

    def counted(image: np.ndarray, device: torch.device) -> uploads._Copy:
        shapes.append(image.shape)
        return upload(image, device)

    monkeypatch.setattr(uploads, "_upload", counted)
    return shapes


def picture(height: int = 4) -> np.ndarray:
    return np.zeros((height, 6, 3), np.uint8)


def test_a_shared_picture_goes_up_once_and_another_one_each_time(uploaded: list[tuple[int, ...]]) -> None:
    shared, other = picture(4), picture(5)
    share([shared])
    first = on_device(shared, META)
    start_upload([shared, other], META)
    assert on_device(shared, META) is first
    assert on_device(other, META) is not on_device(other, META)
    assert uploaded == [(4, 6, 3), (5, 6, 3), (5, 6, 3)]


def test_an_equal_picture_is_not_the_same_picture(uploaded: list[tuple[int, ...]]) -> None:
    shared = picture()
    share([shared])
    on_device(shared, META)
    on_device(shared.copy(), META)
    on_device(shared[:], META)
    assert len(uploaded) == 3


def test_a_copy_goes_when_its_picture_goes() -> None:
    before = len(uploads._shared)
    shared = picture()
    share([shared, shared])
    on_device(shared, META)
    assert len(uploads._shared) == before + 1
    del shared
    assert len(uploads._shared) == before


def test_an_upload_begun_early_is_the_one_that_is_used(uploaded: list[tuple[int, ...]]) -> None:
    shared = picture()
    share([shared])
    start_upload([shared], META)
    on_device(shared, META)
    assert len(uploaded) == 1


def test_on_a_cpu_nothing_is_copied(uploaded: list[tuple[int, ...]]) -> None:
    image = picture()
    tensor = on_device(image, torch.device("cpu"))
    start_upload([image], torch.device("cpu"))
    image[0, 0] = 7
    assert (tensor[0, 0] == 7).all()
    assert uploaded == []
    flipped = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)[:, ::-1]
    np.testing.assert_array_equal(on_device(flipped, torch.device("cpu")).numpy(), flipped)


def test_pages_are_locked_for_the_card_that_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    current = ["cuda:0"]
    locked: list[str] = []

    @contextmanager
    def device(chosen: torch.device) -> Iterator[None]:
        current.append(str(chosen))
        yield
        current.pop()

    def empty(count: int, dtype: torch.dtype, pin_memory: bool) -> torch.Tensor:
        locked.append(current[-1])
        return torch.zeros(count, dtype=dtype)

    class Event:
        def record(self, _: object) -> None: ...

        def synchronize(self) -> None: ...

    for name, stands_in in {
        "Stream": lambda _: None,
        "Event": Event,
        "device": device,
        "stream": lambda _: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stands_in)
    monkeypatch.setattr(torch, "empty", empty)
    upload = uploads._Stager(torch.device("cuda:1"))
    # What a copy would give is not to be had here; that the buffer was filled for it is.
    monkeypatch.setattr(torch.Tensor, "to", lambda staged, *_, **__: staged.clone())
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    np.testing.assert_array_equal(upload(image[::-1]).pixels.numpy(), image[::-1])
    assert locked == ["cuda:1"]
    assert current == ["cuda:0"]


@pytest.mark.gpu
def test_pictures_arrive_whole_whatever_their_sizes_and_however_many_at_once() -> None:
    device = torch.device("cuda:0")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (50 + 37 * (number % 5), 64, 3), dtype=np.uint8) for number in range(40)]
    views = [image[::-1] for image in images]
    share(images)
    start_upload(images, device)
    for image, view in zip(images, views, strict=True):
        np.testing.assert_array_equal(on_device(image, device).cpu().numpy(), image)
        np.testing.assert_array_equal(on_device(view, device).cpu().numpy(), view)
    assert on_device(images[0], device) is on_device(images[0], device)
