import json

import pytest
import yaml

from data.errors import UserError
from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig, CorrectionConfig
from pipeline.association.corrections import Anchor, Correction, load_corrections, resolve
from pipeline.association.table import build_table

BOX = (100, 100, 150, 250)


def at(camera="a", time_s=5.0, box=BOX):
    return Anchor(camera=camera, time_s=time_s, box=box)


def write(path, tree, dump=yaml.safe_dump):
    path.write_text(dump(tree), encoding="utf-8")
    return path


PLACE = {"camera": "a", "time_s": 5, "box": list(BOX)}
OTHER = {"camera": "b", "time_s": 7.5, "box": [1, 2, 3, 4]}


@pytest.mark.parametrize("dump", [yaml.safe_dump, json.dumps])
def test_reading(tmp_path, dump):
    entries = [{"same": [PLACE, OTHER], "note": "red"}, {"different": [PLACE, OTHER]}]
    path = write(tmp_path / "c.yaml", {"version": 1, "corrections": entries}, dump)
    other = at("b", 7.5, (1, 2, 3, 4))
    assert load_corrections(path) == [Correction("same", at(), other, "red"), Correction("different", at(), other)]


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ([], "must be a mapping"),
        ({"corrections": [{"same": [PLACE]}]}, "same"),
        ({"corrections": [{}]}, "give either 'same' or 'different'"),
        ({"corrections": [{"same": [PLACE, OTHER], "different": [PLACE, OTHER]}]}, "give either"),
        ({"corrections": [{"same": [PLACE, {**OTHER, "box": [3, 2, 1, 4]}]}]}, "x2 > x1"),
        ({"corrections": [{"same": [PLACE, {**OTHER, "tine_s": 3}]}]}, "tine_s"),
        ({"corrections": [{"same": [PLACE, {**OTHER, "time_s": float("nan")}]}]}, "time_s"),
        ({"version": 2, "corrections": []}, "version"),
    ],
)
def test_broken_files_are_one_clear_line(tmp_path, tree, line):
    with pytest.raises(UserError, match=line) as caught:
        load_corrections(write(tmp_path / "c.yaml", tree))
    assert "\n" not in str(caught.value)
    assert "c.yaml" in str(caught.value)


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        load_corrections(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="not valid YAML"):
        load_corrections(tmp_path / "bad.yaml")


@pytest.fixture
def table(make):
    tracklets = [
        make.tracklet("a", 0, 0, 10),
        make.tracklet("a", 1, 0, 10, box=(120, 100, 170, 250), velocity=(50, 0)),
        make.tracklet("b", 0, 0, 10),
    ]
    return build_table(tracklets, Site.blank([]))


def test_the_box_of_greatest_overlap_at_that_time_is_meant(table):
    late = at(time_s=10.0, box=(620, 100, 670, 250))
    found = resolve(
        [Correction("same", at(time_s=0.0), at("b")), Correction("different", late, at("b"))], table, CorrectionConfig()
    )
    assert found.same == [(0, 2)]
    assert found.different == [(1, 2)]
    assert found.warnings == []


@pytest.mark.parametrize(
    "missed", [at("c"), at(time_s=99.0), at(box=(900, 900, 950, 999))], ids=["camera", "time", "place"]
)
def test_what_is_not_found_is_listed(table, missed):
    found = resolve([Correction("same", at("b"), missed)], table, CorrectionConfig())
    assert found.same == found.different == []
    (line,) = found.warnings
    assert line.startswith("correction 1 (same) was not applied: no tracklet of camera")


def test_a_little_outside_the_tracklet_still_counts(table):
    assert resolve([Correction("same", at(time_s=-0.4), at("b"))], table, CorrectionConfig()).same == [(0, 2)]


def test_one_tracklet_for_two_people_is_listed(table):
    found = resolve([Correction("different", at(time_s=1), at(time_s=9))], table, CorrectionConfig())
    assert found.different == []
    assert "mixed two people up" in found.warnings[0]


def test_the_later_of_two_contradictory_ones_holds(table):
    pair = (at(), at("b"))
    found = resolve([Correction("same", *pair), Correction("different", *pair[::-1])], table, CorrectionConfig())
    assert (found.same, found.different) == ([], [(0, 2)])
    assert "contradicts correction 1" in found.warnings[0]


def test_corrections_decide_the_identities(make):
    alike, truth = make.crowd(3, 2, noise=0.2)
    anchors = {item.key: at(item.camera, float(item.times_s[3]), tuple(map(float, item.boxes[3]))) for item in alike}
    first = {person: [key for key in sorted(truth) if truth[key] == person] for person in range(3)}
    corrections = [
        Correction("different", anchors[first[0][0]], anchors[first[0][1]]),
        Correction("same", anchors[first[1][0]], anchors[first[2][1]]),
    ]
    found = associate(alike, Site.blank([]), AssociateConfig(), corrections=corrections)
    assert found.warnings == []
    assert found.labels[first[0][0]] != found.labels[first[0][1]]
    assert found.labels[first[1][0]] == found.labels[first[2][1]]
    declared = [link for link in found.links if link.constraint == "declared"]
    assert [(link.decision, link.probability) for link in declared] == [("same", 1.0)]
