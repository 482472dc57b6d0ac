"""Bars and ticks of the time charts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.lanes import (
    GUTTER,
    WIDTH,
    Span,
    camera_chart,
    camera_letters,
    people_chart,
    ticks,
    time_span,
    time_text,
)
from pipeline.report.people import Person, Stay


def _person(label: str, *stays: tuple[str, float, float]) -> Person:
    made = tuple(Stay(camera, start, end, (number,)) for number, (camera, start, end) in enumerate(stays))
    return Person(label, f"person-{label}", (10, 20, 30), 0.9, made)


@given(st.floats(0, 2e9), st.floats(1, 1e8))
def test_tick_labels_never_meet_and_stay_in_the_chart(start_s: float, length_s: float) -> None:
    marks = ticks(Span(start_s, start_s + length_s))
    assert 1 <= len(marks) <= 18
    for a, b in pairwise(marks):
        assert b.x - a.x > 6.5 * (len(a.text) + len(b.text)) / 2 + 4
    assert marks[0].x == GUTTER
    assert marks[-1].x <= WIDTH


@pytest.mark.parametrize(
    ("length_s", "texts"),
    [
        (2.0, ["0:00.0", "0:00.2", "0:00.4"]),
        (12.0, ["0:00", "0:01", "0:02"]),
        (60.0, ["0:00", "0:05", "0:10"]),
        (600.0, ["0:00", "1:00", "2:00"]),
        (3 * 3600.0, ["0:00", "15:00", "30:00"]),
        (7 * 86400.0, ["0:00", "1d 0:00", "2d 0:00"]),
    ],
)
def test_ticks_are_round_times(length_s: float, texts: list[str]) -> None:
    assert [mark.text for mark in ticks(Span(0, length_s))][:3] == texts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (59.6, "1:00"),
        (65, "1:05"),
        (3600, "1:00:00"),
        (90061, "1d 1:01"),
        (-5, "-0:05"),
        (-0.2, "0:00"),
    ],
)
def test_times_read_well(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 100), st.floats(0.0, 40)), min_size=1, max_size=25))
def test_bars_that_meet_in_time_lie_in_different_rows(stays: list[tuple[str, float, float]]) -> None:
    people = [_person(str(n), (camera, start, start + length)) for n, (camera, start, length) in enumerate(stays)]
    span = time_span(people, {})
    chart = camera_chart(people, ["a", "b"], {}, span)
    assert sum(len(lane.bars) for lane in chart.lanes) == len(stays)
    length_of = {f"person-{n}": (start, start + length) for n, (_, start, length) in enumerate(stays)}
    for lane in chart.lanes:
        for number, bar in enumerate(lane.bars):
            assert lane.y <= bar.y
            assert bar.y + bar.height <= lane.y + lane.height
            for other in lane.bars[number + 1 :]:
                (a, b), (c, d) = length_of[bar.anchor], length_of[other.anchor]
                if a < d and c < b:
                    assert bar.y != other.y


def test_lanes_do_not_overlap_and_unknown_cameras_get_an_empty_one() -> None:
    people = [_person("1", ("a", 0, 10), ("a", 5, 12)), _person("2", ("a", 2, 8))]
    chart = camera_chart(people, ["a", "empty"], {"a": (0, 20)}, Span(0, 20))
    first, second = chart.lanes
    assert first.y + first.height == second.y
    assert second.bars == ()
    assert first.cover is not None
    assert second.cover is None
    assert chart.height == second.y + second.height


def test_a_bar_says_its_camera_or_its_letter_or_nothing() -> None:
    letters = camera_letters(["hall"])
    people = [_person("1", ("hall", 0, 50)), _person("2", ("hall", 0, 2)), _person("3", ("hall", 0, 0.1))]
    chart = people_chart(people, letters, Span(0, 100))
    assert [lane.bars[0].text for lane in chart.lanes] == ["hall", "A", ""]
    assert all("in hall" in lane.bars[0].title for lane in chart.lanes)


def test_letters_go_on_after_z() -> None:
    letters = list(camera_letters([str(n) for n in range(703)]).values())
    assert letters[:2] == ["A", "B"]
    assert letters[25:28] == ["Z", "AA", "AB"]
    assert letters[702] == "AAA"
    assert len(set(letters)) == 703


def test_long_names_are_cut_and_kept_in_full() -> None:
    (lane,) = camera_chart([], ["a-camera-with-a-very-long-name"], {}, Span(0, 1)).lanes
    assert lane.name.endswith("…")
    assert len(lane.name) <= 17
    assert lane.full_name == "a-camera-with-a-very-long-name"


def test_nothing_at_all_still_has_a_span() -> None:
    assert time_span([], {}) == Span(0.0, 1.0)
    assert time_span([_person("1", ("a", 5, 5))], {}) == Span(5, 6)
