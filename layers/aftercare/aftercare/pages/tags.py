"""A shop's service tags as everybody may see them: data, a page, and what a shop embeds elsewhere.

Pure: the same tags always give the same bytes. A tag that is shown with a warning is shown as any other: the warning is
between the shop and its house, so there is no field for it here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from aftercare.events.vocabulary import Interval, Window, Words
from aftercare.kernel.times import local_day, to_text
from aftercare.pages.badges import (
    HEIGHT,
    STYLE,
    Badge,
    Kind,
    Look,
    badge_svg,
    badge_width,
    inline_svg,
    shields_json,
)
from aftercare.pages.formats import day_text, moment_text
from aftercare.pages.html import HTML_LANGUAGES, Page, content_policy, environment, style_sheet
from aftercare.pages.names import isolated, plain_name
from aftercare.pages.tag_texts import Unit, measure_text, text
from aftercare.pages.texts import Language

SCHEMA_VERSION = 1
EXPIRED = "expired"
"""The reason of a tag that nobody has checked since its validity ended."""
TAGS_JSON, SHOP_JSON_LD = "tags.json", "shop.jsonld"
LANGUAGES: tuple[Language, ...] = ("zh", "en")

_INSTANT = timedelta(microseconds=1)
_LONGEST_ALT = 40
_MARKDOWN_SIGNS = frozenset("\\`*_[]<>!|~&")
_UNIT_CODES: Mapping[Unit, str] = {"days": "DAY", "hours": "HUR", "minutes": "MIN", "seconds": "SEC"}
"""UN/CEFACT Recommendation 20, as schema.org asks for."""


@dataclass(frozen=True, slots=True)
class PublicEvidence:
    """The measurement behind a tag: ``n`` cases of a metric. ``value`` and ``interval`` (95 %) are in ``unit``."""

    metric: str
    n: int
    window: Window
    value: str | None = None
    interval: Interval | None = None
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class PublicTag:
    """A tag as it stands for a shop. Times are UTC; ``valid_until`` is exclusive.

    ``held``: shown or not; None where nobody can tell, and then ``reason`` says why in one word. ``value`` is decimal
    text in ``unit``. ``rule_version`` names the dated rule that decided, ``rule`` says it in one or two sentences.
    """

    code: str
    kind: Kind
    name: Words
    rule: Words
    held: bool | None
    reason: str | None
    value: str | None
    unit: Unit | None
    since: datetime | None
    valid_until: datetime | None
    rule_version: str
    evidence: PublicEvidence | None = None


@dataclass(frozen=True, slots=True)
class PublicShop:
    """A shop with its tags, in the order in which they are shown.

    ``name`` is what the shop calls itself, whatever it contains; ``zone`` its IANA name; ``language`` that of links
    which name none. ``base_url`` is where ``objects`` are published, and ends in ``/``.
    """

    shop: str
    name: str
    zone: str
    language: Language
    evaluated_at: datetime
    tags: Sequence[PublicTag]
    base_url: str
    method_url: str
    report_url: str


@dataclass(frozen=True, slots=True)
class PublicObject:
    """A file to be published: its content type, and its bytes."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Snippet:
    """A badge for somebody else's page: a picture that leads to the rule behind it, without script or frame."""

    html: str
    markdown: str


def as_of(shop: PublicShop, moment: datetime) -> PublicShop:
    """The same at ``moment``: a tag whose validity has ended by then is not shown as if it were still earned."""

    def at_that_time(tag: PublicTag) -> PublicTag:
        ended = tag.held and tag.valid_until is not None and tag.valid_until <= moment
        return replace(tag, held=None, reason=EXPIRED) if ended else tag

    return replace(shop, tags=tuple(map(at_that_time, shop.tags)))


def objects(shop: PublicShop) -> dict[str, PublicObject]:
    """All that is published about a shop: path below ``base_url`` -> file. The links in one lead to the others."""
    files = {
        TAGS_JSON: PublicObject("application/json", tags_json(shop)),
        SHOP_JSON_LD: PublicObject("application/ld+json", json_ld(shop)),
    }
    for language in LANGUAGES:
        page = detail_page(shop, language)
        files[_page_path(language)] = PublicObject(page.headers["content-type"], page.body.encode())
        for tag in shop.tags:
            badge = badge_of(shop, tag)
            svg = badge_svg(badge, language).encode()
            files[_badge_path(tag, language, "svg")] = PublicObject("image/svg+xml", svg)
            files[_badge_path(tag, language, "json")] = PublicObject("application/json", shields_json(badge, language))
    return files


