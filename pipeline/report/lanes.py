"""Swim lanes: where the bars, names and ticks of the time charts go."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.rendering.palette import Rgb, hex_of, text_on
from pipeline.report.people import Person, Stay

WIDTH = 1160.0
GUTTER = 132.0
_RIGHT = 28.0
_MIN_BAR = 3.0
_LETTER = 6.6
_TICK_ROOM = 34.0
_TALL, _SMALL = 18.0, 8.0
_MANY_ROWS = 60
_PAD = 5.0
_SHORT_S = 120.0
_STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
    604800,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The time a chart shows, seconds."""

    start_s: float
    end_s: float

    def x(self, time_s: float) -> float:
        """Place of a time, in the chart's units."""
        share = (time_s - self.start_s) / max(self.end_s - self.start_s, 1e-9)
        return round(GUTTER + share * (WIDTH - GUTTER - _RIGHT), 2)

    def text(self, time_s: float) -> str:
        """A time as it is read off the chart; tenths of seconds where the chart is short."""
        return time_text(time_s - self.start_s, 0.1 if self.end_s - self.start_s < _SHORT_S else 1.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One stay."""

    x: float
    y: float
    width: float
    height: float
    color: str
    text_color: str
    text: str
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A named row of bars.

    Attributes:
        name: as shown, shortened to fit.
        full_name: for the tooltip.
        y: top.
        height: of the lane.
        bars: what lies in it.
        anchor: id in the page it leads to, or "".
        color: of a mark beside its name, or "".
        cover: x and width of the time its camera recorded, or None where that is not known.
    """

    name: str
    full_name: str
    y: float
    height: float
    bars: tuple[Bar, ...]
    anchor: str
    color: str
    cover: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Lanes below one another."""

    lanes: tuple[Lane, ...]
    height: float
    ticks: tuple[Tick, ...]
    font: float


def time_text(seconds: float, step_s: float = 1.0) -> str:
    """``0:05``, ``12:30``, ``1:02:00``, ``2d 6:00``; tenths where the step is below a second."""
    tenths = round(abs(seconds) * 10) if step_s < 1 else 10 * round(abs(seconds))
    sign = "-" if seconds < 0 and tenths else ""
    days, tenths = divmod(tenths, 864_000)
    hours, tenths = divmod(tenths, 36_000)
    minutes, tenths = divmod(tenths, 600)
    if days:
        return f"{sign}{days}d {hours}:{minutes:02d}"
    tail = f"{tenths // 10:02d}" + (f".{tenths % 10}" if step_s < 1 else "")
    return f"{sign}{hours}:{minutes:02d}:{tail}" if hours else f"{sign}{minutes}:{tail}"


def ticks(span: Span) -> tuple[Tick, ...]:
    """Round times that far apart that their labels never meet; the first is the start of the span."""
    length = span.end_s - span.start_s
    step = next((step for step in _STEPS_S if _fits(length, step)), _STEPS_S[-1] * math.ceil(length / _STEPS_S[-1]))
    count = math.floor(length / step + 1e-9)
    return tuple(Tick(span.x(span.start_s + n * step), time_text(n * step, step)) for n in range(count + 1))


def _fits(length_s: float, step_s: float) -> bool:
    """Whether labels every ``step_s`` leave room between them."""
    widest = max(len(time_text(length_s, step_s)), len(time_text(86_399, step_s)) if length_s >= 86_400 else 0)
    return (WIDTH - GUTTER - _RIGHT) * step_s / length_s >= widest * _LETTER + _TICK_ROOM


def camera_chart(
    people: Sequence[Person], cameras: Sequence[str], covers: Mapping[str, tuple[float, float]], span: Span
) -> Chart:
    """A lane per camera; bars are people."""
    lanes = [
        (camera, [(stay, person) for person in people for stay in person.stays if stay.camera == camera])
        for camera in cameras
    ]
    packed = [(camera, _pack(rows)) for camera, rows in lanes]
    depth = sum(max(rows, 1) for _, (_, rows) in packed)
    height = _TALL if depth <= _MANY_ROWS else _SMALL
    built: list[Lane] = []
    top = 0.0
    for camera, (places, rows) in packed:
        bars = [
            _bar(stay, top + _PAD + row * (height + 2), height, span, person, person.label)
            for (stay, person), row in places
        ]
        tall = max(rows, 1) * (height + 2) + 2 * _PAD
        cover = covers.get(camera)
        shown = None if cover is None else (span.x(cover[0]), round(span.x(cover[1]) - span.x(cover[0]), 2))
        built.append(Lane(_shorten(camera), camera, top, tall, tuple(bars), "", "", shown))
        top += tall
    return Chart(tuple(built), top, ticks(span), _font(height))


def people_chart(people: Sequence[Person], letters: Mapping[str, str], span: Span) -> Chart:
    """A lane per person; bars are stays, named by camera, or by its letter where there is little room."""
    height = _TALL if len(people) <= _MANY_ROWS else 12.0
    built: list[Lane] = []
    top = 0.0
    for person in people:
        places, rows = _pack([(stay, person) for stay in person.stays])
        bars = []
        for (stay, _), row in places:
            y = top + 2 + row * (height + 2)
            bar = _bar(stay, y, height, span, person, stay.camera)
            bars.append(bar if bar.text else _bar(stay, y, height, span, person, letters[stay.camera]))
        tall = max(rows, 1) * (height + 2) + 4
        name = _shorten(person.label)
        built.append(Lane(name, person.label, top, tall, tuple(bars), person.anchor, hex_of(person.color), None))
        top += tall
    return Chart(tuple(built), top, ticks(span), _font(height))


def camera_letters(cameras: Sequence[str]) -> dict[str, str]:
    """A, B, ... Z, AA, AB, ... for the cameras, in order."""
    return {camera: _letters(number) for number, camera in enumerate(cameras)}


def time_span(people: Iterable[Person], covers: Mapping[str, tuple[float, float]]) -> Span:
    """From the first to the last thing the charts show; a second at least."""
    stays = [stay for person in people for stay in person.stays]
    starts = [stay.start_s for stay in stays] + [cover[0] for cover in covers.values()]
    ends = [stay.end_s for stay in stays] + [cover[1] for cover in covers.values()]
    start, end = min(starts, default=0.0), max(ends, default=1.0)
    return Span(start, max(end, start + 1.0))


def _pack(items: Sequence[tuple[Stay, Person]]) -> tuple[list[tuple[tuple[Stay, Person], int]], int]:
    """Give each stay the lowest row that is free by then; also how many rows that takes."""
    ordered = sorted(items, key=lambda item: (item[0].start_s, item[0].end_s))
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    placed, rows = [], 0
    for item in ordered:
        while busy and busy[0][0] <= item[0].start_s:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            row = heapq.heappop(free)
        else:
            row, rows = rows, rows + 1
        heapq.heappush(busy, (item[0].end_s, row))
        placed.append((item, row))
    return placed, rows


def _bar(stay: Stay, y: float, height: float, span: Span, person: Person, text: str) -> Bar:
    x = span.x(stay.start_s)
    width = round(max(span.x(stay.end_s) - x, _MIN_BAR), 2)
    color: Rgb = person.color
    fits = len(text) * _LETTER * _font(height) / 11 + 6 <= width and height >= 10
    start, end = span.text(stay.start_s), span.text(stay.end_s)
    return Bar(
        x, round(y, 2), width, height, hex_of(color), hex_of(text_on(color)), text if fits else "",
        f"{person.label} in {stay.camera}, {start} to {end}", person.anchor,
    )  # fmt: skip


def _font(height: float) -> float:
    return 11.0 if height >= 16 else 9.0


def _shorten(name: str) -> str:
    room = int((GUTTER - 22) / _LETTER)
    return name if len(name) <= room else name[: room - 1] + "…"


def _letters(number: int) -> str:
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
