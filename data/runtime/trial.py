"""Comparing runtimes of one network: do they agree on real pictures, and what does a row cost?"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.runtime.network import FloatArray, Network

Select = Callable[[Network, list[FloatArray]], Sequence[FloatArray]]

# Largest difference from fp32 on the reference runtime, as a share of the output's norm. Measured: fp32 elsewhere 3e-6,
# stored 8-bit graphs up to 0.010 (they round in another order), bfloat16 0.02 to 0.08. 8 % of a unit vector are a
# cosine distance of 0.003, where two people are some 0.5 apart and one person's crops 0.2.
TOLERANCE = {"fp32": 0.02, "int8": 0.08, "bf16": 0.08}
_ROWS = 4
_ROUNDS = 5
_ENOUGH_S = 2.0
_PHOTOGRAPH = "mpl-data/sample_data/grace_hopper.jpg"


@dataclass(frozen=True, slots=True)
class Trial:
    """How runtimes of a network are compared.

    Attributes:
        blob: the network's input, made of ``sample_pictures``; asked only when there is something to compare.
        select: what of the outputs is used, so that classes nobody asks for do not count; each array is compared by
            its own norm.
    """

    blob: Callable[[Network], FloatArray]
    select: Select = lambda _, outputs: outputs


def sample_pictures(height: int, width: int) -> NDArray[np.uint8]:
    """Four windows of a photograph of a person (public domain, part of matplotlib), (4, height, width, 3) RGB.

    Raises:
        UserError: when matplotlib has been installed without its sample data.
    """
    import cv2

    photograph = _photograph()
    rows, columns = photograph.shape[:2]
    pictures = []
    for number in range(_ROWS):
        inset = number * 0.08
        top, left = int(inset * rows), int(inset * columns)
        window = np.ascontiguousarray(photograph[top : rows - top // 2, left : columns - left // 2])
        pictures.append(cv2.resize(window, (width, height), interpolation=cv2.INTER_AREA))
    return np.stack(pictures).astype(np.uint8, copy=False)


@cache
def _photograph() -> NDArray[np.uint8]:
    import cv2

    found = find_spec("matplotlib")
    path = Path(found.origin).parent / _PHOTOGRAPH if found is not None and found.origin else Path(_PHOTOGRAPH)
    picture = cv2.imread(str(path)) if path.is_file() else None
    if picture is None:
        raise UserError(f"runtimes cannot be compared without the photograph {path}; install matplotlib again")
    return np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8, copy=False)


def difference(reference: Sequence[FloatArray], other: Sequence[FloatArray]) -> float:
    """The largest norm of a difference as a share of the reference's norm; infinite where shapes or NaN differ."""
    worst = 0.0
    for first, second in zip(reference, other, strict=True):
        if first.shape != second.shape or not np.isfinite(second).all():
            return math.inf
        norm = float(np.linalg.norm(first))
        worst = max(worst, float(np.linalg.norm(first - second)) / max(norm, 1e-12))
    return worst


def cpu_ms_per_row(networks: Mapping[str, Network], blob: FloatArray) -> dict[str, float]:
    """CPU milliseconds of a row: the best of some rounds, until 2 s are spent, in which the networks take turns.

    Processor time and not the clock: other stages want the cores too, and other programs do not disturb it much.
    """
    if all(network.batch == 1 for network in networks.values()):
        blob = blob[:1]
    best = dict.fromkeys(networks, math.inf)
    begin = time.process_time()
    for _ in range(_ROUNDS):
        if time.process_time() - begin > _ENOUGH_S:
            break
        for name, network in networks.items():
            start = time.process_time()
            network.run(blob)
            best[name] = min(best[name], time.process_time() - start)
    return {name: round(1000 * spent / len(blob), 3) for name, spent in best.items()}


def spent_per_row(network: Network, blob: FloatArray) -> tuple[float, float]:
    """Processor and wall seconds of a row in one run: the best of some rounds, until 2 s are spent."""
    cpu_s, wall_s = math.inf, math.inf
    begin = time.monotonic()
    for _ in range(_ROUNDS):
        if time.monotonic() - begin > _ENOUGH_S:
            break
        start, before = time.monotonic(), time.process_time()
        network.run(blob)
        cpu_s = min(cpu_s, (time.process_time() - before) / len(blob))
        wall_s = min(wall_s, (time.monotonic() - start) / len(blob))
    return cpu_s, wall_s
