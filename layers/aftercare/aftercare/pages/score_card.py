"""A shop's weekly score as its merchant reads it: a picture, every number behind it, and what to do next.

Made of the JSON that the merchant API answers. Pure: the same answers always give the same fragment.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from aftercare.pages import score_chart
from aftercare.pages.formats import day_text, moment_text
from aftercare.pages.html import HTML_LANGUAGES, environment, style_sheet
from aftercare.pages.names import plain_name
from aftercare.pages.score_chart import Bar, Chart, Dot, Key, Mood
from aftercare.pages.score_texts import CATALOGUES, METRICS_IN_CHINESE, text
from aftercare.pages.texts import Language
from aftercare.rulepacks.scores import Metric, ScoreRules, score_pack

Json = Mapping[str, Any]

_CHINESE_ASIDE = re.compile(r"\s*\([^()]*[\u4e00-\u9fff][^()]*\)")
_LONGEST_PHRASE = 200
_ONE_DAY, _ONE_WEEK = timedelta(days=1), timedelta(weeks=1)
_HUNDREDTH = Decimal("0.01")
_MOODS: Mapping[str | None, Mood] = {"below_target": "below_target", "alarm": "alarm"}
_NOTHING = "–"


class Number(NamedTuple):
    """``exact`` is the number as the API tells it, ``said`` how it is read."""

    exact: str
    said: str


class Group(NamedTuple):
    """A dimension with its metrics; ``points`` and ``weight`` are absent for what is counted and not scored."""

    name: str
    points: Number | None
    weight: Number | None
    metrics: Sequence[Mapping[str, Any]]


def style() -> str:
    """What a page with such fragments needs once."""
    return style_sheet("score_card.css")


def score_card(card: Json, trend: Sequence[Json], language: Language) -> str:
    """An HTML fragment. ``card`` is what ``GET /v1/scores/weeks/{week}`` or ``/v1/scores/provisional`` answers,
    ``trend`` the list of ``GET /v1/scores/weeks``, the latest first.

    Days are those of the shop's zone; of a provisional card, which does not tell them, the moments in UTC. Raises
    ``DomainError`` for a card of a pack that does not exist.
    """
    rules = score_pack(card["pack"]).for_category(card["category"])
    say = functools.partial(text, language)
    groups = _groups(card, language)
    page = environment().get_template("score_card.html")
    return page.render(
        say=say,
        html_language=HTML_LANGUAGES[language],
        title=_title(card, language),
        sentences=list(_sentences(card, rules, language)),
        facts=_facts(card, language),
        picture=score_chart.svg(_chart(card, trend, rules, groups, language)),
        groups=groups,
        bonus=[_adjustment(each, language) for each in card["bonus"]],
        deductions=[_adjustment(each, language) for each in card["deductions"]],
        unpriced=_listed((_item(kind, language) for kind in card["unpriced_violations"]), language),
        exclusions=[(_excluded(each, card, language), str(each["cases"])) for each in card["exclusions"]],
        score=None if card["score"] is None else _points(card["score"]),
        change=None if card["change"] is None else _change({**card["change"], "points": card["change"]["score"]}),
        others=_others(card["change"]),
        alarms=_listed((each["name"] for group in groups for each in group.metrics if each["is_alarm"]), language),
        next=_next(card, rules, language),
        weeks=[_week(each, language) for each in trend],
        nothing=_NOTHING,
    )


# ---------------------------------------------------------------- the head


def _title(card: Json, language: Language) -> str:
    if card["week"] is None:
        return text(language, "title.now")
    return text(language, "title.week", week=_plain(card["week"]))


def _sentences(card: Json, rules: ScoreRules, language: Language) -> Iterable[str]:
    if card["shown"] is not None:
        yield text(language, "shown", shown=_plain(card["shown"]))
    else:
        reason = _key(language, f"hidden.{card['reason']}", "hidden.other")
        yield text(language, reason, orders=str(card["valid_orders"]), least=str(rules.minimum_orders))
        if card["score"] is not None:
            yield text(language, "hidden.computed")
    first, end = (datetime.fromisoformat(card["window"][side]) for side in ("from", "to"))
    days = round((end - first) / _ONE_DAY)
    if card["week"] is None:
        begins, ends = (moment_text(language, each, None) for each in (first, end))
        yield text(language, "moments", days=str(days), first=begins, last=ends)
    else:
        last = _sunday(card["week"])
        begins, ends = day_text(language, last - (days - 1) * _ONE_DAY), day_text(language, last)
        yield text(language, "days", days=str(days), first=begins, last=ends)


def _facts(card: Json, language: Language) -> list[tuple[str, Number | str]]:
    grade = "none" if card["grade"] is None else f"grade.{card['grade']}"
    facts: dict[str, Number | str | None] = {
        "score": None if card["score"] is None else _points(card["score"]),
        "grade": text(language, grade),
        "valid_orders": _count(card["valid_orders"]),
        "category": None if card["category"] is None else _plain(card["category"]),
        "pack": _plain(card["pack"]),
        "service_weight": Number(card["service_weight"], _plain(card["service_weight"])),
        "revision": None if card["revision"] is None else _count(card["revision"]),
    }
    return [
        (text(language, f"fact.{name}"), text(language, "none") if fact is None else fact)
        for name, fact in facts.items()
        if fact is not None or name in ("score", "category")
    ]


# ---------------------------------------------------------------- the table


def _groups(card: Json, language: Language) -> list[Group]:
    """The dimensions with what is scored in them, then what is only counted."""
    scored: dict[str, list[Json]] = {dimension["id"]: [] for dimension in card["dimensions"]}
    others: list[Json] = []
    for metric in card["metrics"]:
        is_scored = metric["points"] is not None or metric["note"] == "left_out"
        (scored.get(metric["dimension"], others) if is_scored else others).append(metric)
    groups = [
        Group(
            _dimension(dimension["id"], language),
            None if dimension["points"] is None else _points(dimension["points"]),
            _percent(dimension["weight"], language),
            [_metric(metric, language) for metric in scored[dimension["id"]]],
        )
        for dimension in card["dimensions"]
    ]
    if others:
        rest = [_metric(metric, language) for metric in others]
        groups.append(Group(text(language, "dimension.other"), None, None, rest))
    return groups


def _metric(metric: Json, language: Language) -> dict[str, Any]:
    unit = metric["unit"]
    name, counted = _metric_words(metric, language)
    target = None if metric["target"] is None else _measure(metric["target"], unit, language)
    beyond = "at_least" if metric["better"] == "higher" else "at_most"
    judged = None if metric["judged"] is None else _measure(metric["judged"], unit, language)
    low_high = [] if metric["interval"] is None else [metric["interval"][side] for side in ("low", "high")]
    return {
        "id": metric["id"],
        "name": name,
        "counts": counted,
        "numerator": _numerator(metric, language),
        "denominator": _count(metric["denominator"]),
        "counted": text(language, "n_of_d" if unit == "ratio" else "sum_of_d", n="{0}", sum="{0}", d="{1}"),
        "value": None if metric["value"] is None else _measure(metric["value"], unit, language),
        "interval": [_measure(each, unit, language) for each in low_high],
        "target": None if target is None else Number(target.exact, text(language, beyond, value=target.said)),
        "label": None if metric["label"] is None else text(language, f"label.{metric['label']}"),
        "mood": _MOODS.get(metric["label"], ""),
        "is_alarm": metric["label"] == "alarm" and metric["points"] is not None,
        "judged": None if judged is None else Number(judged.exact, text(language, "judged", value=judged.said)),
        "points": None if metric["points"] is None else _points(metric["points"]),
        "exact_points": metric["points"],
        "share": _percent(metric["share"], language),
        "contribution": None if metric["contribution"] is None else _points(metric["contribution"]),
        "note": None if metric["note"] is None else text(language, f"note.{metric['note']}"),
        "beats": None
        if metric["beats_percent"] is None
        else text(language, "beats", percent=str(metric["beats_percent"])),
        "change": _change(metric["change"]),
    }


def _numerator(metric: Json, language: Language) -> Number:
    counted = _count(metric["numerator"])
    if metric["unit"] == "ratio":
        return counted
    unit = "stars" if metric["unit"] == "stars" else "seconds"
    return Number(counted.exact, text(language, f"unit.{unit}", value=counted.said))


def _change(change: Json | None) -> list[Number] | None:
    """The whole, then its parts."""
    return None if change is None else _all_signed(change, ("points", "entered", "left", "restated"))


def _others(change: Json | None) -> dict[str, Number] | None:
    """The parts of a score's change that are no metric's."""
    parts = ("bonus", "deductions", "limits")
    return None if change is None else dict(zip(parts, _all_signed(change, parts), strict=True))


def _all_signed(change: Json, parts: Iterable[str]) -> list[Number]:
    return [Number(change[part], _signed(change[part])) for part in parts]


def _metric_words(metric: Json, language: Language) -> tuple[str, str]:
    """A metric's name, and what of what it counts."""
    if language == "zh" and metric["id"] in METRICS_IN_CHINESE:
        return METRICS_IN_CHINESE[metric["id"]]
    name = metric["title"] if language == "zh" else _CHINESE_ASIDE.sub("", metric["title"])
    counted = f"{metric['counted']} / {metric['of']}"
    return plain_name(name, _plain(metric["id"])), plain_name(counted, _NOTHING, _LONGEST_PHRASE)