def badge_of(shop: PublicShop, tag: PublicTag) -> Badge:
    """A tag that is not shown has a badge too, so that a page which embeds it never breaks."""
    return Badge(
        kind=tag.kind,
        look=_look(tag),
        name=tag.name,
        value=tag.value,
        unit=tag.unit,
        shop_name=_name(shop),
        zone=shop.zone,
        checked_at=shop.evaluated_at,
        valid_until=tag.valid_until,
    )


def tags_json(shop: PublicShop) -> bytes:
    """The shop's tags for programs."""
    return _to_json(
        {
            "schema_version": SCHEMA_VERSION,
            "shop": shop.shop,
            "name": _name(shop),
            "evaluated_at": to_text(shop.evaluated_at),
            "tags": [_tag_data(shop, tag) for tag in shop.tags],
        }
    )


def json_ld(shop: PublicShop) -> bytes:
    """The shop in schema.org's words, to stand in a ``<script type="application/ld+json">`` of its own page.

    A tag is a property, no ``aggregateRating``: that is for reviews.
    """
    held = [tag for tag in shop.tags if tag.held]
    store: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "OnlineStore",
        "name": _name(shop),
        "identifier": shop.shop,
        "additionalProperty": [_property(shop, tag) for tag in held],
    }
    return _to_json(store)


def snippet(shop: PublicShop, tag: PublicTag, language: Language) -> Snippet:
    """Says nothing of how the tag stands now: that is for the picture, which changes with it."""
    page = _detail_url(shop, tag, language)
    picture = _address(shop.base_url, _badge_path(tag, language, "svg"))
    width = badge_width(badge_of(shop, tag), language)
    name = isolated(plain_name(shop.name, shop.shop, _LONGEST_ALT))
    alt = text(language, "badge.alt", shop=name, name=_in(tag.name, language))
    return Snippet(
        html=(
            f'<a href={quoteattr(page)}><img src={quoteattr(picture)} width="{width}" height="{HEIGHT}" '
            f'alt={quoteattr(alt)} loading="lazy"></a>'
        ),
        markdown=f"[![{_markdown(alt)}]({picture})]({page})",
    )


def detail_page(shop: PublicShop, language: Language) -> Page:
    """One page that says what each tag means, what it rests on, and where to object.

    It keeps its policy where it is published as a file without headers, too.
    """
    style = _page_style()
    policy = content_policy(style, form_action="'none'")
    body = (
        environment()
        .get_template("tags.html")
        .render(
            language=language,
            html_language=HTML_LANGUAGES[language],
            say=functools.partial(text, language),
            style=style,
            policy=policy,
            pages={one: _page_path(one) for one in LANGUAGES},
            data=TAGS_JSON,
            shop=_name(shop),
            evaluated_at=_time(shop, shop.evaluated_at, language),
            tags=[_shown_tag(shop, tag, language) for tag in shop.tags],
            promises=any(tag.kind == "promise" for tag in shop.tags),
            method_url=shop.method_url,
            report_url=shop.report_url,
        )
    )
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-language": HTML_LANGUAGES[language],
        # a frame's owner is told by the header alone: in the page itself, browsers ignore it
        "content-security-policy": f"{policy}; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Page(200, body, headers)


def _tag_data(shop: PublicShop, tag: PublicTag) -> dict[str, Any]:
    return {
        "code": tag.code,
        "name": {"zh": tag.name.zh, "en": tag.name.en},
        "kind": tag.kind,
        "held": tag.held,
        "reason": tag.reason if tag.held is None else None,
        "value": tag.value if tag.held else None,
        "unit": tag.unit if tag.held else None,
        "since": _text(tag.since) if tag.held else None,
        "evaluated_at": to_text(shop.evaluated_at),
        "valid_until": _text(tag.valid_until),
        "rule_version": tag.rule_version,
        "evidence": _evidence_data(tag.evidence),
        "detail_url": _detail_url(shop, tag, shop.language),
        "embed": {language: asdict(snippet(shop, tag, language)) for language in LANGUAGES},
    }


