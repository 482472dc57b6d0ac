"""The page: complete, self-contained, escaped, and borne by any run folder."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.errors import UserError
from data.records import GlobalTrack, Visit
from pipeline.folder.run_folder import RunFolder
from pipeline.report.config import ReportConfig
from pipeline.report.page import write_report
from tools.report import main

_VOID = {"meta", "br", "input", "link", "img", "hr"}


class _Page(HTMLParser):
    """Checks that elements nest, and collects what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.targets += [str(given[name]) for name in ("href", "src", "action", "data") if given.get(name)]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data + " "


def _page(folder: RunFolder, **options: Any) -> tuple[str, _Page]:
    path = write_report(folder, ReportConfig(**options))
    assert path == folder.root / "report.html"
    text = path.read_text(encoding="utf-8")
    return text, _Page(text)


def _pictures(text: str) -> list[np.ndarray]:
    import base64

    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", text)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(item), np.uint8), cv2.IMREAD_COLOR) for item in found]  # type: ignore[misc]


def test_a_complete_run_shows_everything_and_loads_nothing(make_run: Any) -> None:
    folder = make_run(
        videos=False, manifest={"warnings": [{"kind": "input", "camera": "hall", "text": "file is cut off"}]}
    )
    folder.write_json(folder.metrics, {"scores": [{"name": "hall", "HOTA": 0.5, "IDSW": 1}]})
    text, page = _page(folder)
    assert all(target.startswith("#") for target in page.targets), "nothing is fetched"
    assert "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))
    assert {target[1:] for target in page.targets} <= set(page.ids), "every link leads somewhere"
    for expected in (
        "people found", "seen in two cameras or more", "file is cut off", "By camera", "By person", "Person 0",
        "confidence", "uncertain", "space time", "torso", "Scores", "HOTA", "perceive", "1f1f1f", "3.11.7", "max_fps",
    ):  # fmt: skip
        assert expected in page.text, expected
    assert page.tags.count("svg") >= 4
    assert len(_pictures(text)) >= 12


def test_the_same_folder_gives_the_same_page(make_run: Any) -> None:
    folder = make_run(videos=False)
    assert _page(folder)[0] == _page(folder)[0]


def test_everything_a_user_can_name_is_escaped(make_run: Any, world_of: Any) -> None:
    camera = "hall' onclick='x'&lt;"
    folder = make_run(world_of(3, ("hall",)), videos=False, crops=False)
    evil = {"uri": "<script>alert(1)</script>.mp4", "fps": 10, "frames": 100, "width": 1, "height": 1}
    manifest = folder.read_json(folder.manifest)
    folder.write_json(
        folder.manifest,
        manifest
        | {
            "inputs": {camera: evil},
            "warnings": [{"camera": camera, "text": "<img src=x onerror=y>"}],
            "status": "<i>",
        },
    )
    folder.write_global_tracks([GlobalTrack(0, (Visit(camera, 0, 0.0, 4.0),), 1.0)])
    folder.config.write_text("a: </pre><script>z</script>\n")
    text, page = _page(folder)
    assert "' onclick='" not in text
    assert '&lt;"' not in text.replace("&amp;lt;", "")
    assert "<script>alert" not in text
    assert "<script>z" not in text
    assert "<img" not in text
    assert page.tags.count("script") == 1
    assert camera in page.text


def test_passwords_do_not_reach_the_page(make_run: Any) -> None:
    folder = make_run(videos=False, crops=False)
    manifest = folder.read_json(folder.manifest)
    manifest["inputs"]["hall"]["uri"] = "rtsp://admin:geheim@10.1.1.1/s"
    manifest["command"] = ["run", "--videos", "hall=rtsp://admin:geheim@10.1.1.1/s"]
    folder.write_json(folder.manifest, manifest)
    folder.config.write_text("x: rtsp://admin:geheim@10.1.1.1/s\n")
    assert "geheim" not in _page(folder)[0]


def test_a_run_without_identities_shows_tracks(make_run: Any) -> None:
    folder = make_run(videos=False, identities=False)
    text, page = _page(folder)
    assert "No identities yet" in page.text
    assert "tools.associate" in page.text
    assert "hall ~0" in page.text
    assert len(_pictures(text)) > 0


def test_a_run_in_which_nobody_was_found(make_run: Any, world_of: Any) -> None:
    world = world_of(0)
    folder = make_run(world, videos=False)
    _, page = _page(folder)
    assert "Nobody was found" in page.text
    assert "No links" in page.text


@pytest.mark.parametrize("absent", ["manifest", "config", "links", "progress"])
def test_any_file_but_the_tracklets_may_be_absent(make_run: Any, absent: str) -> None:
    folder = make_run(videos=False, crops=False)
    getattr(folder, absent).unlink()
    _, page = _page(folder)
    assert "Person 0" in page.text


def test_clocks_that_are_not_common_are_said_to_be_so(make_run: Any) -> None:
    assert "clocks are not common" not in _page(make_run(videos=False, crops=False, name="a"))[1].text
    unknown = {"clocks": {"hall": {"status": "unknown"}}}
    assert "clocks are not common" in _page(make_run(videos=False, crops=False, name="b", manifest=unknown))[1].text


