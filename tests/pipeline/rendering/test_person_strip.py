"""One person over the cameras, as one picture."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.errors import UserError
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.config import RenderConfig
from pipeline.rendering.palette import color_of
from pipeline.rendering.person_strip import draw_person
from tools.draw_person import main

PLAIN = RenderConfig(skeletons=False, trail_s=0.0)


def shows(tile: np.ndarray, person: int) -> bool:
    """Whether a box in the person's colour is drawn there."""
    return bool((np.abs(tile.astype(int) - np.array(color_of(person))).max(axis=2) < 12).sum() > 100)


def of_both(folder: RunFolder) -> list[int]:
    people = folder.read_global_tracks()
    return [one.global_id for one in people if len({visit.camera for visit in one.visits}) == 2]


def test_there_is_one_tile_per_camera_with_the_person_in_it(make_run: Any) -> None:
    folder = make_run(crops=False)
    person = of_both(folder)[-1]
    strip = draw_person(folder, PLAIN, person, 200)
    assert strip.dtype == np.uint8
    assert strip.shape[0] == 200
    (gap,) = np.flatnonzero(np.diff(np.flatnonzero((strip != 255).any(axis=(0, 2)))) > 1)
    tiles = strip[:, : gap + 1], strip[:, gap + 7 :]
    assert all(tile.shape[1] == pytest.approx(160, abs=2) for tile in tiles)
    assert all(shows(tile, person) for tile in tiles)


def test_without_a_name_it_is_who_was_in_the_most_cameras(make_run: Any) -> None:
    folder = make_run(crops=False)
    first = min(of_both(folder))
    assert np.array_equal(draw_person(folder, PLAIN), draw_person(folder, PLAIN, first))
    alone = next(one.global_id for one in folder.read_global_tracks() if one.global_id not in of_both(folder))
    assert draw_person(folder, PLAIN, alone).shape[1] < 0.6 * draw_person(folder, PLAIN).shape[1]


def test_heads_are_blurred_where_asked(make_run: Any) -> None:
    folder = make_run(crops=False)
    clear, blurred = draw_person(folder, PLAIN), draw_person(folder, PLAIN.model_copy(update={"anonymize": True}))
    change = np.abs(clear.astype(int) - blurred).max(axis=2)
    assert (change > 40).sum() > 100
    assert (change[: len(change) // 2] > 40).sum() > 5 * (change[len(change) // 2 :] > 40).sum()


def test_what_cannot_be_drawn_is_said(make_run: Any, world_of: Any, tmp_path: Path) -> None:
    folder = make_run(world_of(2, seconds=1.0), crops=False)
    with pytest.raises(UserError, match=r"the run has no person 77; there are \d to \d"):
        draw_person(folder, PLAIN, 77)
    make_run.video("door").unlink()
    with pytest.raises(UserError, match="door"):
        draw_person(folder, PLAIN)
    with pytest.raises(UserError, match="found nobody"):
        draw_person(make_run(world_of(0, ("hall",), 1.0), "empty"), PLAIN)


def test_command_line(make_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(crops=False)
    path = tmp_path / "person.png"
    assert main([str(folder.root), "--out", str(path), "--height", "120"]) == 0
    assert str(path) in capsys.readouterr().out
    assert cv2.imread(str(path)).shape[0] == 120
    with pytest.raises(UserError, match=r"cannot write .*nowhere"):
        main([str(folder.root), "--out", str(tmp_path / "nowhere" / "x.png")])
    with pytest.raises(UserError, match="cannot write"):
        main([str(folder.root), "--out", str(tmp_path / "x.unknown")])
    with pytest.raises(UserError, match="at least 32"):
        main([str(folder.root), "--out", str(path), "--height", "3"])
