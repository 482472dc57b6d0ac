"""Pictures on a GPU: each goes up once, whoever asks for it first.

A run promises by ``share`` that its pictures do not change while they live. The detector, and later the appearance
model, then find the same copy on the device; it goes when the picture goes. What nobody promised is copied each time,
since a caller may read the next frame into the same array.
"""

import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import Image

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class _Shared:
    picture: "weakref.ref[Image]"
    copies: "dict[torch.device, _Copy]" = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class _Copy:
    pixels: "torch.Tensor"
    done: "torch.cuda.Event | None"

    def ready(self) -> "torch.Tensor":
        """The pixels, for the stream of this thread: it waits for the copy, the thread does not."""
        import torch

        if self.done is not None:
            stream = torch.cuda.current_stream(self.pixels.device)
            stream.wait_event(self.done)
            # The memory belongs to the copying stream, which must not take it back while this one reads.
            self.pixels.record_stream(stream)
        return self.pixels


_shared: dict[int, _Shared] = {}


def share(images: Iterable[Image]) -> None:
    """Promise that these pictures do not change while they live; costs nothing where none goes to a GPU."""
    for image in images:
        key = id(image)
        if _known(image) is None:
            _shared[key] = _Shared(weakref.ref(image, lambda _, key=key: _shared.pop(key, None)))  # type: ignore[misc]


def on_device(image: Image, device: "torch.device") -> "torch.Tensor":
    """A picture as a tensor on a device.

    Args:
        image: (H, W, 3) uint8. On a CPU the tensor shares its memory where it is contiguous.
        device: where to.

    Returns:
        (H, W, 3) uint8, to be used on this thread's current stream; not to be written to.
    """
    import torch

    if device.type == "cpu":
        return torch.from_numpy(np.ascontiguousarray(image))
    return _copy(image, device).ready()


def start_upload(images: Iterable[Image], device: "torch.device") -> None:
    """Let the copies of shared pictures run beside what the device computes now."""
    if device.type != "cpu":
        for image in images:
            if _known(image) is not None:
                _copy(image, device)


def _known(image: Image) -> _Shared | None:
    shared = _shared.get(id(image))
    return shared if shared is not None and shared.picture() is image else None


def _copy(image: Image, device: "torch.device") -> _Copy:
    shared = _known(image)
    if shared is None:
        return _upload(image, device)
    with shared.lock:
        if device not in shared.copies:
            shared.copies[device] = _upload(image, device)
        return shared.copies[device]


def _upload(image: Image, device: "torch.device") -> _Copy:
    import torch

    if device.type == "cuda":
        return _stager(device)(image)
    return _Copy(torch.from_numpy(np.array(image)).to(device), None)


@cache
def _stager(device: "torch.device") -> "_Stager":
    return _Stager(device)


class _Stager:
    """Two page-locked buffers and a stream: one picture is written while the one before travels."""

    def __init__(self, device: "torch.device") -> None:
        import torch

        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers: list[torch.Tensor | None] = [None, None]
        self._done: list[Any] = [None, None]
        self._turn = 0
        self._lock = threading.Lock()

    def __call__(self, image: Image) -> _Copy:
        import torch

        with self._lock:
            turn, self._turn = self._turn, 1 - self._turn
            if self._done[turn] is not None:
                self._done[turn].synchronize()
            buffer = self._buffers[turn]
            if buffer is None or buffer.numel() < image.size:
                # Locking pages sets up whichever card is current, and takes some of its memory.
                with torch.cuda.device(self._device):
                    buffer = torch.empty(image.size, dtype=torch.uint8, pin_memory=True)
                self._buffers[turn] = buffer
            staged = buffer[: image.size].view(image.shape)
            np.copyto(staged.numpy(), image)
            with torch.cuda.stream(self._stream):
                pixels = staged.to(self._device, non_blocking=True)
                done = torch.cuda.Event()
                done.record(self._stream)
            self._done[turn] = done
        return _Copy(pixels, done)
