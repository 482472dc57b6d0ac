import io

import cv2
import numpy as np
import pytest

from data.errors import UserError
from pipeline.association.config import CorrectionConfig
from pipeline.association.corrections import Correction, anchor_of, load_corrections, resolve, write_corrections
from pipeline.association.table import build_table
from pipeline.review.answers import corrections_of, read_answers
from pipeline.review.questions import find_questions
from pipeline.review.replay import replay
from tools.ask import main
from tools.associate import main as associate
from tools.inspect_link import main as inspect_link


@pytest.fixture
def doubtful(finished, make):
    """People who look much alike: some pairs are uncertain."""
    return finished(make.crowd(10, cameras=3, noise=1.0, dim=48)[0])


def identity(folder):
    return {(v.camera, v.local_id): track.global_id for track in folder.read_global_tracks() for v in track.visits}


def answer(folder, *lines, tmp_path):
    path = tmp_path / "answers.txt"
    path.write_text("\n".join(lines))
    return main([str(folder.root), "--answers", str(path)])


def name(key):
    return f"{key[0]}:{key[1]}"


def test_what_a_question_promises_to_change_it_changes(doubtful, tmp_path):
    """Counter-proof of the values: answered for real, each pair is together or apart as was said."""
    found = replay(doubtful)
    questions = find_questions(found.judgement, found.labels, 10)
    assert 0 < len(questions) <= 10
    assert [question.value for question in questions] == sorted((q.value for q in questions), reverse=True)
    keys = found.judgement.table.keys
    question = questions[0]
    a, b = keys[question.a], keys[question.b]
    before = identity(doubtful)
    assert (before[a] == before[b]) == question.joined
    answer(doubtful, f"{name(a)} {name(b)} {'n' if question.joined else 'y'}", tmp_path=tmp_path)
    associate([str(doubtful.root)])
    after = identity(doubtful)
    assert (after[a] == after[b]) != question.joined


def test_a_likely_link_of_large_groups_is_asked_before_an_even_one_of_single_tracklets(finished, make):
    folder = finished(make.crowd(12, cameras=3, noise=1.4, dim=48, visits=2)[0])
    found = replay(folder)
    questions = find_questions(found.judgement, found.labels, 40)
    worth = {(q.a, q.b): q.value for q in questions}
    closest = min(questions, key=lambda q: abs(q.probability - 0.5))
    assert worth[questions[0].a, questions[0].b] >= closest.value
    for question in questions:
        expected = question.probability * question.if_same + (1 - question.probability) * question.if_different
        assert question.value == pytest.approx(expected)
        assert (question.if_same == 0) == question.joined


def test_an_answered_pair_is_not_asked_again(doubtful, tmp_path, capsys):
    found = replay(doubtful)
    keys = found.judgement.table.keys
    asked = [(keys[q.a], keys[q.b]) for q in find_questions(found.judgement, found.labels, 10)]
    lines = [f"{name(a)} {name(b)} {'y' if number % 2 else 'n'}" for number, (a, b) in enumerate(asked)]
    answer(doubtful, *lines, tmp_path=tmp_path)
    written = doubtful.corrections.read_text()
    assert len(load_corrections(doubtful.corrections)) == len(asked)
    answer(doubtful, *lines, tmp_path=tmp_path)
    assert doubtful.corrections.read_text() == written, "the same answers again change nothing"
    assert "no new answers" in capsys.readouterr().out
    for step in ("before it is associated again", "after"):
        again = replay(doubtful, load_corrections(doubtful.corrections))
        later = [(keys[q.a], keys[q.b]) for q in find_questions(again.judgement, again.labels, 10)]
        assert not {frozenset(pair) for pair in asked} & {frozenset(pair) for pair in later}, step
        associate([str(doubtful.root)])


def test_answers_hold_when_the_run_is_associated_again(doubtful, tmp_path, capsys):
    found = replay(doubtful)
    keys, people = found.judgement.table.keys, identity(doubtful)
    joined = next((a, b) for a in keys for b in keys if a < b and people[a] == people[b])
    apart = next(
        (a, b) for a in keys for b in keys if a[0] != b[0] and people[a] != people[b] and {a, b}.isdisjoint(joined)
    )
    lines = [f"{name(joined[0])} {name(joined[1])} n", f"{name(apart[0])} {name(apart[1])} y"]
    answer(doubtful, *lines, tmp_path=tmp_path)
    assert inspect_link([str(doubtful.root), *map(name, joined)]) == 0
    assert "declared" not in capsys.readouterr().out, "what was answered since did not decide this run"
    associate([str(doubtful.root)])
    assert load_corrections(doubtful.used_corrections) == load_corrections(doubtful.corrections)
    assert inspect_link([str(doubtful.root), *map(name, joined)]) == 0
    assert "declared" in capsys.readouterr().out
    people = identity(doubtful)
    assert people[joined[0]] != people[joined[1]]
    assert people[apart[0]] == people[apart[1]]
    other = tmp_path / "none.yaml"
    write_corrections(other, [])
    associate([str(doubtful.root), "--corrections", str(other)])
    people = identity(doubtful)
    assert people[joined[0]] == people[joined[1]], "without the answers it is as before"
    assert not doubtful.used_corrections.exists()
    assert doubtful.corrections.exists(), "they are the person's"


