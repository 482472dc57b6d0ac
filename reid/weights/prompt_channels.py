"""What the channels of a prompt tokenizer mean: told from their number, the saved configuration and the user.

A number of channels alone often fits two groupings, one with a channel for negatives and one without. The wrong one
gives wrong embeddings without a word, so nothing is taken where two readings are left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError
from reid.models.spec import PROMPT_GROUPS, PromptGrouping
from reid.weights.saved_config import SavedConfig


@dataclass(frozen=True, slots=True)
class _PromptReading:
    """One way to read the channels of a prompt tokenizer."""

    prompt_groups: PromptGrouping
    negatives: bool
    background_token: bool

    def told(self) -> str:
        """In words, as options."""
        return (
            f"--prompt-groups {self.prompt_groups} --{'' if self.negatives else 'no-'}negatives"
            f"{'' if self.background_token else ' --no-background-token'}"
        )


_PROMPT_KEYS = {
    "prompt_groups": "model.kpr.keypoints.prompt_preprocess",
    "negatives": "model.kpr.keypoints.use_negative_keypoints",
    "background_token": "model.promptable_trans.no_background_token",
}


def prompt_fields(
    channels: int,
    rows: int | None,
    node: SavedConfig,
    guessed: dict[str, str],
    path: Path,
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """What the prompt channels mean.

    Args:
        channels: that the tokenizer takes.
        rows: of the table of part tokens, one per channel with the background's; None where the file has none.
        node: the saved configuration.
        guessed: takes what was assumed.
        path: the file, for errors.
        overrides: fields the user knows better; the configuration is not asked for them.

    Raises:
        UserError: when no reading fits, or several do.
    """
    fitting = [
        _PromptReading(name, negatives, background)
        for name, groups in PROMPT_GROUPS.items()
        for negatives in (True, False)
        for background in (True, False)
        if channels == len(groups) + negatives + background and rows in (None, len(groups) + negatives + 1)
    ]
    if not fitting:
        raise UserError(f"{path}: no known prompt grouping has {channels} channels; such a network is not read")
    told = {field: node.get(key) for field, key in _PROMPT_KEYS.items()}
    if isinstance(told["background_token"], bool):
        told["background_token"] = not told["background_token"]
    known = {field: value for field, value in told.items() if value is not None} | {
        field: value for field, value in overrides.items() if field in told
    }
    left = [one for one in fitting if all(getattr(one, field) == value for field, value in known.items())]
    choices = "; ".join(one.told() for one in fitting)
    if not left:
        said = ", ".join(f"{field} {value}" for field, value in known.items())
        raise UserError(f"{path}: its {channels} prompt channels do not fit {said}; they can be: {choices}")
    if len(left) > 1:
        raise UserError(f"{path}: its {channels} prompt channels can be read in several ways; give one: {choices}")
    if "prompt_groups" not in known:
        guessed["prompt_groups"] = f"prompt groups {left[0].prompt_groups}: the only known ones of {channels} channels"
    return {field: getattr(left[0], field) for field in told}
