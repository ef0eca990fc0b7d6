"""A service tag as a badge: one small picture that fits light and dark pages, or the words for a badge service.

The picture is drawn by hand because no package measures Chinese text right or writes what a screen reader reads.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from aftercare.events.vocabulary import Words
from aftercare.pages.formats import moment_text
from aftercare.pages.html import HTML_LANGUAGES
from aftercare.pages.names import isolated, plain_name
from aftercare.pages.tag_texts import Unit, measure_text, text
from aftercare.pages.texts import Language

Kind = Literal["promise", "value"]
Look = Literal["shown", "expired", "hidden"]
Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge says. ``value`` is decimal text in ``unit``; ``zone`` is the shop's IANA name, for its times.

    ``valid_until`` is exclusive, and None where the tag is not shown.
    """

    kind: Kind
    look: Look
    name: Words
    value: str | None
    unit: Unit | None
    shop_name: str
    zone: str
    checked_at: datetime
    valid_until: datetime | None


class Colours(NamedTuple):
    """Grounds and inks of a badge: the tag's name stands on the left, what is said of it on the right."""

    name_ground: str
    name_ink: str
    message_ground: str
    message_ink: str


COLOURS: Mapping[Scheme, Mapping[str, Colours]] = {
    "light": {
        "promise": Colours("#343a46", "#ffffff", "#0a6b42", "#ffffff"),
        "value": Colours("#343a46", "#ffffff", "#0b57a4", "#ffffff"),
        "grey": Colours("#e3e5e9", "#565c67", "#f3f4f6", "#565c67"),
    },
    "dark": {
        "promise": Colours("#343a46", "#f2f3f5", "#7fd9a8", "#0b2417"),
        "value": Colours("#343a46", "#f2f3f5", "#8fc0ff", "#0c1f36"),
        "grey": Colours("#2a2d33", "#a9aeb8", "#1e2025", "#a9aeb8"),
    },
}
"""Chosen so that every text keeps a contrast of 4.5 to its ground (WCAG 2.2, 1.4.3)."""

HEIGHT = 24
_FONT_SIZE = 12
_BASELINE = 16.5
_PADDING = 8
_RADIUS = 4
_LONGEST_NAME, _LONGEST_MESSAGE, _LONGEST_SHOP = 32, 20, 40

_FONTS = (
    "Arial,Helvetica,'Liberation Sans','PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Noto Sans SC',"
    "system-ui,sans-serif"
)

# Advance widths of Arial, in thousandths of the font size; Helvetica and Liberation Sans have the same.
_ADVANCES = {
    character: width
    for width, characters in {
        191: "'",
        222: "ijl",
        260: "|",
        278: " !,./:;I[\\]ft\u00a0·",
        333: "()-`r",
        334: "{}",
        355: '"',
        389: "*",
        400: "°",
        469: "^",
        500: "Jcksvxyz",
        549: "≤≥±",
        556: "#$0123456789?L_abdeghnopqu¥–",
        584: "+<=>~×",
        611: "FTZ",
        667: "&ABEKPSVXY",
        722: "CDHNRUw",
        778: "GOQ",
        833: "Mm",
        889: "%",
        944: "W",
        1015: "@",
    }.items()
    for character in characters
}
_EM, _HALF_EM, _UNKNOWN = 1000, 500, 750


def badge_svg(badge: Badge, language: Language) -> str:
    """The badge as SVG to be stored or served: well-formed XML that runs nothing and loads nothing."""
    style = f"<style>{STYLE}</style>"
    return _svg(badge, language, f"<desc>{escape(_description(badge, language))}</desc>{style}", _namespace(language))


def inline_svg(badge: Badge, language: Language) -> str:
    """The badge as part of a page that has ``STYLE`` and itself says what the badge rests on."""
    return _svg(badge, language, "", "")


def shields_json(badge: Badge, language: Language) -> bytes:
    """The answer that a shields.io endpoint badge asks for (shields.io/badges/endpoint-badge).

    ``isError`` keeps an embedding page from painting a badge that is not earned in a colour of its own.
    """
    colours = COLOURS["light"]
    answer: dict[str, object] = {
        "schemaVersion": 1,
        "label": _name(badge, language),
        "message": _message(badge, language),
        "color": colours[badge.kind].message_ground if badge.look == "shown" else colours["grey"].name_ink,
    }
    if badge.look != "shown":
        answer["isError"] = True
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def badge_width(badge: Badge, language: Language) -> int:
    """Pixels. It is the same whether the tag is shown or not, so that no page around a badge moves."""
    name, message = _boxes(badge, language)
    return name + message


