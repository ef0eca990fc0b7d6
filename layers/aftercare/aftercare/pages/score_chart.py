"""A score as a picture: what is shown, the points of everything that makes it beside their targets, the last weeks.

Drawn by hand: a chart package brings scripts, or a hundred megabytes. All ink is the page's own colour but that of the
bars, for which the page has ``score_card.css``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from aftercare.pages.badges import text_width

Mood = Literal["usual", "below_target", "alarm"]

WIDTH = 300
"""Units of the picture, at which its letters are as high as those beside it."""
_HEAD, _ROW, _DIMENSION_ROW, _KEY = 84, 33, 40, 26
_BAR, _DIMENSION_BAR, _LEAST_BAR = 8, 12, 4
_TREND_LEFT, _TREND_TOP, _TREND_HEIGHT = 168, 8, 40
_LEAST_SPAN = Decimal("0.1")
"""Of the scale: what moves less is not drawn as high as the picture."""


class Bar(NamedTuple):
    """``points`` are absent where there are none; ``said`` is what stands for them. ``target`` is in points."""

    name: str
    points: Decimal | None
    said: str
    target: Decimal | None
    mood: Mood
    is_dimension: bool


class Dot(NamedTuple):
    """A week of the trend. ``week`` counts weeks, so that one without a score leaves a gap."""

    week: int
    points: Decimal
    is_shown: bool


class Key(NamedTuple):
    mood: Mood | Literal["target"]
    said: str


class Chart(NamedTuple):
    """``headline`` is what buyers see. Bars and dots lie between ``lowest`` and ``highest``."""

    title: str
    description: str
    headline: str
    beneath: str
    trend_said: str
    bars: Sequence[Bar]
    trend: Sequence[Dot]
    keys: Sequence[Key]
    lowest: Decimal
    highest: Decimal


def svg(chart: Chart) -> str:
    """Well-formed XML, to stand in a page: it runs nothing, loads nothing and has no ids."""
    rows = "".join(_rows(chart))
    height = _HEAD + sum(map(_height, chart.bars)) + _KEY
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="score-picture" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escape(chart.title)}</title><desc>{escape(chart.description)}</desc>"
        f'<text class="headline" x="0" y="44">{escape(chart.headline)}</text>'
        f"{_text(0, 68, chart.beneath)}{_trend(chart)}{rows}{_keys(chart.keys, height - 8)}</svg>"
    )


def _rows(chart: Chart) -> Iterable[str]:
    top = _HEAD
    for bar in chart.bars:
        bottom = top + _height(bar)
        yield _row(chart, bar, bottom - _ROW)
        top = bottom


def _height(bar: Bar) -> int:
    return _DIMENSION_ROW if bar.is_dimension else _ROW


def _row(chart: Chart, bar: Bar, top: int) -> str:
    thick = _DIMENSION_BAR if bar.is_dimension else _BAR
    bold = " dimension" if bar.is_dimension else ""
    y = top + 18
    drawn = [
        _text(0, top + 13, _fitted(bar.name, WIDTH - _broadest(bar.said) - 8), bold),
        _text(WIDTH, top + 13, bar.said, f" end{bold}"),
        f'<rect class="track" x="0" y="{y}" width="{WIDTH}" height="{thick}"/>',
    ]
    if bar.points is not None:
        # the worst there is has a colour too
        width = max(_LEAST_BAR, WIDTH * _place(chart, bar.points))
        drawn.append(f'<rect class="{bar.mood}" x="0" y="{y}" width="{width:.1f}" height="{thick}"/>')
    if bar.target is not None:
        x = (WIDTH - 2) * _place(chart, bar.target)
        drawn.append(f'<rect class="target" x="{x:.1f}" y="{y - 3}" width="2" height="{thick + 6}"/>')
    return "".join(drawn)


def _place(chart: Chart, points: Decimal) -> float:
    return float(min(max((points - chart.lowest) / (chart.highest - chart.lowest), Decimal(0)), Decimal(1)))


def _fitted(name: str, width: float) -> str:
    if _broadest(name) <= width:
        return name
    while name and _broadest(f"{name}…") > width:
        name = name[:-1]
    return f"{name.rstrip()}…"


def _broadest(said: str) -> float:
    # whatever font the reader has: some are a fifth broader than that of the badges
    return text_width(said) * 1.25


def _text(x: float, y: float, said: str, classes: str = "") -> str:
    named = f' class="{classes.strip()}"' if classes else ""
    return f'<text{named} x="{x:g}" y="{y:g}">{escape(said)}</text>'


# ---------------------------------------------------------------- the weeks


def _trend(chart: Chart) -> str:
    if not chart.trend:
        return ""
    dots = sorted(chart.trend)
    places = [(_across(dots, dot), _up(chart, dot)) for dot in dots]
    drawn = [
        f'<line class="trend" x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{two[0]:.1f}" y2="{two[1]:.1f}"/>'
        for one, two, at in zip(places, places[1:], range(len(dots)), strict=False)
        if dots[at + 1].week == dots[at].week + 1
    ]
    drawn += [
        f'<circle class="{"week" if dot.is_shown else "week unseen"}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        for dot, (x, y) in zip(dots, places, strict=True)
    ]
    return "".join(drawn) + _text(WIDTH, 68, chart.trend_said, " end")


def _across(dots: Sequence[Dot], dot: Dot) -> float:
    first, last = dots[0].week, dots[-1].week
    left, right = _TREND_LEFT, WIDTH - 4
    return right if last == first else left + (right - left) * (dot.week - first) / (last - first)


def _up(chart: Chart, dot: Dot) -> float:
    points = [each.points for each in chart.trend]
    span = max(max(points) - min(points), (chart.highest - chart.lowest) * _LEAST_SPAN)
    middle = (max(points) + min(points)) / 2
    return _TREND_TOP + _TREND_HEIGHT * float(Decimal("0.5") - (dot.points - middle) / span)


# ---------------------------------------------------------------- the key


def _keys(keys: Iterable[Key], baseline: int) -> str:
    drawn, x = [], 0.0
    for key in keys:
        if key.mood == "target":
            drawn.append(f'<rect class="target" x="{x + 4:g}" y="{baseline - 11}" width="2" height="14"/>')
        else:
            drawn.append(f'<rect class="{key.mood}" x="{x:g}" y="{baseline - 8}" width="10" height="8"/>')
        drawn.append(_text(x + 14, baseline, key.said, " small"))
        x += 14 + round(_broadest(key.said)) + 8
    return "".join(drawn)