def test_two_hundred_people_fit(make_run: Any, world_of: Any) -> None:
    world = world_of(3, ("hall", "door"))
    folder = make_run(world, videos=False)
    many = [
        GlobalTrack(n, (Visit("hall", n, n * 3.0, n * 3.0 + 40), Visit("door", n, n * 3.0 + 50, n * 3.0 + 60)), 0.9)
        for n in range(200)
    ]
    folder.write_global_tracks(many)
    text, page = _page(folder, max_people=150)
    assert page.text.count("Person ") >= 150
    assert "150 people of 200" in page.text
    assert "person-149" in page.ids
    assert "person-150" not in page.ids
    assert {target[1:] for target in page.targets if target.startswith("#")} <= set(page.ids)
    assert len(text) < 4_000_000


def test_pictures_are_capped_and_everyone_gets_one_first(make_run: Any) -> None:
    folder = make_run(videos=False)
    everything, _ = _page(folder)
    size = sum(len(item) for item in re.findall(r"base64,([A-Za-z0-9+/=]+)", everything))
    text, page = _page(folder, max_pictures_mb=size * 0.5 / 1e6)
    assert 0 < len(_pictures(text)) < len(_pictures(everything))
    assert "pictures were left out" in page.text
    none, page = _page(folder, max_pictures_mb=0)
    assert _pictures(none) == []
    assert "pictures were left out" not in page.text


def test_anonymised_pictures_show_no_head(make_run: Any) -> None:
    folder = make_run(videos=False)
    clear, blurred = _pictures(_page(folder)[0]), _pictures(_page(folder, anonymize=True)[0])
    assert len(clear) == len(blurred)
    for one, other in zip(clear, blurred, strict=True):
        changed = np.abs(one.astype(int) - other.astype(int)).max(axis=2) > 25
        top = changed[: round(0.2 * len(changed))]
        assert top.any()
        assert changed[round(0.55 * len(changed)) :].mean() < 0.08
    assert "heads blurred" in _page(folder, anonymize=True)[1].text


def test_a_foreign_crop_is_blurred_from_the_top_and_a_broken_one_left_out(make_run: Any, world_of: Any) -> None:
    folder = make_run(world_of(1, ("hall",)), videos=False, crops=False)
    noise = np.random.default_rng(0).integers(0, 256, (120, 50, 3), dtype=np.uint8)
    folder.crop("hall", 0, 0).parent.mkdir(parents=True)
    folder.crop("hall", 0, 0).write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())
    folder.crop("hall", 0, 1).write_bytes(b"not a picture")
    (clear,), (blurred,) = _pictures(_page(folder)[0]), _pictures(_page(folder, anonymize=True)[0])
    assert blurred[:35].std() < 0.4 * clear[:35].std()
    assert np.abs(blurred[50:].astype(int) - clear[50:]).mean() < 3


def test_an_overlay_video_is_linked_where_there_is_one(make_run: Any) -> None:
    folder = make_run(videos=False, crops=False)
    folder.video("hall").parent.mkdir()
    folder.video("hall").write_bytes(b"x")
    _, page = _page(folder)
    assert [target for target in page.targets if not target.startswith("#")] == ["video/hall.mp4"]


def test_what_is_no_run_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        write_report(RunFolder(tmp_path), ReportConfig())


@pytest.mark.parametrize("name", ["links", "global_tracks", "manifest"])
def test_a_damaged_file_is_one_clear_line(make_run: Any, name: str) -> None:
    folder = make_run(videos=False, crops=False)
    getattr(folder, name).write_text('{"a": 1}\n' if name != "manifest" else "{")
    with pytest.raises(UserError, match=getattr(folder, name).name):
        write_report(folder, ReportConfig())


def test_a_page_that_cannot_be_written_is_one_clear_line(make_run: Any) -> None:
    folder = make_run(videos=False, crops=False)
    folder.report.mkdir()
    with pytest.raises(UserError, match=r"cannot write .*report\.html"):
        write_report(folder, ReportConfig())


def test_the_command_line(make_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(videos=False)
    assert main([str(folder.root), "--anonymize", "report.max_links=1"]) == 0
    assert capsys.readouterr().out.strip() == str(folder.report)
    text = folder.report.read_text(encoding="utf-8")
    assert "heads blurred" in text
    assert text.count("<tr data-decision") == 1


def test_a_crop_that_is_a_link_out_of_the_folder_is_not_shown(make_run: Any, world_of: Any) -> None:
    folder = make_run(world_of(1, ("hall",)), videos=False)
    whole, _ = _page(folder)
    for crop in sorted(folder.crops.rglob("*.jpg")):
        secret = make_run.root / f"secret-{crop.name}"
        crop.rename(secret)
        crop.symlink_to(secret)
    linked, _ = _page(folder)
    assert whole.count("data:image/jpeg") > 0
    assert linked.count("data:image/jpeg") == 0