def test_on_the_terminal_answers_end_with_the_input(doubtful, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("perhaps\ny\ns\nn\n"))
    assert main([str(doubtful.root)]) == 0
    kinds = [correction.kind for correction in load_corrections(doubtful.corrections)]
    assert kinds == ["same", "different"]
    out = capsys.readouterr().out
    assert out.count("1. Are ") == 2, "what is no answer is asked again"
    assert "python -m tools.associate" in out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    before = doubtful.corrections.read_text()
    assert main([str(doubtful.root), "--list"]) == 0
    assert main([str(doubtful.root)]) == 0
    assert doubtful.corrections.read_text() == before


def test_pictures_of_all_pairs_are_one_page(doubtful, capsys):
    assert main([str(doubtful.root), "--list"]) == 0
    assert "pictures:" not in capsys.readouterr().out
    found = replay(doubtful)
    picture = cv2.imencode(".jpg", np.full((90, 40, 3), 120, np.uint8))[1].tobytes()
    for camera, number in found.judgement.table.keys:
        path = doubtful.crop(camera, number, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    assert main([str(doubtful.root), "--list"]) == 0
    assert "pictures:" in capsys.readouterr().out
    questions = find_questions(found.judgement, found.labels, 10)
    assert (doubtful.root / "questions.html").read_text().count("<img ") == 2 * len(questions)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cam0:1 cam1:1 perhaps", "line 1: 'cam0:1 cam1:1 perhaps' is not like"),
        ("cam0:1 y", "line 1"),
        ("y", "line 1"),
        ("cam0:1 cam0:1 y", "is about one tracklet"),
        ("cam0:99 cam1:1 y", "no tracklet 99"),
        ("hall:1 cam1:1 y", "no tracklets of camera 'hall'"),
    ],
)
def test_answers_that_are_none_are_one_clear_line(finished, make, tmp_path, line, message):
    folder = finished(make.crowd(3, cameras=2)[0])
    with pytest.raises(UserError, match=message):
        answer(folder, line, tmp_path=tmp_path)
    assert not folder.corrections.exists()


def test_blanks_comments_and_skips_are_no_answers(finished, make):
    tracklets = [make.tracklet(camera, 0) for camera in ("north", "south")]
    found = replay(finished(tracklets))
    assert read_answers(["", "# nothing", "north:0 south:0 s"], found) == []
    (one,) = read_answers([" north:0  south:0 N"], found)
    assert (one.a, one.b, one.kind) == (0, 1, "different")
    assert len(corrections_of([one, one], found)) == 1


def test_runs_about_which_there_is_nothing_to_ask(finished, make, tmp_path, capsys):
    for number, tracklets in enumerate(([], [make.tracklet()], make.crowd(5, cameras=2, noise=0.05)[0])):
        folder = finished(tracklets, f"run{number}")
        assert main([str(folder.root)]) == 0
        assert "nothing to ask" in capsys.readouterr().out
    with pytest.raises(UserError, match="is not a run folder"):
        main([str(tmp_path)])
    with pytest.raises(UserError, match="at least 1"):
        main([str(tmp_path), "--count", "0"])
    with pytest.raises(UserError, match="cannot read the answers"):
        main([str(folder.root), "--answers", str(tmp_path / "absent.txt")])


def test_an_anchor_finds_its_own_tracklet_where_two_lie_on_one_another(make):
    short, long = make.tracklet("a", 0, 4, 6), make.tracklet("a", 1, 0, 10)
    table, config = build_table([long, short], make.site("a")), CorrectionConfig()
    places = [anchor_of(table, row, config) for row in (0, 1)]
    assert places[0] is not None
    assert places[1] is not None
    assert not 3.5 <= places[1].time_s <= 6.5
    found = resolve([Correction("same", places[0], places[1])], table, config)
    assert found.same == [(0, 1)]
    twins = build_table([make.tracklet("a", 0), make.tracklet("a", 1)], make.site("a"))
    assert anchor_of(twins, 1, config) is None
