"""What the manifest and the scores say, in a form the page can show; any shape of either is borne."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.dates import date_of
from data.redaction import redact
from pipeline.folder.input_files import PIECES, SAMPLED, WHOLE
from pipeline.report.lanes import time_text

_SHOWN_APART = {"inputs", "clocks", "warnings", "timings", "version"}
_SCORES = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "IDP", "IDR", "IDSW", "Frag", "MT", "ML")


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What is known of a camera's input."""

    name: str
    uri: str
    size: str
    fps: str
    frames: str
    duration_s: float | None
    clock: str
    offset_s: float
    digest: str
    video: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Where time went."""

    name: str
    seconds: float
    share: float
    items: str
    per_item: str


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Scores: a header and rows of texts."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def camera_facts(manifest: Mapping[str, Any], cameras: Sequence[str], videos: Mapping[str, str]) -> list[CameraFacts]:
    """One row per camera; absent values are shown as "–"."""
    inputs, clocks = _mapping(manifest.get("inputs")), _mapping(manifest.get("clocks"))
    rows = []
    for camera in cameras:
        given, clock = _mapping(inputs.get(camera)), _mapping(clocks.get(camera))
        fps, frames = _number(given.get("fps")), _number(given.get("frames"))
        width, height = given.get("width"), given.get("height")
        status = str(clock.get("status", "unknown"))
        rows.append(
            CameraFacts(
                name=camera,
                uri=redact(str(given.get("uri", "–"))),
                size=f"{width} × {height}" if width and height else "–",
                fps=f"{fps:g}" if fps else "–",
                frames=f"{frames:.0f}" if frames is not None else "–",
                duration_s=frames / fps if frames and fps else None,
                clock=status,
                offset_s=(_number(clock.get("offset_s")) or 0.0) if status != "unknown" else 0.0,
                digest=_digest(given),
                video=videos.get(camera, ""),
            )
        )
    return rows


def _digest(described: Mapping[str, Any]) -> str:
    if described.get(SAMPLED):
        return f"sha256 of {PIECES} pieces {described[SAMPLED]}"
    return f"sha256 {described[WHOLE]}" if described.get(WHOLE) else ""


def clocks_common(facts: Sequence[CameraFacts]) -> bool:
    """Whether times of all cameras can be compared."""
    return len(facts) < 2 or all(camera.clock != "unknown" for camera in facts)


def warning_lines(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(camera or "", line) of every warning."""
    found = [_mapping(value) or {"text": value} for value in _list(manifest.get("warnings"))]
    return [(str(value.get("camera", "")), redact(str(value["text"]))) for value in found if value.get("text")]


def stages(manifest: Mapping[str, Any]) -> list[Stage]:
    """Timings per stage, longest first; the share is of the longest."""
    timings = _mapping(manifest.get("timings"))
    given = _mapping(timings.get("stages", timings))
    rows: list[tuple[str, float, Mapping[str, Any]]] = []
    for name, value in given.items():
        inner = _mapping(value)
        seconds = _number(inner.get("seconds")) if inner else _number(value)
        if seconds is not None and name != "wall_s":
            rows.append((str(name), seconds, inner))
    longest = max((seconds for _, seconds, _ in rows), default=0.0)
    return [
        Stage(
            name,
            seconds,
            round(100 * seconds / max(longest, 1e-9), 1),
            "" if (items := inner.get("items")) is None else f"{items} item{'s' * (items != 1)}",
            "" if (each := _number(inner.get("ms_per_item"))) is None else f"{each:.1f} ms",
        )
        for name, seconds, inner in sorted(rows, key=lambda row: -row[1])
    ]


def wall_s(manifest: Mapping[str, Any]) -> float | None:
    """Wall time of the whole run, seconds."""
    return _number(_mapping(manifest.get("timings")).get("wall_s"))


def score_table(metrics: Mapping[str, Any]) -> ScoreTable | None:
    """The table of ``metrics.json``: fractions in per cent, counts as they are."""
    rows = [row for row in _list(metrics.get("scores")) if isinstance(row, Mapping)]
    names = [name for name in _SCORES if any(name in row for row in rows)]
    if not names:
        return None
    body = tuple((redact(str(row.get("name", ""))), *(_score(row.get(name)) for name in names)) for row in rows)
    rule = _mapping(metrics.get("rule"))
    note = ", ".join(f"{key} {value}" for key, value in rule.items())
    return ScoreTable(("", *names), body, note)


def other_facts(manifest: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What else the manifest holds: per key, (name, value) rows."""
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    single: list[tuple[str, str]] = []
    for key, value in manifest.items():
        if key in _SHOWN_APART or value in (None, {}, []):
            continue
        if isinstance(value, Mapping):
            own = [(str(name), _text(inner)) for name, inner in value.items() if not _nested(inner)]
            below = {name: inner for name, inner in value.items() if _nested(inner)}
            sections.append((key, own + flatten(below)))
        else:
            single.append((key, _text(value)))
    return [("run", single), *sections] if single else sections


def flatten(value: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Nested mappings, and lists of them, as rows: the way to a mapping, and all plain values it holds."""
    plain = ", ".join(f"{key} {_text(inner)}" for key, inner in value.items() if not _nested(inner))
    rows = [(path, plain)] if plain else []
    for key, inner in value.items():
        name = f"{path} › {key}" if path else str(key)
        if isinstance(inner, Mapping):
            rows += flatten(inner, name)
        elif _nested(inner):
            for number, item in enumerate(inner, 1):
                rows += flatten(item, f"{name}{f' {number}' if len(inner) > 1 else ''}")
    return rows


def _nested(value: Any) -> bool:
    """Whether it is a mapping, or a list of them."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def duration_text(seconds: float | None) -> str:
    """``12.4 s``, ``3:05`` or ``1:02:05``."""
    if seconds is None:
        return "–"
    # What rounds to nothing has no sign.
    return f"{round(seconds, 1) + 0.0:.1f} s" if abs(seconds) < 60 else time_text(seconds)


def date_text(seconds: float) -> str:
    """The date of a Unix time, UTC; empty for a small number, which counts from something else."""
    date = date_of(seconds)
    return "" if date is None else date.strftime("%Y-%m-%d %H:%M:%S UTC")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return redact(" ".join(str(item) for item in value))
    return redact(f"{value:g}" if isinstance(value, float) else str(value))


def _score(value: Any) -> str:
    number = _number(value)
    if number is None:
        return "–"
    return f"{number:.0f}" if isinstance(value, int) else f"{100 * number:.1f}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
