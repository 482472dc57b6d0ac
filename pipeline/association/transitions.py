"""The transition model of a run: given by the user, learnt from the run's own links, or none.

A given model is held against the run first (``model_check``, ``model_chance``). One of another place teaches nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data.records import Link, Tracklet
from data.site import Site
from pipeline.association.config import AssociateConfig
from pipeline.association.model_chance import check_times
from pipeline.association.model_check import ModelCheck, check_model
from pipeline.association.table import TrackletTable, build_table
from pipeline.association.walk import passages_of
from pipeline.folder.run_folder import RunFolder
from st_model.config import SpaceTimeConfig
from st_model.files import load_model, save_model
from st_model.fit import CandidateLinks, Sightings, self_train, sightings_of
from st_model.grid import LagGrid
from st_model.model import TransitionModel

logger = logging.getLogger(__name__)

_FEWEST_EVENTS = 1.0


class Evidence(Protocol):
    """What can be learnt from: the part of an ``Association`` that tells who went where."""

    @property
    def links(self) -> Sequence[Link]:
        """Who may be whom."""
        ...

    @property
    def teaching(self) -> Sequence[float]:
        """Per link, what it may teach; see ``Association``."""
        ...


Associate = Callable[[TransitionModel | None], Evidence]
"""An association of the same tracklets under a transition model, or under none."""


@dataclass(frozen=True, slots=True)
class Transitions:
    """What a run uses, and how it came to it.

    Attributes:
        model: None where lags say nothing here.
        learnt: the run's own links shaped the model.
        rounds: held-out log likelihood per sighting before and after each round of learning.
        times_only: what was found where times alone had to teach, for the user; "" where they had not.
        check: what the run says of the model it was given; None where it was given none.
    """

    model: TransitionModel | None
    learnt: bool
    rounds: tuple[tuple[float, float], ...]
    times_only: str = ""
    check: ModelCheck | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines for the user."""
        return () if self.check is None else self.check.lines

    def summary(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "used": self.model is not None,
            "learnt_from_this_run": self.learnt,
            "held_out_log_likelihood": [[round(old, 6), round(new, 6)] for old, new in self.rounds],
            **({"times_only": self.times_only} if self.times_only else {}),
            **({} if self.check is None else {"given_model": {"fits": self.check.fits, **self.check.facts}}),
        }


NO_TRANSITIONS = Transitions(None, False, ())


def lags_speak(site: Site, cameras: Sequence[str]) -> bool:
    """Whether any two cameras have common clocks. How far their views overlap is learnt like the lags."""
    return any(site.clocks_common(a, b) for a, b in combinations(cameras, 2))


def find_transitions(
    tracklets: Sequence[Tracklet],
    site: Site,
    config: SpaceTimeConfig,
    associate: Associate,
    settings: AssociateConfig | None = None,
    given: TransitionModel | None = None,
) -> Transitions:
    """The transition model to associate a run with.

    Args:
        tracklets: of the whole run.
        site: clocks and overlap.
        config: section ``st``; a model named there is the prior of what is learnt, if it is of this place.
        associate: associates these tracklets.
        settings: of the associator; None takes the defaults.
        given: in place of the file that ``config`` names.

    Raises:
        UserError: when the configured model cannot be read.
    """
    if given is None and config.model is not None:
        given = load_model(Path(config.model))
    settings = settings or AssociateConfig()
    cameras = sorted({tracklet.camera for tracklet in tracklets})
    if not lags_speak(site, cameras) or (given is None and config.self_training.rounds == 0):
        return Transitions(given, False, ())
    # In the table's order: the views of one group are one stay, which begins and ends once.
    table = build_table(tracklets, site)
    rows, sightings = table.index(), _sightings(table)
    looks = any(map(_has_looks, table.tracklets))

    def links(model: TransitionModel | None) -> CandidateLinks:
        found = _candidates(associate(model), rows, sightings)
        return found.select(table.departs[found.earlier] & table.arrives[found.later])

    check = None
    if given is not None:
        if looks or not any(name in given.cameras for name in table.cameras):
            check = check_model(given, table, sightings, links(None), settings.space_time, settings.motion.max_gap_s)
        else:
            check = check_times(given, table, sightings, config.times_only)
    prior = check.model if check is not None and check.fits else None
    result = self_train(sightings, links, prior, LagGrid(**config.grid.model_dump()), config.lags, config.self_training)
    learnt = result.model if result.model is not prior else None
    if learnt is not None and float(learnt.next_counts.sum()) >= _FEWEST_EVENTS:
        return Transitions(learnt, True, result.rounds, check=check)
    # Without a single transition, all it could say is that everybody leaves for good.
    if prior is None and config.times_only.enabled and not looks:
        return replace(_from_times(table, sightings, config), check=check)
    return Transitions(None if check is None else check.model, False, result.rounds, check=check)


def _has_looks(tracklet: Tracklet) -> bool:
    return tracklet.prototypes is not None and len(tracklet.prototypes) > 0


def _from_times(table: TrackletTable, sightings: Sightings, config: SpaceTimeConfig) -> Transitions:
    """Where nobody has a look: what times, places and paces say."""
    from st_model.times_only import learn_from_times

    order = [table.cameras.index(name) for name in sightings.cameras]
    speaks = table.common[np.ix_(order, order)]
    found = learn_from_times(sightings, speaks, LagGrid(**config.grid.model_dump()), config.lags, config.times_only)
    return Transitions(found.model, found.model is not None, (), found.line())


def save_transitions(found: Transitions, folder: RunFolder) -> None:
    """Write the model a run learnt, with a picture, into ``space_time/``."""
    if found.model is None or not found.learnt:
        return
    from st_model.plot import draw, model_curves

    folder.space_time.mkdir(exist_ok=True)
    save_model(found.model, folder.claim(folder.space_time / "model.npz"))
    draw(model_curves(found.model), folder.claim(folder.space_time / "model.png"), "learnt from the links of this run")


def _sightings(table: TrackletTable) -> Sightings:
    found = sightings_of(
        [camera for camera, _ in table.keys],
        table.start_s.tolist(),
        table.end_s.tolist(),
        list(table.cameras),
        passages_of(table.tracklets),
    )
    return replace(found, arrives=table.arrives, departs=table.departs)


def _candidates(found: Evidence, rows: dict[tuple[str, int], int], sightings: Sightings) -> CandidateLinks:
    """Links between visits on a common clock; those of one camera must follow one another."""
    links = found.links
    pairs = np.array([(rows[link.a], rows[link.b]) for link in links], np.int64).reshape(-1, 2)
    earlier, later = pairs.T
    swap = sightings.enter_s[earlier] > sightings.enter_s[later]
    earlier, later = np.where(swap, later, earlier), np.where(swap, earlier, later)
    probability = np.array([link.probability for link in links])
    follows = np.array([np.isfinite(link.lag_s) for link in links], bool)
    follows &= (sightings.enter_s[later] >= sightings.leave_s[earlier]) | (
        sightings.camera[earlier] != sightings.camera[later]
    )
    return CandidateLinks(earlier, later, probability.astype(np.float64), np.array(found.teaching, np.float64)).select(
        follows
    )
