"""The command on several data sets, with mirror images and single shots."""

import json
from pathlib import Path

import pytest

from data.errors import UserError
from tests.tiny_crops import write_network, write_site
from tests.tools.reid_scores import score
from tools.evaluate_reid import main


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site") / "reid")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "tiny.safetensors")


def test_a_data_set_without_keypoints_gets_no_prompts(
    weights: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    for split in ("query", "bounding_box_test"):
        (bare / split).mkdir(parents=True)
        for path in (site / split).iterdir():
            (bare / split / path.name).symlink_to(path)
    score(weights, bare, tmp_path / "s.json")
    told = capsys.readouterr().out
    assert "gallery crops; no prompts (the data set has no keypoints" in told
    assert "prompts all" not in told


def test_several_sets_end_in_one_table(
    weights: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_site(tmp_path / "other", people=3)
    ltcc = tmp_path / "LTCC_ReID"
    for folder in ("query", "test"):
        (ltcc / folder).mkdir(parents=True)
    for name, source in (
        ("query/001_1_c1_1", 0),
        ("test/001_1_c2_2", 1),
        ("test/001_2_c2_3", 2),
        ("test/002_1_c2_4", 3),
    ):
        (ltcc / f"{name}.png").write_bytes(sorted((site / "bounding_box_test").iterdir())[source].read_bytes())
    sets = ["--data", str(other), "--kind", "market", "--data", str(ltcc), "--kind", "ltcc"]
    arguments = ["--weights", str(weights), "--data", str(site), "--kind", "market", *sets, "--device", "cpu"]
    second = write_network(tmp_path / "second.safetensors", seed=5)
    out = tmp_path / "s.json"
    assert (
        main(
            [*arguments, "--weights", str(second), "--out", str(out), "--show", "1", "--show-out", str(tmp_path / "d")]
        )
        == 0
    )
    printed = capsys.readouterr().out
    table = printed[printed.index("mAP / rank 1") :].splitlines()
    assert table[0].split() == ["mAP", "/", "rank", "1", "reid", "other", "ltcc", "LTCC_ReID"]
    told = json.loads(out.read_text())["sets"]
    assert [one["data"]["rule"] for one in told] == ["market", "market", "changed_clothes"]
    for row, line in enumerate(table[1:3]):
        figures = [float(text) for text in line.split()[1:]]
        wanted = [100 * one["models"][row][key] for one in told for key in ("mAP", "rank1")]
        assert figures == pytest.approx(wanted, abs=0.06)
    assert (tmp_path / "d" / "set3" / "model2" / "index.html").exists()
    # The query's own clothes are left out, and only the picture in others counts.
    assert told[2]["models"][0]["input"]["gallery"]["crops"] == 3


def test_sets_in_folders_of_one_name_are_told_apart_by_the_folders_above(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roots = [str(write_site(tmp_path / name / "reid", people=3)) for name in ("a", "b")]
    assert main(["--weights", str(weights), "--data", roots[0], "--data", roots[1], "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert printed[printed.index("mAP / rank 1") :].split("\n")[0].split() == [
        "mAP",
        "/",
        "rank",
        "1",
        "a/reid",
        "b/reid",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{site}", "--data", "{site}"], "is named twice"),
        (
            ["--data", "{site}", "--data", "x", "--kind", "market", "--kind", "ltcc", "--kind", "prcc"],
            "3 times for 2 data",
        ),
        (["--data", "{site}", "--rule", "changed_clothes"], "changed_clothes needs to know who wears what"),
        (["--data", "{site}", "--data", "x", "--show-names", "a", "--show-out", "y"], "--show-names: with several"),
    ],
)
def test_sets_that_cannot_be_scored_together(weights: Path, site: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(["--weights", str(weights), *(text.format(site=site) for text in arguments), "--device", "cpu"])


def test_mirror_images_and_single_shots_are_asked_for(
    weights: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = score(weights, site, tmp_path / "a.json")
    assert plain["models"][0]["single_shot"] is None
    capsys.readouterr()
    told = score(weights, site, tmp_path / "b.json", "--flip", "--single-shot")
    assert told["models"][0]["model_id"] == f"{plain['models'][0]['model_id']}, mirrored too"
    assert told["data"]["flip"] is True
    shots = told["models"][0]["single_shot"]
    assert 0 <= shots["rank1"] <= shots["rank5"] == 1.0
    assert "one picture per gallery person" in capsys.readouterr().out
