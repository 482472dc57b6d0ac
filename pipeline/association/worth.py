"""What added log odds are worth: from the sum that forms groups to the probability that is printed.

Cues are added as if each knew something that no other knows. They do not: shared neighbours repeat what appearance
said, and who looks like somebody is near whoever that one is near. So the sum orders pairs well and is too bold. What
is said of a pair is

    log odds = keep total + shift

``keep`` is shipped. ``shift`` is learnt on the run without labels, by target and decoy (Elias and Gygi, Nature Methods
2007): pairs that cannot be one person (``decoys``) come to even odds as often as any two people of the site. Where d of
them do, and e were to be expected by ``keep`` alone, pairs over even odds are wrong (d + w) / (e + w) times as often as
``keep`` says, and the shift is the one that makes it so. w is what the expectation is worth: the mean of a gamma
posterior of a rate. It is large, as one pair of people who look alike gives many decoys.
"""

from dataclasses import dataclass
from typing import Any

from scipy.optimize import brentq
from scipy.special import expit

from data.records import DoubleArray
from pipeline.association.config import WorthConfig

NAME = "worth"

# Nats, either way: however many decoys there are, they do not decide alone.
_MOST_SHIFT = 4.0


@dataclass(frozen=True, slots=True)
class Worth:
    """What a sum of log-likelihood ratios is worth.

    Attributes:
        keep: share of it that stays.
        shift: what is added then, natural-log units.
        decoys: impossible pairs the shift rests on.
        strong: those of them over even odds.
    """

    keep: float = 1.0
    shift: float = 0.0
    decoys: int = 0
    strong: int = 0

    def log_odds(self, total: DoubleArray) -> DoubleArray:
        """Log odds that hold, of added ones, (E,)."""
        return self.keep * total + self.shift

    def line(self) -> str:
        """What the sum is worth and why, in words."""
        text = f"cues repeat one another: {self.keep:g} of their sum stays"
        if not self.shift:
            return text
        seen = f"{self.strong} of {self.decoys} pairs that cannot be one person come to even odds"
        return f"{text}; {seen}: {self.shift:+.2f}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {"keep": self.keep, "shift": round(self.shift, 4), "decoys": self.decoys, "strong_decoys": self.strong}


FACE_VALUE = Worth()


def find_worth(total: DoubleArray, decoys: DoubleArray, possible: int, config: WorthConfig) -> Worth:
    """Learn what sums are worth in a run.

    Args:
        total: (E,) added log odds of the candidate pairs.
        decoys: (D,) those that pairs which cannot be one person would have.
        possible: pairs that can be one person, candidates or not.
        config: settings.
    """
    strong = int((decoys > 0).sum())
    bold = config.keep * total[total > 0]

    def wrong(shift: float) -> float:
        return float(expit(-(bold + shift)).sum())

    strangers = possible - float(expit(config.keep * total).sum())
    if not len(bold) or not len(decoys) or strangers <= 0:
        return Worth(config.keep, 0.0, len(decoys), strong)
    expected = wrong(0.0) / strangers * len(decoys)
    ratio = (strong + config.decoy_weight) / (expected + config.decoy_weight)

    def excess(shift: float) -> float:
        return wrong(shift) - ratio * wrong(0.0)

    if excess(-_MOST_SHIFT) <= 0:
        shift = -_MOST_SHIFT
    elif excess(_MOST_SHIFT) >= 0:
        shift = _MOST_SHIFT
    else:
        shift = float(brentq(excess, -_MOST_SHIFT, _MOST_SHIFT, xtol=1e-9))
    return Worth(config.keep, shift, len(decoys), strong)
