"""Weights that others publish and the user brings: where they are, under which terms, what they score."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from data.config import Section, explain
from data.errors import UserError
from data.foreign import read_yaml
from data.weight_records import SHIPPED_FOLDER


class PublishedWeights(Section):
    """One file, or one of several of a kind."""

    use: Literal["backbone", "network"] = Field(description="what a training starts from, or a trained network")
    network: str = Field(description="model.backbone of a configuration, or the kind of network")
    mean: float | Literal["imagenet"] | None = Field(None, description="of the pictures a backbone was trained on")
    file: str = Field(description="its name where it is published")
    page: str = Field(description="where to get it")
    licence: str
    terms: str = Field("", description="what binds beside the licence")
    trained_on: str
    figures: dict[str, float] = Field(default_factory=dict, description="published, per cent")
    checked: str = Field(description="what we know of it ourselves")

    @property
    def origin(self) -> str:
        """One line: what it is, where it comes from, under which terms."""
        terms = f"; {self.terms}" if self.terms else ""
        return f"{self.file} ({self.trained_on}; {self.licence}{terms}) from {self.page}"


@cache
def published_weights(path: Path = SHIPPED_FOLDER / "published.yaml") -> dict[str, PublishedWeights]:
    """Every such file: name -> what is known of it.

    Raises:
        UserError: when the list is missing or malformed.
    """
    entries = read_yaml(path)
    if not isinstance(entries, dict):
        raise UserError(f"{path} must be a mapping of names to files")
    try:
        return {str(name): PublishedWeights.model_validate(entry) for name, entry in entries.items()}
    except ValidationError as error:
        raise UserError(explain(error, PublishedWeights, str(path))) from None


def backbone_for(network: str, mean: tuple[float, float, float]) -> list[PublishedWeights]:
    """The published backbones of a network that saw pictures normalised so.

    Args:
        network: ``model.backbone``.
        mean: of the network's input.
    """
    wanted = mean[0] if len(set(mean)) == 1 else "imagenet"
    return [
        one
        for one in published_weights().values()
        if one.use == "backbone" and one.network == network and one.mean == wanted
    ]
