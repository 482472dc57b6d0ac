"""Presets: shipped ones load and are frozen; bad ones say what is wrong in one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from data.errors import UserError
from data.synthetic.layouts import random_preset
from data.synthetic.scenario import Preset, frozen_hashes, load_preset, preset_names, save_preset
from data.synthetic.world import World


def tree(**changes: Any) -> dict[str, Any]:
    """A small room with a camera."""
    content: dict[str, Any] = {
        "name": "room",
        "duration_s": 1.0,
        "size": [160, 90],
        "ground": [0, 0, 8, 6],
        "places": {"a": {"at": [2, 2]}, "b": {"at": [6, 4]}},
        "cameras": [{"name": "c1", "position": [0.3, 0.3, 2.6], "target": [4, 3, 0.8]}],
        "people": 2,
    }
    content.update(changes)
    return content


def write(folder: Path, content: Any) -> str:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_every_shipped_preset_loads_and_is_frozen() -> None:
    names = preset_names()
    assert {"tiny", "demo", "hard"} <= set(names)
    assert sum(name.startswith("heldout") for name in names) == 5
    assert set(frozen_hashes()) == set(names)
    for name in names:
        assert load_preset(name).name == name


def test_hard_is_hard() -> None:
    hard = load_preset("hard")
    wrong = [camera for camera in hard.cameras if camera.stated_offset_s not in (None, camera.offset_s)]
    assert len(hard.cameras) >= 6
    assert hard.people >= 25
    assert hard.lookalikes > 0
    assert len(wrong) == 1
    pairs = World(hard, 1).overlapping()
    assert {shared for _, _, shared in pairs} == {True, False}


@pytest.mark.parametrize("name", ["tiny", "demo", "heldout2"])
def test_frozen_truth_is_still_the_truth(name: str) -> None:
    seed, truth = frozen_hashes()[name]
    assert World(load_preset(name), seed).truth_hash() == truth


@pytest.mark.slow
def test_all_frozen_truths() -> None:
    for name, (seed, truth) in frozen_hashes().items():
        assert World(load_preset(name), seed).truth_hash() == truth, name


def test_another_seed_is_another_truth() -> None:
    preset = Preset.model_validate(tree())
    assert World(preset, 1).truth_hash() == World(preset, 1).truth_hash()
    assert World(preset, 1).truth_hash() != World(preset, 2).truth_hash()


def test_own_preset_round_trip(tmp_path: Path) -> None:
    preset = Preset.model_validate(tree())
    save_preset(preset, tmp_path / "own.yaml")
    assert load_preset(str(tmp_path / "own.yaml")) == preset


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"people": 0}, "people"),
        ({"peple": 3}, "did you mean 'people'"),
        ({"size": [161, 90]}, "even numbers"),
        ({"cameras": []}, "cameras"),
        ({"places": {"a": {"at": [2, 2]}}}, "at least two"),
        ({"lookalikes": 2}, "lookalikes must be below"),
        ({"routes": [["a", "nowhere"]]}, "no place 'nowhere'"),
        ({"groups": [["c1", "c9"]]}, "no camera 'c9'"),
        ({"ground": [0, 0, 0, 6]}, "x0 < x1"),
        ({"blocks": [{"low": [1, 1, 0], "high": [1, 2, 2]}]}, "low must be below"),
        ({"duration_s": 0}, "duration_s"),
    ],
)
def test_bad_preset(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_preset(write(tmp_path, tree(**changes)))
    assert "\n" not in str(caught.value)


def test_two_cameras_of_one_name(tmp_path: Path) -> None:
    camera = tree()["cameras"][0]
    with pytest.raises(UserError, match="two cameras are called 'c1'"):
        load_preset(write(tmp_path, tree(cameras=[camera, camera])))


@pytest.mark.parametrize("text", ["- 1", "a: [", ""])
def test_not_a_preset(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UserError, match=r"own\.yaml"):
        load_preset(str(tmp_path / "own.yaml"))


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'demo'"):
        load_preset("dmo")
    with pytest.raises(UserError, match="cannot read the preset"):
        load_preset(str(tmp_path / "absent.yaml"))


def test_camera_that_sees_nothing() -> None:
    camera = {"name": "c1", "position": [0.3, 0.3, 2.6], "target": [-4, -3, 5.0]}
    with pytest.raises(UserError, match=r"camera 'c1' .* sees nothing"):
        World(Preset.model_validate(tree(cameras=[camera])), 1).check()


def test_unreachable_place() -> None:
    wall = {"low": [3.9, 0, 0], "high": [4.1, 6, 3]}
    with pytest.raises(UserError, match="nobody can walk from 'a' to 'b'"):
        World(Preset.model_validate(tree(blocks=[wall])), 1).check()


def test_place_inside_a_block() -> None:
    box = {"low": [5.5, 3.5, 0], "high": [6.5, 4.5, 1]}
    with pytest.raises(UserError, match=r"'b' .* inside a block"):
        World(Preset.model_validate(tree(blocks=[box])), 1).check()


def test_door_in_view() -> None:
    places = {"a": {"at": [2, 2]}, "b": {"at": [4, 3], "kind": "door"}}
    with pytest.raises(UserError, match="door 'b' is in view of camera 'c1'"):
        World(Preset.model_validate(tree(places=places)), 1).check()


def test_random_presets_are_sound_and_differ() -> None:
    first = random_preset("one", 4, rooms=2, watched=(1, 1), people=3, duration_s=2.0, size=(160, 90))
    again = random_preset("one", 4, rooms=2, watched=(1, 1), people=3, duration_s=2.0, size=(160, 90))
    other = random_preset("one", 5, rooms=2, watched=(1, 1), people=3, duration_s=2.0, size=(160, 90))
    assert first == again
    assert first != other
    with pytest.raises(UserError, match="watched"):
        random_preset("one", 4, rooms=2, watched=(1,))
