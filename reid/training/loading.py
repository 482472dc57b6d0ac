"""Batches read ahead by worker processes that stay from epoch to epoch."""

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from data.errors import UserError
from data.runtime.cores import helpers

Item = TypeVar("Item")
Batch = TypeVar("Batch")


class BatchLoader(Generic[Item, Batch]):
    """Reads batches in order, whatever the number of workers.

    Args:
        items: what to read, by index; its ``UserError`` is raised by ``read``.
        stack: makes a batch of items.
        workers: processes that read; 0 reads here.
        device: where batches go: for a GPU they come in pinned memory, from which they are copied beside its work.
    """

    def __init__(
        self, items: Dataset[Item], stack: Callable[[Sequence[Item]], Batch], workers: int, device: torch.device
    ) -> None:
        self._rows: list[Sequence[int]] = []
        self._loader: DataLoader[Any] = DataLoader(
            _Told(items),
            batch_sampler=_Rows(self._rows),  # type: ignore[arg-type]
            num_workers=helpers(workers),
            collate_fn=_Stack(stack),
            pin_memory=device.type == "cuda",
            persistent_workers=helpers(workers) > 0,
            worker_init_fn=_work_on,
            # Else the loader draws from the global generator, whenever an epoch begins.
            generator=torch.Generator(),
        )

    def read(self, rows: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Read batches, given the rows of each; one iterator at a time.

        Raises:
            UserError: when an item cannot be read.
        """
        self._rows[:] = rows
        for batch in self._loader:
            if isinstance(batch, UserError):
                raise batch
            yield batch


class _Rows:
    """Which rows the loader reads next; the list is filled anew for every epoch."""

    def __init__(self, rows: list[Sequence[int]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Sequence[int]]:
        return iter(list(self._rows))


class _Told(Dataset["Item | UserError"], Generic[Item]):
    """Errors come back as values: a worker process would bury their one line in its traceback."""

    def __init__(self, items: Dataset[Item]) -> None:
        self._items = items

    def __getitem__(self, index: int) -> Item | UserError:
        try:
            return self._items[index]
        except UserError as error:
            return error


class _Stack(Generic[Item, Batch]):
    """A batch, or what was wrong with the first of its items that cannot be read."""

    def __init__(self, stack: Callable[[Sequence[Item]], Batch]) -> None:
        self._stack = stack

    def __call__(self, read: Sequence[Item | UserError]) -> Batch | UserError:
        sound = []
        for item in read:
            if isinstance(item, UserError):
                return item
            sound.append(item)
        return self._stack(sound)


def _work_on(_: int) -> None:
    """Ctrl-C reaches workers too: they work on, until the training that takes its last step lets them go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
