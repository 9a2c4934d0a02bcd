"""Plots as SVG text made on the server: stacked bars and columns. Colours are classes of our style sheet; no scripts.

Each is an image with a title; the same figures stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

#: Units of the drawing; it is scaled to its place. Narrow, so that its text can be read on a telephone.
_WIDTH = 340
_ROW, _BAR, _LABEL = 38, 14, 12
_TOTAL = 44
_COLUMNS = 96
#: A column is no wider than this: one day of figures is no wall.
_WIDEST = 24
#: Two dates side by side need this much.
_TWO_DAYS = 150.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One part of a stack: its name, and the class that colours it."""

    name: str
    css: str


def stacks(title: str, rows: Sequence[tuple[str, Sequence[int]]], series: Sequence[Series]) -> Markup:
    """Return one bar a row, divided by ``series``, its total behind it; bars share one scale."""
    largest = max((sum(counts) for _, counts in rows), default=0) or 1
    drawn = [_stack(index * _ROW, label, counts, series, largest) for index, (label, counts) in enumerate(rows)]
    return _image(title, _ROW * max(1, len(rows)), Markup("").join(drawn))


def _stack(top: int, label: str, counts: Sequence[int], series: Sequence[Series], largest: int) -> Markup:
    parts, left = [], 0.0
    for count, kind in zip(counts, series, strict=True):
        width = (_WIDTH - _TOTAL) * count / largest
        if count:
            parts.append(_bar(kind, count, left=left, top=top + _LABEL + 4, width=width))
        left += width
    total = _text(left + 6, top + _LABEL + _BAR + 1, str(sum(counts)), "figure")
    return _text(0, top + _LABEL - 1, label, "label") + Markup("").join(parts) + total


def _bar(kind: Series, count: int, *, left: float, top: int, width: float) -> Markup:
    # A gap of one unit keeps neighbours apart for whoever does not see their colours.
    drawn = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>')
    return drawn.format(kind.css, _number(left), top, _number(max(1.0, width - 1)), _BAR, kind.name, count)


def columns(title: str, days: Sequence[tuple[str, float]]) -> Markup:
    """Return one column a day (ISO date, value); the highest value and the first and last day are written."""
    highest = max((value for _, value in days), default=0.0)
    step = min(_WIDEST, _WIDTH / max(1, len(days)))
    drawn = [
        _column(day, value, left=index * step, width=step, height=(_COLUMNS - 30) * value / (highest or 1))
        for index, (day, value) in enumerate(days)
    ]
    base = Markup('<line class="axis" x1="0" x2="{}" y1="{}" y2="{}"/>').format(_WIDTH, _COLUMNS - 14, _COLUMNS - 14)
    said = [_text(0, 11, f"highest {highest:.1f}", "figure")]
    if days:
        said.append(_text(0, _COLUMNS - 2, days[0][0], "figure"))
    if len(days) > 1:
        # Under the last column, and clear of the first day's own words.
        end = max(step * len(days), _TWO_DAYS)
        said.append(_text(end, _COLUMNS - 2, days[-1][0], "figure end"))
    return _image(title, _COLUMNS, Markup("").join([*drawn, base, *said]))


def _column(day: str, value: float, *, left: float, width: float, height: float) -> Markup:
    drawn = Markup('<rect class="plain" x="{}" y="{}" width="{}" height="{}"><title>{}: {:.1f}</title></rect>')
    top = _COLUMNS - 14 - height
    return drawn.format(_number(left), _number(top), _number(max(1.0, width - 2)), _number(height), day, value)


def _text(x: float, y: float, words: str, css: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(css, _number(x), _number(y), words)


def _image(title: str, height: int, content: Markup) -> Markup:
    drawn = Markup('<svg class="plot" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>')
    return drawn.format(title, _WIDTH, height, content)


def _number(value: float) -> str:
    return f"{value:.1f}"
