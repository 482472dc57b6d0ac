import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from tools.benchmark import main
from tools.benchmarks import peers, single_camera

FRAMES = 12


def _set(folder: Path) -> Path:
    """Two people who walk side by side at 4 frames a second, seen perfectly."""
    for part in ("det", "gt"):
        (folder / part).mkdir(parents=True)
    rows = [(f, p, 20 + 5 * f, 30 + 90 * p) for f in range(FRAMES) for p in range(2)]
    det = "".join(f"{f + 1},-1,{x},{y},30,80,0.9,-1,-1,-1\n" for f, _, x, y in rows)
    truth = "".join(f"{f + 1},{p},{x},{y},30,80,1,1,1\n" for f, p, x, y in rows)
    (folder / "det" / "hall.txt").write_text(det)
    (folder / "gt" / "hall.txt").write_text(truth)
    (folder / "meta.json").write_text(json.dumps({"hall": {"fps": 4, "size": [320, 240], "length": FRAMES}}))
    return folder


class _ByRow:
    """A peer that names the first box of a frame 0, the second 1, and neither in the first frame."""

    def __init__(self, frame_rate: float, **settings: float) -> None:
        assert frame_rate == 4.0
        self._settings, self._seen = settings, 0

    def update(self, detections: Any) -> Any:
        self._seen += 1
        numbers = np.arange(len(detections.xyxy)) if self._seen > 1 else np.full(len(detections.xyxy), -1)
        if "swap" in self._settings and self._seen > FRAMES // 2:
            numbers = 1 - numbers
        return SimpleNamespace(xyxy=detections.xyxy, tracker_id=numbers)


def _peers_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    package, supervision = ModuleType("trackers"), ModuleType("supervision")
    vars(package)["SORTTracker"] = _ByRow
    vars(supervision)["Detections"] = lambda xyxy, confidence, class_id: SimpleNamespace(xyxy=xyxy)
    monkeypatch.setattr(peers, "import_module", {"trackers": package, "supervision": supervision}.__getitem__)


def test_our_tracker_is_scored_live_and_as_written(tmp_path: Path) -> None:
    (case,) = single_camera.cases(False, [_set(tmp_path / "site")])
    assert case.ours.items == FRAMES
    assert case.ours.score is not None
    assert single_camera.ours(**case.ours.arguments)() == 2 * (FRAMES - 1)
    told = case.ours.score()
    assert "written IDF1 100.0 HOTA" in told
    # A track is named from its second detection on; its first rows are in the files all the same.
    assert "live IDF1 95.7 " in told


def test_a_peer_is_scored_on_the_same_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _peers_at_hand(monkeypatch)
    (case,) = single_camera.cases(False, [_set(tmp_path / "site")])
    first = case.references[0]
    assert first.target == "tools.benchmarks.peers:peer"
    assert first.packages
    assert first.score is not None
    assert peers.peer(**first.arguments)() == 2 * (FRAMES - 1)
    assert first.score().startswith("live IDF1 95.7 ")
    swapped = peers.peer(**{**first.arguments, "settings": {"swap": 1.0}})
    swapped()
    assert not first.score().startswith("live IDF1 95.7 ")


def test_every_peer_is_tried_with_its_defaults_first(tmp_path: Path) -> None:
    (case,) = single_camera.cases(False, [_set(tmp_path / "site")])
    for peer in peers.PEERS.values():
        assert next(iter(peer.settings.items())) == ("defaults", {})
    assert len(case.references) == sum(len(peer.settings) for peer in peers.PEERS.values())
    outs = [contender.arguments["cameras"][0]["out"] for contender in (case.ours, *case.references)]
    assert len(set(outs)) == len(outs)


def test_sets_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    folder = _set(tmp_path / "site")
    (folder / "det" / "hall.txt").unlink()
    with pytest.raises(UserError, match=r"det has no hall\.txt, which meta\.json names"):
        single_camera.cases(False, [folder])
    (folder / "meta.json").write_text('{"hall": {"fps": 4}}')
    with pytest.raises(UserError, match=r"camera 'hall' must be an object with fps, size and length"):
        single_camera.cases(False, [folder])
    (folder / "meta.json").write_text("[]")
    with pytest.raises(UserError, match="one entry per camera"):
        single_camera.cases(False, [folder])
    (folder / "meta.json").unlink()
    with pytest.raises(UserError, match=r"meta\.json"):
        single_camera.cases(False, [folder])


def test_sets_belong_to_one_benchmark(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--sets is of the benchmark 'trackers' alone"):
        main(["eval", "--sets", str(tmp_path)])