# ---------------------------------------------------------------- what to do next


def _next(card: Json, rules: ScoreRules, language: Language) -> dict[str, Any]:
    step = card["next"]
    if step is None:
        why = "next.unscored" if card["score"] is None else "next.top"
        return {"first": text(language, why), "alone": (), "never": None}
    shown = _plain(step["shown"])
    orders = step["good_orders"]
    kinds = {metric.id: metric.cases for metric in rules.metrics}
    names = {metric["id"]: _metric_words(metric, language)[0] for metric in card["metrics"]}

    alone = sorted((cases, id_) for id_, cases in step["good_cases"].items() if cases is not None)
    never = [names.get(id_, _plain(id_)) for id_, cases in step["good_cases"].items() if cases is None]
    return {
        "first": text(language, "next.orders_never", shown=shown)
        if orders is None
        else text(language, "next.orders", count=str(orders), shown=shown),
        "heading": text(language, "next.alone", shown=shown),
        "alone": [
            (names.get(id_, _plain(id_)), text(language, f"next.{kinds.get(id_, 'orders')}_of", count=str(cases)))
            for cases, id_ in alone
        ],
        "never": text(language, "next.never", metrics=_listed(never, language)) if never else None,
    }


def _adjustment(line: Json, language: Language) -> tuple[str, Number]:
    return _item(line["id"], language), Number(line["points"], _signed(line["points"]))


