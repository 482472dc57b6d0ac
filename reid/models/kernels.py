"""Kernels of our own for a GPU: taken where they compile, else the plain operations, with one warning."""

import logging
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from data.errors import first_line

logger = logging.getLogger(__name__)


class Kernel:
    """A kernel in a module of its own, imported when it is first called.

    Args:
        path: "module:function".
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._failed = False

    @property
    def usable(self) -> bool:
        """Whether Triton is here, and the kernel has not failed yet."""
        return not self._failed and _has_triton()

    def __call__(self, *arguments: Any) -> Any | None:
        """What the function gives; None, now and from now on, where it does not compile or start.

        Raises:
            torch.cuda.OutOfMemoryError: as of any operation.
        """
        if self._failed:
            return None
        module, _, name = self._path.partition(":")
        try:
            return getattr(import_module(module), name)(*arguments)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # Triton, its compiler and the driver raise kinds of their own
            self._failed = True
            logger.warning(
                "the GPU kernel %s fails here (%s): plain operations take its place", name, first_line(error)
            )
            return None


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
