"""Batches read ahead by worker processes that stay from epoch to epoch."""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from data.errors import UserError
from data.runtime.cores import helpers
from data.runtime.stopping import work_on

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
        self._items, self._stack, self._workers = _Told(items), _Stack(stack), helpers(workers)
        self._pinned = device.type == "cuda"
        self._rows: list[Sequence[int]] = []
        self._loader: DataLoader[Any] | None = None

    def read(self, rows: Sequence[Sequence[int]]) -> Generator[Batch]:
        """Read batches, given the rows of each; one iterator at a time.

        Raises:
            UserError: when an item cannot be read.
        """
        if self._loader is None:
            self._loader = self._opened()
        self._rows[:] = rows
        for batch in self._loader:
            if isinstance(batch, UserError):
                raise batch
            yield batch

    def close(self) -> None:
        """Let the workers go; they come again when something is read."""
        self._loader = None

    def _opened(self) -> DataLoader[Any]:
        return DataLoader(
            self._items,
            batch_sampler=_Rows(self._rows),  # type: ignore[arg-type]
            num_workers=self._workers,
            collate_fn=self._stack,
            pin_memory=self._pinned,
            persistent_workers=self._workers > 0,
            worker_init_fn=work_on,
            # Else the loader draws from the global generator, whenever an epoch begins.
            generator=torch.Generator(),
        )


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