def _item(id_: str, language: Language) -> str:
    key = f"item.{id_}"
    return text(language, key) if key in CATALOGUES[language] else _plain(id_.replace("_", " "))


def _excluded(line: Json, card: Json, language: Language) -> str:
    metric = next((each for each in card["metrics"] if each["id"] == line["metric"]), None)
    return _plain(line["metric"]) if metric is None else _metric_words(metric, language)[0]


# ---------------------------------------------------------------- the weeks and the picture


def _week(line: Json, language: Language) -> dict[str, Any]:
    return {
        "week": _plain(line["week"]),
        "shown": None if line["shown"] is None else Number(line["shown"], _plain(line["shown"])),
        "why_not": text(language, _key(language, f"trend.{line['reason']}", "trend.other")),
        "score": None if line["score"] is None else _points(line["score"]),
        "grade": text(language, "none" if line["grade"] is None else f"grade.{line['grade']}"),
        "orders": _count(line["valid_orders"]),
        "revision": text(language, "trend.revision", revision=str(line["revision"])),
    }


def _chart(card: Json, trend: Sequence[Json], rules: ScoreRules, groups: Sequence[Group], language: Language) -> Chart:
    score = None if card["score"] is None else _points(card["score"]).said
    if score is None:
        standing = text(language, "chart.unscored")
    elif card["shown"] is None:
        standing = text(language, "chart.hidden", score=score)
    else:
        standing = text(language, "chart.shown", shown=_plain(card["shown"]), score=score)
    scored = [group for group in groups if group.weight is not None]
    said = [
        text(language, "chart.dimension_missing", name=group.name)
        if group.points is None
        else text(language, "chart.dimension", name=group.name, points=group.points.said)
        for group in scored
    ]
    dots = [Dot(_sunday(week["week"]).toordinal() // 7, Decimal(week["score"]), week["shown"] is not None)
            for week in trend if week["score"] is not None]  # fmt: skip
    stop = "。" if language == "zh" else "."
    return Chart(
        title=text(language, "chart.title", title=_title(card, language)),
        description=f"{_listed([standing, *said], language)}{stop} {text(language, 'chart.rest')}",
        headline=_NOTHING if card["shown"] is None else _plain(card["shown"]),
        beneath=text(language, "chart.unscored") if score is None else text(language, "points", points=score),
        trend_said=text(language, "chart.trend", weeks=str(len(trend))),
        bars=list(_bars(scored, {metric.id: metric for metric in rules.metrics})),
        trend=dots,
        keys=[
            Key("usual", text(language, "chart.key_points")),
            Key("target", text(language, "chart.key_target")),
            Key("below_target", text(language, "chart.key_below")),
            Key("alarm", text(language, "chart.key_alarm")),
        ],
        lowest=rules.lowest,
        highest=rules.highest,
    )


def _bars(groups: Iterable[Group], known: Mapping[str, Metric]) -> Iterable[Bar]:
    for group in groups:
        points = group.points
        exact = None if points is None else Decimal(points.exact)
        yield Bar(group.name, exact, _NOTHING if points is None else points.said, None, "usual", is_dimension=True)
        for metric in group.metrics:
            reached = None if metric["exact_points"] is None else Decimal(metric["exact_points"])
            said = _NOTHING if metric["points"] is None else metric["points"].said
            target = _target_points(known.get(metric["id"]))
            yield Bar(metric["name"], reached, said, target, metric["mood"] or "usual", is_dimension=False)


def _target_points(metric: Metric | None) -> Decimal | None:
    """What a metric that is right at its target is worth by the table of its tiers."""
    if metric is None or metric.target is None or not metric.tiers:
        return None
    place, tiers = metric.target, metric.tiers
    for (left, low), (right, high) in pairwise(tiers):
        if left <= place <= right:
            return low + (high - low) * (place - left) / (right - left)
    return tiers[0][1] if place < tiers[0][0] else tiers[-1][1]


# ---------------------------------------------------------------- numbers in words


def _points(exact: str) -> Number:
    return Number(exact, f"{Decimal(exact).quantize(_HUNDREDTH):f}")


def _signed(exact: str) -> str:
    rounded = Decimal(exact).quantize(_HUNDREDTH)
    return f"{rounded:+f}".replace("-", "\u2212") if rounded else "0"


def _percent(exact: str, language: Language) -> Number:
    return _measure(exact, "ratio", language)


def _measure(exact: str, unit: str, language: Language) -> Number:
    value = (Decimal(exact) * 100 if unit == "ratio" else Decimal(exact)).quantize(_HUNDREDTH)
    plain = f"{value:f}".rstrip("0").rstrip(".")
    return Number(exact, text(language, f"unit.{unit}", value=plain))


def _count(number: int) -> Number:
    return Number(str(number), f"{number:,}")


# ---------------------------------------------------------------- words


def _plain(said: str) -> str:
    return plain_name(str(said), _NOTHING)


def _listed(names: Iterable[str], language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(names)


def _key(language: Language, wanted: str, instead: str) -> str:
    return wanted if wanted in CATALOGUES[language] else instead


def _dimension(id_: str, language: Language) -> str:
    key = f"dimension.{id_}"
    return text(language, key) if key in CATALOGUES[language] else _plain(id_)


def _sunday(week: str) -> date:
    """The last day of an ISO week such as ``2026-W44``."""
    return date.fromisoformat(f"{week}-7")
