"""What is said of a run that was stopped can be typed."""

import shlex
from pathlib import Path

from pipeline.job.stopping import resume_command, resume_line
from pipeline.run import build_parser


def test_the_line_goes_on_with_the_same_inputs_and_settings() -> None:
    began = [
        "/opt/x/pipeline/run.py",
        "--videos",
        "a=my film.mp4",
        "b.mp4",
        "run.seed=3",
        "--overwrite",
        "--output",
        "old",
    ]
    line = resume_line(Path("runs/a b"), began)
    again, end = line.splitlines()
    assert end.endswith("python -m tools.associate 'runs/a b' --end")
    words = shlex.split(again.partition("python -m pipeline.run ")[2])
    arguments = build_parser().parse_intermixed_args(words)
    assert arguments.videos == ["a=my film.mp4", "b.mp4", "run.seed=3"]
    assert arguments.output == Path("runs/a b")
    assert arguments.resume
    assert not arguments.overwrite


def test_what_was_said_before_is_not_said_twice() -> None:
    command = resume_command(Path("r"), ["pipeline/run.py", "--resume", "--output=r", "--tracks", "t"])
    assert command == "python -m pipeline.run --tracks t --resume --output r"


def test_passwords_are_hidden() -> None:
    assert "secret" not in resume_command(Path("r"), ["pipeline/run.py", "--videos", "rtsp://me:secret@host/1"])


def test_of_another_program_only_the_options_are_told() -> None:
    assert resume_command(Path("r"), ["my_script.py", "x"]) == "--resume --output r"
    assert resume_command(Path("r"), []) == "--resume --output r"
