"""A benchmark's result as one self-contained page: tables, bars per sequence, curves over thresholds."""

import html
import io
from pathlib import Path

from data.atomic import write_text
from pipeline.evaluation.benchmarks.result import BenchmarkResult, Table, show
from pipeline.evaluation.evaluate import COMBINED, CROSS_CAMERA
from pipeline.evaluation.hota import ALPHAS

_MOST_BARS = 60
_WHOLES = (COMBINED, CROSS_CAMERA, "MEAN", "total")
_STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#1c2430;background:#fff}
h1{font-size:1.5em;margin-bottom:.1em}h2{font-size:1.1em;margin:2em 0 .5em}p.rules{color:#5a6572;margin-top:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid #e3e7ec}th{color:#5a6572;font-weight:600}
th:first-child,td:first-child{text-align:left}tr.whole td{font-weight:600;background:#f3f6f9}
.figures{display:flex;flex-wrap:wrap;gap:1em;margin:1.2em 0}.figure{background:#f3f6f9;border-radius:6px;
padding:.6em 1em}
.figure b{font-size:1.5em;display:block}.figure small{color:#5a6572}
.warnings{background:#fff6e0;border-left:4px solid #e0a100;padding:.6em 1em}
.warnings ul{margin:.3em 0;padding-left:1.2em}
svg{max-width:100%;height:auto}
"""


def write_page(path: Path, result: BenchmarkResult) -> None:
    """Write the page so that a reader or a crash sees the old file or the new one.

    Args:
        path: the file; its folder exists.
        result: what to show.
    """
    body = [
        f"<h1>{html.escape(result.dataset)}</h1><p class=rules>{html.escape(result.rules)}. Figures in percent.</p>",
        _figures(result),
        _warnings(result.warnings),
    ]
    for table in result.tables:
        body.append(f"<h2>{html.escape(table.title)}</h2>")
        if table.bars and len(table.rows) > 1:
            body.append(_bars(table))
        body.append(_table(table))
    if result.curves:
        body.append("<h2>over the overlap that makes a match</h2>" + _curves(result))
    title = html.escape(f"{result.dataset}: scores")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    page = (
        f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
    write_text(path, page)


def _figures(result: BenchmarkResult) -> str:
    cards = []
    for name, value in result.figures.items():
        interval = result.intervals.get(name)
        spread = f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else "&nbsp;"
        cards.append(f"<div class=figure>{html.escape(name)}<b>{show(value)}</b><small>{spread}</small></div>")
    note = f"<p class=rules>Small: 95 % intervals over {html.escape(result.units)}.</p>" if result.intervals else ""
    return f"<div class=figures>{''.join(cards)}</div>{note}"


def _warnings(lines: tuple[str, ...]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<div class=warnings>Know when you read these figures:<ul>{items}</ul></div>"


def _table(table: Table) -> str:
    header, *rows = table.texts()
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    lines = []
    for row in rows:
        whole = " class=whole" if row[0] in _WHOLES else ""
        lines.append(f"<tr{whole}>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>")
    return f"<div class=scroll><table><tr>{head}</tr>{''.join(lines)}</table></div>"


def _bars(table: Table) -> str:
    """Bars of the worst rows first where there are too many for a picture."""
    import numpy as np

    places = [table.columns.index(name) for name in table.bars]
    rows = [row for row in table.rows if isinstance(row[places[0]], float)]
    if len(rows) > _MOST_BARS:
        rows = sorted(rows, key=lambda row: float(row[places[0]] or 0.0))[:_MOST_BARS]
    figure, axes = _figure(max(5.0, 0.9 + 0.55 * len(rows)), 3.2)
    width = 0.8 / len(places)
    for number, (place, name) in enumerate(zip(places, table.bars)):
        heights = [100 * float(row[place] or 0.0) for row in rows]
        axes.bar(np.arange(len(rows)) + (number + 0.5) * width - 0.4, heights, width, label=name)
    axes.set_xticks(range(len(rows)), [str(row[0]) for row in rows], rotation=40, ha="right", fontsize=8)
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), 105)
    axes.set_ylabel("%")
    axes.legend(ncols=len(places), fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)


def _curves(result: BenchmarkResult) -> str:
    figure, axes = _figure(5.5, 3.2)
    for name, values in result.curves.items():
        axes.plot(ALPHAS, 100 * values, label=name)
    axes.set_xlabel("threshold")
    axes.set_ylabel("%")
    axes.set_ylim(0, 105)
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure)


def _figure(width: float, height: float):  # type: ignore[no-untyped-def]
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e7ec")
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure) -> str:  # type: ignore[no-untyped-def]
    import matplotlib

    stream = io.StringIO()
    # Names of clip paths are random and the date is today's unless told: the same input gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "mtmct", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
