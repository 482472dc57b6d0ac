"""The associator without one of its parts, to see what that part pays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from data.errors import UserError
from data.kernels.vectors import to_unit_length
from data.records import FloatArray, PartEmbeddings, Tracklet
from pipeline.association.appearance_cue import appearance_source
from pipeline.association.config import AssociateConfig
from pipeline.association.cue import SourceBuilder
from pipeline.association.motion import motion_source
from pipeline.association.registry import SOURCES
from pipeline.association.space_time import space_time_source
from pipeline.association.walk import walk_source


def _same_settings(settings: AssociateConfig) -> AssociateConfig:
    return settings


def _same_tracklet(tracklet: Tracklet) -> Tracklet:
    return tracklet


@dataclass(frozen=True, slots=True)
class Ablation:
    """What is left out.

    Attributes:
        gone: sources of evidence that are not asked.
        settings: what becomes of the settings.
        tracklet: what becomes of a tracklet.
    """

    gone: tuple[SourceBuilder, ...] = ()
    settings: Callable[[AssociateConfig], AssociateConfig] = _same_settings
    tracklet: Callable[[Tracklet], Tracklet] = _same_tracklet

    @property
    def cues(self) -> tuple[SourceBuilder, ...]:
        """The sources that are left."""
        return tuple(source for source in SOURCES if source not in self.gone)


def _whole(tracklet: Tracklet) -> Tracklet:
    """One vector per look: the mean of its visible parts."""
    return _with_looks(tracklet, _merge_parts)


def _seen(tracklet: Tracklet) -> Tracklet:
    """What is visible at all is fully visible."""
    return _with_looks(
        tracklet, lambda looks: replace(looks, visibility=(looks.visibility > 0).astype(looks.visibility.dtype))
    )


def _with_looks(tracklet: Tracklet, change: Callable[[PartEmbeddings], PartEmbeddings]) -> Tracklet:
    if tracklet.prototypes is None or not len(tracklet.prototypes):
        return tracklet
    return replace(tracklet, prototypes=change(tracklet.prototypes))


def _merge_parts(looks: PartEmbeddings) -> PartEmbeddings:
    weights: FloatArray = looks.visibility.astype(np.float32)
    vectors = (looks.vectors.astype(np.float32) * weights[..., None]).sum(axis=1)
    to_unit_length(vectors)
    return PartEmbeddings(
        vectors[:, None].astype(looks.vectors.dtype),
        weights.max(axis=1, keepdims=True).astype(looks.visibility.dtype),
        ("whole",),
        ("part",),
        looks.model_id,
    )


def _without_camera_means(settings: AssociateConfig) -> AssociateConfig:
    appearance = settings.appearance.model_copy(update={"camera_mean": False})
    return settings.model_copy(update={"appearance": appearance})


def _without_rerank(settings: AssociateConfig) -> AssociateConfig:
    return settings.model_copy(update={"rerank": settings.rerank.model_copy(update={"enabled": False})})


def _without_competition(settings: AssociateConfig) -> AssociateConfig:
    return settings.model_copy(update={"competition": False})


def _without_refinement(settings: AssociateConfig) -> AssociateConfig:
    return settings.model_copy(update={"sweeps": 0})


ABLATIONS: Mapping[str, Ablation] = {
    "appearance": Ablation(gone=(appearance_source,)),
    "camera_means": Ablation(settings=_without_camera_means),
    "competition": Ablation(settings=_without_competition),
    "motion": Ablation(gone=(motion_source,)),
    "parts": Ablation(tracklet=_whole),
    "refinement": Ablation(settings=_without_refinement),
    "rerank": Ablation(settings=_without_rerank),
    "space_time": Ablation(gone=(space_time_source, walk_source)),
    "visibility": Ablation(tracklet=_seen),
    "walk": Ablation(gone=(walk_source,)),
}
"""By name: what ``tools.evaluate_association --without`` takes. With space-time go the walks that rest on it."""


def without(name: str) -> Ablation:
    """Leave a part out; "" leaves nothing out.

    Raises:
        UserError: for a name that is none of ``ABLATIONS``.
    """
    if not name:
        return Ablation()
    if name not in ABLATIONS:
        raise UserError(f"--without {name}: there is {', '.join(ABLATIONS)}")
    return ABLATIONS[name]
