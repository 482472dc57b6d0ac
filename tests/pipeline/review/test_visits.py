"""People are counted once, wherever and however often they were seen."""

import csv
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from data.records import GlobalTrack, Visit
from pipeline.review.visits import presence, visits_csv, visits_of
from tools.count_people import main

PEOPLE = (
    GlobalTrack(1, (Visit("hall", 0, 1.0, 12.0), Visit("door", 4, 14.0, 15.0), Visit("hall", 3, 16.0, 17.0)), 0.9),
    GlobalTrack(2, (Visit("hall", 1, 0.0, 9.9),), 1.0),
)
CAMERAS = ("hall", "door", "yard")


def test_people_are_counted_not_tracks() -> None:
    counted = presence(visits_of(PEOPLE, CAMERAS), 10.0)
    assert counted.start_s.tolist() == [0.0, 10.0]
    assert counted.by_camera.tolist() == [[2, 0, 0], [1, 1, 0]], "two visits of one person to the hall are one person"
    assert counted.in_all.tolist() == [2, 1], "who was in two cameras counts once"


def test_a_stretch_in_which_nobody_was_is_there() -> None:
    people = (GlobalTrack(7, (Visit("hall", 0, -3.0, -2.5), Visit("hall", 1, 4.2, 4.3)), 1.0),)
    counted = presence(visits_of(people, CAMERAS), 2.0)
    assert counted.start_s.tolist() == [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert counted.in_all.tolist() == [1, 0, 0, 0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_those_by_hand(seed: int) -> None:
    random = np.random.default_rng(seed)
    people = []
    for person in range(12):
        starts = random.uniform(0, 50, random.integers(1, 4))
        own = [Visit(CAMERAS[random.integers(3)], n, s, s + random.uniform(0, 20)) for n, s in enumerate(starts)]
        people.append(GlobalTrack(person, tuple(own), 1.0))
    counted = presence(visits_of(people, CAMERAS), 7.0)
    for start, by_camera, in_all in zip(counted.start_s, counted.by_camera, counted.in_all, strict=True):
        there = [
            {
                one.global_id
                for one in people
                for visit in one.visits
                if visit.camera == camera and visit.start_s < start + 7 and visit.end_s >= start
            }
            for camera in CAMERAS
        ]
        assert by_camera.tolist() == [len(group) for group in there]
        assert in_all == len(set().union(*there))


def test_nobody_is_an_empty_table() -> None:
    visits = visits_of((), CAMERAS)
    assert visits_csv(visits) == "global_id,camera,local_id,start_s,end_s,start_utc\n"
    assert presence(visits, 10.0).by_camera.shape == (0, 3)


def test_visits_are_rows_by_time_and_dated_where_times_are_dates() -> None:
    lines = visits_csv(visits_of(PEOPLE, CAMERAS)).splitlines()
    assert lines[1:] == [
        "2,hall,1,0.000,9.900,", "1,hall,0,1.000,12.000,", "1,door,4,14.000,15.000,", "1,hall,3,16.000,17.000,",
    ]  # fmt: skip
    later = (GlobalTrack(1, (Visit("hall", 0, 1.7e9, 1.7e9 + 1),), 1.0),)
    assert visits_csv(visits_of(later, CAMERAS)).endswith(",2023-11-14T22:13:20.000+00:00\n")


def test_a_comma_in_the_name_of_a_camera_makes_no_column() -> None:
    people = (GlobalTrack(1, (Visit("hall, left", 0, 1.0, 2.0),), 1.0),)
    assert list(csv.reader(visits_csv(visits_of(people, ["hall, left"])).splitlines()))[1][:3] == [
        "1",
        "hall, left",
        "0",
    ]


def test_visits_to_a_camera_the_run_does_not_have_are_one_line() -> None:
    with pytest.raises(UserError, match="camera 'door' has visits and is no input of the run"):
        visits_of(PEOPLE, ("hall", "yard"))


def test_milliseconds_are_no_date() -> None:
    people = (GlobalTrack(1, (Visit("hall", 0, 1.7e12, 1.7e12 + 5),), 1.0),)
    assert visits_csv(visits_of(people, CAMERAS)).endswith(".000,\n")


@pytest.mark.parametrize("every_s", [0.0, -1.0, float("nan"), float("inf"), 1e-6])
def test_stretches_that_make_no_table_are_refused(every_s: float) -> None:
    with pytest.raises(UserError, match="--every"):
        presence(visits_of(PEOPLE, CAMERAS), every_s)


def test_the_command_line(make_run: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(videos=False, crops=False)
    out = tmp_path / "visits.csv"
    assert main([str(folder.root), "--every", "1", "--visits", str(out)]) == 0
    printed = capsys.readouterr().out
    people = folder.read_global_tracks()
    assert printed.splitlines()[0].split() == ["camera", "people", "visits", "median", "s"]
    assert f"all {len(people)}" in " ".join(printed.split())
    assert len(out.read_text().splitlines()) == 1 + sum(len(person.visits) for person in people)
    with pytest.raises(UserError, match="cannot write"):
        main([str(folder.root), "--visits", str(out / "x.csv")])
