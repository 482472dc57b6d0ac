"""Which pictures of a gallery a query ranks."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.checks import one_of

Rule = Literal["market", "intra", "inter", "all", "changed_clothes", "same_clothes"]

RULES: tuple[Rule, ...] = ("market", "intra", "inter", "all")
"""Rules that go by cameras."""

CLOTHES_RULES: tuple[Rule, ...] = ("changed_clothes", "same_clothes")
"""Rules that also go by what people wear; only some data sets tell."""


def check_rule(rule: Rule, clothes: object | None) -> None:
    """A rule is one of those there are, and one that goes by clothes needs to know them.

    Raises:
        UserError: when it is not, or does not.
    """
    one_of(rule, (*RULES, *CLOTHES_RULES), "the rule of a ranking")
    if rule in CLOTHES_RULES and clothes is None:
        raise UserError(f"the rule {rule} needs to know who wears what; of the data sets only ltcc and prcc tell")


def left_out(rule: Rule, same_camera: NDArray[np.bool_], same_clothes: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Which pairs of pictures of one person are not ranked.

    Args:
        rule: see ``RetrievalEvaluator``.
        same_camera: of each pair.
        same_clothes: of each pair, where the rule needs it.
    """
    if rule == "all":
        return np.zeros_like(same_camera)
    if rule == "intra":
        return ~same_camera
    if rule in CLOTHES_RULES:
        assert same_clothes is not None
        return same_camera | (same_clothes if rule == "changed_clothes" else ~same_clothes)
    return same_camera