def _evidence_data(evidence: PublicEvidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    interval = evidence.interval
    return {
        "metric": evidence.metric,
        "n": evidence.n,
        "window": {"from": to_text(evidence.window.from_), "to": to_text(evidence.window.to)},
        "value": evidence.value,
        "unit": evidence.unit,
        "interval": {"low": interval.low, "high": interval.high} if interval is not None else None,
    }


def _property(shop: PublicShop, tag: PublicTag) -> dict[str, Any]:
    said: dict[str, Any] = {
        "@type": "PropertyValue",
        "propertyID": tag.code,
        "name": _in(tag.name, shop.language),
        "description": _in(tag.rule, shop.language),
        "value": tag.value if tag.value is not None else True,
        "url": _detail_url(shop, tag, shop.language),
    }
    if tag.value is not None and tag.unit is not None and tag.unit in _UNIT_CODES:
        said["unitCode"] = _UNIT_CODES[tag.unit]
    return said


def _shown_tag(shop: PublicShop, tag: PublicTag, language: Language) -> dict[str, Any]:
    look = _look(tag)
    standing = "unknown" if tag.held is None and look == "hidden" else look
    return {
        "code": tag.code,
        "name": _in(tag.name, language),
        "kind": text(language, f"kind.{tag.kind}"),
        "rule": _in(tag.rule, language),
        "badge": inline_svg(badge_of(shop, tag), language),
        "standing": text(language, f"standing.{standing}"),
        "since": _day(shop, tag.since, language) if tag.held and tag.since is not None else None,
        "valid_until": _time(shop, tag.valid_until, language) if tag.valid_until is not None else None,
        "facts": _facts(shop, tag.evidence, language) if tag.evidence is not None else [],
        "rule_version": tag.rule_version,
    }


def _facts(shop: PublicShop, evidence: PublicEvidence, language: Language) -> list[tuple[str, str]]:
    def measured(value: str) -> str:
        return measure_text(language, value, evidence.unit)

    first = _day(shop, evidence.window.from_, language)
    last = _day(shop, evidence.window.to - _INSTANT, language)
    facts = [
        ("window", text(language, "tag.days", first=first, last=last)),
        ("cases", str(evidence.n)),
    ]
    if evidence.value is not None:
        facts.append(("measured", measured(evidence.value)))
    if evidence.interval is not None:
        low, high = measured(evidence.interval.low), measured(evidence.interval.high)
        facts.append(("interval", text(language, "tag.from_to", low=low, high=high)))
    return facts


def _look(tag: PublicTag) -> Look:
    if tag.held:
        return "shown"
    return "expired" if tag.reason == EXPIRED else "hidden"


def _name(shop: PublicShop) -> str:
    return plain_name(shop.name, plain_name(shop.shop))


def _day(shop: PublicShop, moment: datetime, language: Language) -> str:
    return day_text(language, local_day(moment, shop.zone))


def _time(shop: PublicShop, moment: datetime, language: Language) -> tuple[str, str]:
    """For programs, and for readers."""
    return to_text(moment), moment_text(language, moment, shop.zone)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en


def _page_path(language: Language) -> str:
    return f"{language}.html"


def _badge_path(tag: PublicTag, language: Language, kind: str) -> str:
    return f"{tag.code}.{language}.{kind}"


def _detail_url(shop: PublicShop, tag: PublicTag, language: Language) -> str:
    return f"{_address(shop.base_url, _page_path(language))}#{quote(tag.code, safe='')}"


def _address(base_url: str, path: str) -> str:
    # what would end a Markdown link or an attribute is written in percent; what already is stays
    return quote(base_url, safe=":/?#[]@!$&'*+,;=%~") + quote(path, safe="")


def _markdown(said: str) -> str:
    return "".join(f"\\{one}" if one in _MARKDOWN_SIGNS else one for one in said)


def _to_json(value: Any) -> bytes:
    written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # as JSON it says the same, and inside a page it can neither end the element that it stands in nor begin another
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written.encode()


@functools.cache
def _page_style() -> str:
    return style_sheet("page.css") + style_sheet("tags.css") + STYLE
