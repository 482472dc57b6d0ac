"""What a lag says about two sightings being one person."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import UserError
from data.kernels.checks import indices, integers, matrix
from data.records import DoubleArray, IntArray
from st_model.model import Table, TransitionModel
from st_model.published import PublishedDistribution

_CHUNK_CELLS = 1 << 19


def llr(
    model: TransitionModel,
    from_cameras: ArrayLike,
    to_cameras: ArrayLike,
    lag_s: ArrayLike,
    arrival_rate_hz: ArrayLike,
    table: Table = "next",
) -> DoubleArray:
    """Natural-log likelihood ratio of "the person who left is the one who entered" against "somebody else entered".

    log density(lag) - log arrival rate at the camera entered: the person arrives with that density, anybody else at
    that rate (Poisson arrivals). With the ``next`` table the density is that of going there next, so the probability of
    not having left for good counts as well.

    Args:
        model: the transition model.
        from_cameras: camera left: integer indices (-1 = unknown), or names.
        to_cameras: camera entered, likewise.
        lag_s: seconds from leaving to entering; NaN where the clocks are not common.
        arrival_rate_hz: people that enter the camera entered, per second, > 0.
        table: "next" for consecutive visits, "any" for all pairs.

    Returns:
        float64 in the broadcast shape of the arguments; 0 ("no evidence") where the lag is NaN or a camera is unknown.

    Raises:
        ValueError: for an arrival rate that is not positive.
        UserError: for an unknown table.
    """
    rate = np.asarray(arrival_rate_hz, np.float64)
    if not (rate > 0).all():
        raise ValueError("arrival rates must be positive: people per second that enter the camera")
    score = model.log_density(from_cameras, to_cameras, lag_s, table) - np.log(rate)
    if table == "next":
        stays = np.append(np.log1p(-model.exit_probability), 0.0)
        score = score + stays[model.camera_indices(from_cameras)]
    evidence: DoubleArray = np.where(np.isnan(score), 0.0, score)
    return evidence


def arrival_rates_hz(cameras: ArrayLike, camera_count: int, duration_s: float) -> DoubleArray:
    """People that enter each camera per second.

    Args:
        cameras: (V,) integer camera of each visit.
        camera_count: C.
        duration_s: length of the recording, > 0.

    Returns:
        (C,) float64, > 0: half a visit is added to every camera, so that a camera nobody entered has a low rate, not
        none (Jeffreys prior of a Poisson rate).

    Raises:
        UserError: for a camera that is none of them, or a recording without length.
    """
    if not 0 < duration_s < np.inf:
        raise UserError(f"a recording of {duration_s} s has no rates; its length is above 0")
    visits = np.bincount(indices(cameras, camera_count, "cameras of visits"), minlength=camera_count)
    return np.asarray((visits + 0.5) / duration_s, np.float64)


@dataclass(frozen=True, slots=True)
class JointConstants:
    """Constants of ST-ReID's logistic smoothing f(x) = 1 / (1 + lambda exp(-gamma x)); the defaults are the published.

    Attributes:
        lambda_visual: of the similarity.
        gamma_visual: of the similarity.
        lambda_st: of the space-time probability.
        gamma_st: of the space-time probability per bin.
    """

    lambda_visual: float = 1.0
    gamma_visual: float = 5.0
    lambda_st: float = 2.0
    gamma_st: float = 5.0


def st_reid_joint(
    similarity: NDArray[np.floating[Any]],
    query_cameras: IntArray,
    query_frames: IntArray,
    gallery_cameras: IntArray,
    gallery_frames: IntArray,
    distribution: PublishedDistribution,
    constants: JointConstants | None = None,
    out: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.floating[Any]]:
    """Joint similarity of ST-ReID: f(similarity) f(probability of the lag bin).

    Wang et al., "Spatial-Temporal Person Re-identification", AAAI 2019, section 3.3, as the authors' code has it.
    The query is the later one where its frame is strictly larger. A lag beyond the last bin and a negative (missing)
    frame have probability 0. Works through the queries in chunks; beyond the result it needs a few megabytes.

    Args:
        similarity: (Q, G) cosine similarity, float32 or float64: the precision of the result.
        query_cameras: (Q,) index into the distribution's cameras; -1 = unknown, probability 0.
        query_frames: (Q,) frame on the time line of the distribution; negative = missing.
        gallery_cameras: (G,) likewise.
        gallery_frames: (G,) likewise.
        distribution: probabilities per bin.
        constants: of the logistic functions; None takes the published ones.
        out: (Q, G) result, may be ``similarity`` itself; None makes a new array.

    Returns:
        (Q, G) in the dtype of ``similarity``; larger is more alike.

    Raises:
        UserError: when columns do not fit the similarities, or a camera is none of the distribution's.
    """
    similarity = matrix(similarity, (len(query_cameras), len(gallery_cameras)), "similarities")
    query_frames, gallery_frames = integers(query_frames, "query frames"), integers(gallery_frames, "gallery frames")
    if similarity.shape != (len(query_frames), len(gallery_frames)):
        raise UserError(
            f"{len(query_frames)} query frames and {len(gallery_frames)} gallery frames do not fit similarities of "
            f"shape {similarity.shape}"
        )
    c = constants or JointConstants()
    cameras, _, bins = distribution.probability.shape
    dtype = similarity.dtype
    factors = np.full((cameras + 1, cameras + 1, bins + 1), 1.0 / (1.0 + c.lambda_st), dtype)
    factors[:cameras, :cameras, :bins] = 1.0 / (1.0 + c.lambda_st * np.exp(-c.gamma_st * distribution.probability))
    table = factors.ravel()
    width = bins + 1
    result = np.empty_like(similarity) if out is None else out
    gallery = indices(gallery_cameras, cameras, "gallery cameras", least=-1)
    query = indices(query_cameras, cameras, "query cameras", least=-1)
    gallery = np.where(gallery_frames >= 0, gallery, -1) % (cameras + 1)
    query = np.where(query_frames >= 0, query, -1) % (cameras + 1)
    largest = max(table.size, int(query_frames.max(initial=0)), int(gallery_frames.max(initial=0)))
    whole: np.dtype[np.signedinteger[Any]] = np.dtype(np.int32 if largest < 1 << 30 else np.int64)
    asked, when = (np.maximum(frames, -1).astype(whole) for frames in (query_frames, gallery_frames))
    query_is_later = (gallery * ((cameras + 1) * width)).astype(whole)
    query_is_earlier = (gallery * width).astype(whole)
    rows = max(1, _CHUNK_CELLS // max(similarity.shape[1], 1))
    for start in range(0, len(similarity), rows):
        part = slice(start, start + rows)
        lag = asked[part, None] - when
        index = np.where(
            lag > 0,
            query_is_later + (query[part, None] * width).astype(whole),
            query_is_earlier + (query[part, None] * ((cameras + 1) * width)).astype(whole),
        )
        np.abs(lag, out=lag)
        lag //= distribution.bin_frames
        index += np.minimum(lag, bins, out=lag)
        visual = np.exp(similarity[part] * dtype.type(-c.gamma_visual))
        visual *= dtype.type(c.lambda_visual)
        visual += dtype.type(1.0)
        np.divide(table[index], visual, out=result[part])
    return result