def text_width(said: str) -> float:
    """Pixels of a line in the badge's font: a wide character is as wide as the font is high."""
    return sum(map(_advance, said)) * _FONT_SIZE / _EM


def _svg(badge: Badge, language: Language, described: str, namespace: str) -> str:
    name, message = _name(badge, language), _message(badge, language)
    left, right = _boxes(badge, language)
    width, r = left + right, _RADIUS
    colours = badge.kind if badge.look == "shown" else "grey"
    bent, side = f"a{r} {r} 0 0 1", HEIGHT - 2 * r
    left_box = f"M{left} 0v{HEIGHT}H{r}{bent}-{r}-{r}v-{side}{bent} {r}-{r}z"
    right_box = f"M{left} 0h{right - r}{bent} {r} {r}v{side}{bent}-{r} {r}h-{right - r}z"
    title = text(language, "badge.title", name=name, message=message)
    return (
        f'<svg {namespace}class="badge {colours}" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}" role="img"><title>{escape(title)}</title>{described}'
        f'<path class="n" d="{left_box}"/><path class="m" d="{right_box}"/>'
        f"{_line('nt', name, 0, left)}{_line('mt', message, left, right)}</svg>"
    )


def _line(kind: str, said: str, begin: int, width: int) -> str:
    # the length is fixed so that the line also fits where none of the fonts is at hand
    length = math.ceil(text_width(said))
    start = begin + (width - length) / 2
    return (
        f'<text class="{kind}" x="{start:g}" y="{_BASELINE}" textLength="{length}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(said)}</text>'
    )


def _namespace(language: Language) -> str:
    return f'xmlns="http://www.w3.org/2000/svg" xml:lang="{HTML_LANGUAGES[language]}" '


def _boxes(badge: Badge, language: Language) -> tuple[int, int]:
    messages = (
        _shown_message(badge, language),
        text(language, "badge.expired"),
        text(language, "badge.hidden"),
    )
    return _box(_name(badge, language)), max(map(_box, messages))


def _box(said: str) -> int:
    return math.ceil(text_width(said)) + 2 * _PADDING


def _name(badge: Badge, language: Language) -> str:
    return plain_name(_in(badge.name, language), "—", _LONGEST_NAME)


def _message(badge: Badge, language: Language) -> str:
    return _shown_message(badge, language) if badge.look == "shown" else text(language, f"badge.{badge.look}")


def _shown_message(badge: Badge, language: Language) -> str:
    usual = text(language, f"badge.{badge.kind}")
    if badge.value is None:
        return usual
    return plain_name(measure_text(language, badge.value, badge.unit), usual, _LONGEST_MESSAGE)


def _description(badge: Badge, language: Language) -> str:
    said = {
        "shop": isolated(plain_name(badge.shop_name, "—", _LONGEST_SHOP)),
        "checked": moment_text(language, badge.checked_at, badge.zone),
    }
    if badge.valid_until is None:
        return text(language, "badge.checked", **said)
    return text(language, "badge.checked_and_valid", **said, until=moment_text(language, badge.valid_until, badge.zone))


def _in(words: Words, language: Language) -> str:
    return words.zh if language == "zh" else words.en


def _advance(character: str) -> int:
    known = _ADVANCES.get(character)
    if known is not None:
        return known
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    match unicodedata.east_asian_width(character):
        # an ambiguous one comes from the Chinese font where the Latin one lacks it
        case "W" | "F" | "A":
            return _EM
        case "H":
            return _HALF_EM
    return _UNKNOWN


def _rules(scheme: Scheme) -> str:
    return "".join(
        f".badge.{name} .n{{fill:{one.name_ground}}}.badge.{name} .nt{{fill:{one.name_ink}}}"
        f".badge.{name} .m{{fill:{one.message_ground}}}.badge.{name} .mt{{fill:{one.message_ink}}}"
        for name, one in COLOURS[scheme].items()
    )


STYLE = (
    f".badge text{{font:{_FONT_SIZE}px {_FONTS}}}"
    f"{_rules('light')}@media (prefers-color-scheme:dark){{{_rules('dark')}}}"
)
"""One style for every badge, so that a page with many needs it once."""
