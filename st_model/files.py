"""Files of transition models and published distributions: npz with a JSON header, no pickle.

An npz holds the array ``header`` (one string, JSON) and the counts. Densities are not stored: they follow from the
counts, so that a file can be merged and updated without loss. Models of version 1 hold no walks and are still read,
as are those that do not say which gaps a visit may have.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from data.atomic import open_atomic
from data.errors import UserError, first_line
from data.foreign import open_arrays
from data.records import DoubleArray
from st_model.config import LagModelConfig
from st_model.counts import TransitionCounts
from st_model.grid import LagGrid
from st_model.model import VERSION, TransitionModel, model_from_counts
from st_model.published import PublishedDistribution, from_histogram
from st_model.walks import DIM

MODEL_KIND = "mtmct transition model"
PUBLISHED_KIND = "mtmct published distribution"
_MODEL_VERSIONS = (1, VERSION)
_PUBLISHED_VERSION = 1
_ALWAYS = (1980, 1, 1, 0, 0, 0)
_BROKEN = (OSError, ValueError, KeyError, EOFError, MemoryError, TypeError, zipfile.BadZipFile, zlib.error)


def save_model(model: TransitionModel, path: Path) -> None:
    """Write a transition model; the same model gives the same bytes."""
    header = {
        "kind": MODEL_KIND,
        "version": VERSION,
        "cameras": list(model.cameras),
        "grid": {
            "bin_s": float(model.grid.bin_s),
            "linear_s": float(model.grid.linear_s),
            "max_lag_s": float(model.grid.max_lag_s),
        },
        "settings": model.settings.model_dump(),
        "gap_s": model.evidence.gap_s,
        "meta": model.meta,
    }
    evidence = model.evidence
    arrays = {name: getattr(evidence, name) for name in ("next", "any", "visits", "exits", "overlaps", "walks")}
    _write(path, header, arrays)


def load_model(path: Path) -> TransitionModel:
    """Read a transition model.

    Raises:
        UserError: when the file is absent, broken, of another kind or of a later version.
    """
    header, arrays = _read(path, MODEL_KIND, _MODEL_VERSIONS)
    try:
        cameras = tuple(str(name) for name in header["cameras"])
        grid = LagGrid(**{name: float(value) for name, value in header["grid"].items()})
        settings = LagModelConfig(**header["settings"])
        count, columns = len(cameras), grid.bins + 1
        counts = TransitionCounts(
            cameras,
            grid,
            _counts(arrays, "next", (count, count, columns)),
            _counts(arrays, "any", (count, count, columns)),
            _counts(arrays, "visits", (count,)),
            _counts(arrays, "exits", (count,)),
            _counts(arrays, "overlaps", (count, count)),
            _walks(arrays, count, header["version"]),
            float(header.get("gap_s", 0.0)),
        )
        meta = dict(header["meta"])
    except (*_BROKEN, AttributeError, ValidationError, UserError) as error:
        raise UserError(f"{path} is a damaged transition model ({first_line(error)}); build it again") from None
    return model_from_counts(counts, settings, meta)


def save_published(distribution: PublishedDistribution, path: Path) -> None:
    """Write a published distribution: its raw counts, or its probabilities where only they are known."""
    header = {
        "kind": PUBLISHED_KIND,
        "version": _PUBLISHED_VERSION,
        "cameras": list(distribution.cameras),
        "bin_frames": distribution.bin_frames,
        "sigma_bins": distribution.sigma_bins,
        "meta": distribution.meta,
    }
    if distribution.histogram is None:
        arrays = {"probability": distribution.probability}
    else:
        arrays = {"histogram": distribution.histogram, "overflow": distribution.overflow}
    _write(path, header, arrays)


def load_published(path: Path) -> PublishedDistribution:
    """Read a published distribution.

    Raises:
        UserError: when the file is absent, broken, of another kind or of a later version.
    """
    header, arrays = _read(path, PUBLISHED_KIND, (_PUBLISHED_VERSION,))
    try:
        cameras = tuple(str(name) for name in header["cameras"])
        bin_frames, sigma_bins, meta = int(header["bin_frames"]), float(header["sigma_bins"]), dict(header["meta"])
        table = "histogram" if "histogram" in arrays else "probability"
        values = _counts(arrays, table, (len(cameras), len(cameras), arrays[table].shape[-1]))
        if table == "probability":
            none = np.zeros((len(cameras), len(cameras)))
            return PublishedDistribution(cameras, values, None, none, bin_frames, sigma_bins, meta)
        overflow = _counts(arrays, "overflow", (len(cameras), len(cameras)))
    except (*_BROKEN, AttributeError) as error:
        raise UserError(f"{path} is a damaged distribution ({first_line(error)}); build it again") from None
    return from_histogram(cameras, values, overflow, bin_frames, sigma_bins, meta)


def _write(path: Path, header: Mapping[str, Any], arrays: Mapping[str, DoubleArray]) -> None:
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    with open_atomic(path, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in {"header": np.array(text), **arrays}.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ALWAYS), member.getvalue(), zipfile.ZIP_DEFLATED)


def _read(path: Path, kind: str, versions: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, DoubleArray]]:
    if not path.is_file():
        raise UserError(f"{path} is no file; make one with `python -m tools.build_st_model`")
    with open_arrays(path) as archive:
        arrays = archive.read()
    try:
        header = json.loads(str(arrays.pop("header")))
        found, version = header.get("kind"), header.get("version")
    except (*_BROKEN, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is no {kind}, or it is damaged ({first_line(error)})") from None
    if found != kind:
        raise UserError(f"{path} holds a '{found}', not a '{kind}'")
    if version not in versions:
        known = " and ".join(map(str, versions))
        raise UserError(f"{path} has format version {version}, this program reads {known}; build it again")
    return header, arrays


def _counts(arrays: Mapping[str, DoubleArray], name: str, shape: tuple[int, ...]) -> DoubleArray:
    array = arrays[name]
    if array.shape != shape or array.dtype != np.float64 or not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"'{name}' must be {shape} finite float64 counts, is {array.dtype} {array.shape}")
    return array


def _walks(arrays: Mapping[str, DoubleArray], cameras: int, version: int) -> DoubleArray:
    """Moments of walks; none in files older than they are."""
    shape = (cameras, cameras, DIM + 1, DIM + 1)
    if version == 1:
        return np.zeros(shape)
    array = arrays["walks"]
    if (
        array.shape != shape
        or array.dtype != np.float64
        or not np.isfinite(array).all()
        or (array[..., 0, 0] < 0).any()
    ):
        raise ValueError(f"'walks' must be {shape} finite float64 moments, is {array.dtype} {array.shape}")
    return array
