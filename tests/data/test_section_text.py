"""A section becomes YAML that a person can read and that reads back as the section."""

import pytest
import yaml
from pydantic import Field

from data.config import Section
from data.section_text import commented_yaml


class Lens(Section):
    """What is in front of the sensor.

    Nothing of this paragraph is a comment.
    """

    focal_px: float = Field(900.0, description="px")
    distortion: tuple[float, ...] = Field((0.1, -0.02), description="OpenCV's k1, k2, ...")


class Camera(Section):
    """HD camera, as delivered."""

    name: str | None = Field(None, description="null: the file's name")
    a_key_that_is_longer_than_others: bool = Field(True, description="of no meaning")
    lens: Lens = Lens()
    spare: Lens = Field(Lens(focal_px=700.0), description="the one in the drawer")
    by_room: dict[str, Lens] = Field({"hall": Lens()}, description="the longest name that fits is taken")
    none_yet: dict[str, Lens] = Field({}, description="empty")


class Site(Section):
    """All of it."""

    camera: Camera = Camera()
    other: Lens = Lens()


TEXT = """\
camera:                       # HD camera, as delivered
  name: null                  # null: the file's name
  a_key_that_is_longer_than_others: true  # of no meaning
  lens:                       # what is in front of the sensor
    focal_px: 900.0           # px
    distortion: [0.1, -0.02]  # OpenCV's k1, k2, ...
  spare:                      # the one in the drawer
    focal_px: 700.0           # px
    distortion: [0.1, -0.02]  # OpenCV's k1, k2, ...
  by_room:                    # the longest name that fits is taken
    hall:                     # what is in front of the sensor
      focal_px: 900.0         # px
      distortion: [0.1, -0.02]  # OpenCV's k1, k2, ...
  none_yet: {}                # empty

other:                      # what is in front of the sensor
  focal_px: 900.0           # px
  distortion: [0.1, -0.02]  # OpenCV's k1, k2, ...
"""


def test_every_key_has_its_comment_in_one_column() -> None:
    assert commented_yaml(Site()) == TEXT


def test_values_read_back() -> None:
    site = Site(camera=Camera(name="no: 1", spare=Lens(focal_px=1e-7)))
    assert Site.model_validate(yaml.safe_load(commented_yaml(site))) == site
    assert Site.model_validate(yaml.safe_load(commented_yaml(site))) != Site()


def test_long_comments_are_wrapped() -> None:
    class Talk(Section):
        """Much."""

        word: str = Field("x", description="that-has-hyphens " * 20)
        a_key_that_is_longer_than_the_column_of_comments: int = Field(1, description="and words " * 20)

    class All(Section):
        """All."""

        talk: Talk = Talk()

    lines = commented_yaml(All()).splitlines()
    assert len(lines) > 6
    assert max(map(len, lines)) <= 120
    assert {line.index("# ") for line in lines if not line.startswith("  a_key")} == {30}
    assert " ".join(line.partition("# ")[2] for line in lines[1:5]).split() == ["that-has-hyphens"] * 20


def test_a_key_without_description_is_refused() -> None:
    class Bare(Section):
        """Bare."""

        lens: Lens = Lens()
        colour: str = "red"

    class All(Section):
        """All."""

        bare: Bare = Bare()

    with pytest.raises(ValueError, match="the key 'colour' has no description"):
        commented_yaml(All())
