"""The buyer's page: an offer to choose from, or how it stands. One answer of plain HTML, without script or cookie."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aftercare.kernel.money import Money
from aftercare.pages.formats import moment_text, money_text
from aftercare.pages.html import HTML_LANGUAGES, Page, content_policy, environment, style_sheet
from aftercare.pages.texts import Language, language_of, text
from aftercare.pages.wording import OfferedOption, option_text, standing_text

ORIGINAL = "original"
"""The choice that leaves every offer and continues with the original request."""
ANOTHER = "another"
"""The choice that leaves the offers and asks for the next round."""
ORDER_DIGITS = 4

OK, SEE_OTHER, BAD_REQUEST, NOT_FOUND, UNAVAILABLE = 200, 303, 400, 404, 503


class IdentifiedOption(OfferedOption, Protocol):
    @property
    def option_id(self) -> str: ...


class ShownOffer(Protocol):
    """What the page looks at in an offer. Times are UTC; ``zone`` is an IANA name, UTC where it is None."""

    @property
    def standing(self) -> str: ...
    @property
    def shop(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def opening(self) -> str: ...
    @property
    def options(self) -> Sequence[IdentifiedOption]: ...
    @property
    def answer_by(self) -> datetime: ...
    @property
    def requested(self) -> Money | None: ...
    @property
    def chosen(self) -> IdentifiedOption | None: ...
    @property
    def chosen_at(self) -> datetime | None: ...
    @property
    def closed_at(self) -> datetime | None: ...
    @property
    def may_ask_for_another(self) -> bool: ...
    @property
    def locale(self) -> str: ...
    @property
    def zone(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to choose: the form's ``value``, and the three lines that every card has."""

    value: str
    gets: str
    does: str
    when: str


def choices(offer: ShownOffer) -> tuple[str, ...]:
    """The values that the form of this offer may send."""
    return tuple(card.value for card in _cards(offer, "en"))


def render(offer: ShownOffer, lang: str | None, *, bad_choice: bool = False) -> Page:
    """The offer as it stands, in the language asked for or else the buyer's.

    ``bad_choice`` answers a form that said nothing usable: 400, with the form again where there is still one.
    """
    language = language_of(lang or offer.locale)
    status = BAD_REQUEST if bad_choice else OK
    shown: dict[str, Any] = {"shop": offer.shop.partition(":")[2], "order": offer.order_id[-ORDER_DIGITS:]}
    if offer.standing == "open":
        shown |= _choice(offer, language)
        return _page(status, "choice.html", language, **shown, bad_choice=bad_choice)
    return _page(status, "status.html", language, **shown, **_status(offer, language))


def unknown_link(lang: str) -> Page:
    """404: nothing is said about why."""
    return _page(NOT_FOUND, "notice.html", language_of(lang), notice="unknown")


def unavailable(lang: str) -> Page:
    """503: nobody can say from here whether a choice was recorded, so the page does not either."""
    return _page(UNAVAILABLE, "notice.html", language_of(lang), notice="unavailable")


def redirect(token: str, lang: str | None) -> Page:
    """303 to the page of a checked token, so that reloading it sends no form again."""
    query = f"?lang={language_of(lang)}" if lang else ""
    # relative, because the page may stand behind any host and path
    return Page(SEE_OTHER, headers={**_headers(), "location": token + query})


def _choice(offer: ShownOffer, language: Language) -> dict[str, Any]:
    as_before = "" if offer.requested is not None else "_as_before"
    answer_by = moment_text(language, offer.answer_by, offer.zone)
    return {
        "opening": offer.opening,
        "opening_language": HTML_LANGUAGES[language_of(offer.locale)],
        "deadline": text(language, f"choice.deadline{as_before}", moment=answer_by),
        "why": text(language, f"choice.why{as_before}"),
        "cards": _cards(offer, language),
    }


def _status(offer: ShownOffer, language: Language) -> dict[str, Any]:
    # under the link of an earlier round, the case may hold a choice that this page never offered
    chosen = None if offer.standing == "replaced" else offer.chosen
    times: list[tuple[str, datetime | None]] = []
    if chosen is not None:
        times.append(("chosen_at", offer.chosen_at))
    if offer.standing == "expired":
        times.append(("answer_by", offer.answer_by))
    elif offer.standing != "replaced":
        times.append(("closed_at", offer.closed_at))
    return {
        "title": text(language, f"title.{offer.standing}"),
        "result": standing_text(language, offer.standing, chosen),
        "chosen": option_text(language, "gets", chosen) if chosen is not None else None,
        "times": [(name, moment_text(language, at, offer.zone)) for name, at in times if at is not None],
        "waiting": [option_text(language, "gets", one) for one in offer.options] if offer.standing == "paused" else [],
    }


def _cards(offer: ShownOffer, language: Language) -> list[Card]:
    cards = [
        Card(option.option_id, *(option_text(language, line, option) for line in ("gets", "does", "when")))
        for option in offer.options
    ]
    cards.append(_original_card(offer.requested, language))
    if offer.may_ask_for_another:
        cards.append(_card(ANOTHER, ANOTHER, language))
    return cards


def _original_card(requested: Money | None, language: Language) -> Card:
    if requested is None:
        return _card(ORIGINAL, "as_before", language)
    if requested.minor == 0:
        # an exchange, say, is asked for without a sum
        return _card(ORIGINAL, "original_without_sum", language)
    return _card(ORIGINAL, "original", language, amount=money_text(language, requested))


def _card(value: str, about: str, language: Language, **slots: str) -> Card:
    gets = text(language, f"gets.{about}", **slots)
    return Card(value, gets, text(language, f"does.{about}"), text(language, f"when.{about}"))


def _page(status: int, template: str, language: Language, **shown: Any) -> Page:
    html = environment().get_template(template)
    body = html.render(
        language=language,
        html_language=HTML_LANGUAGES[language],
        say=functools.partial(text, language),
        style=style_sheet("page.css"),
        **shown,
    )
    return Page(status, body, _headers())


@functools.cache
def _headers() -> Mapping[str, str]:
    policy = content_policy(style_sheet("page.css"), form_action="'self'")
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": f"{policy}; frame-ancestors 'none'",
        "cache-control": "no-store",
        # the address is the buyer's key to the offer: no other site shall learn it
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex",
    }
