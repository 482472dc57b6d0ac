"""What to do when a batch is larger than the memory: find one that is not."""

from collections.abc import Callable

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no room for a tensor, on a GPU or in the machine."""
    told = str(error).lower()
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and ("out of memory" in told or "not enough memory" in told)
    )


def fitting_size(size: int, attempt: Callable[[int], None]) -> int:
    """The largest of a half, a quarter, ... of a batch with which a step finds room; 0 where not even two pictures do.

    Args:
        size: of the batch that is too large.
        attempt: computes the gradients of so many pictures.
    """
    while size >= 4:
        size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            attempt(size)
            return size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
    return 0


def smaller_batch(fits: int, people: int, pictures: int, accumulate: int, processes: int = 1) -> str:
    """Settings of batches of at most so many pictures that keep the size of a step.

    Args:
        fits: pictures of a batch that find room, of all processes together.
        people: identities of a batch today.
        pictures: of each.
        accumulate: batches of a step today.
        processes: that a batch is divided among, by people.

    Returns:
        As key=value; empty where no batch is so small: it has two pictures each of two people, or of one per process.
    """
    least = max(2, processes)
    if fits < 2 * least:
        return ""
    each = min(pictures, max(fits // least, 2))
    fewer = max(fits // each // processes * processes, least)
    told = f"batch.people={fewer}" + (f" batch.pictures={each}" if each < pictures else "")
    return f"{told} batch.accumulate={-(-people * pictures * accumulate // (fewer * each))}"
