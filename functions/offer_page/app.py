"""GET and POST /offers/{token}: the buyer looks at an offer, and chooses once.

In: an API Gateway request (payload format 2.0); a POST carries a form with ``choice``: an option's id, ``original`` or
``another``. Out: a page. Looking changes nothing; a choice answers 303, whatever came of it, and the page it leads to
says how the offer stands. 400 for a form without a usable choice, 404 for a link that is not ours, 503 to try again.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, unquote

from aftercare import bootstrap
from aftercare.aws.logs import log
from aftercare.kernel.errors import Transient
from aftercare.negotiation.model.cases import Case
from aftercare.negotiation.model.drafts import AnsweredAlready, NoSuchCase, NoSuchOption, NotNow, TooLate
from aftercare.negotiation.model.links import OfferLink, UnknownLink, from_token, to_token
from aftercare.negotiation.service import Negotiation
from aftercare.pages import offer


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    lang = (event.get("queryStringParameters") or {}).get("lang")
    stranger = lang or (event.get("headers") or {}).get("accept-language") or "zh"
    try:
        page = _answer(event, lang)
    except (UnknownLink, NoSuchCase):
        page = offer.unknown_link(stranger)
    except Transient as error:
        log("offer page unavailable", level="WARNING", error=type(error).__name__)
        page = offer.unavailable(stranger)
    return {"statusCode": page.status, "headers": dict(page.headers), "body": page.body}


def _answer(event: dict[str, Any], lang: str | None) -> offer.Page:
    desk = bootstrap.offer_page()
    keys = desk.keys()
    link = from_token(unquote((event.get("pathParameters") or {}).get("token", "")), keys)
    if event["requestContext"]["http"]["method"] != "POST":
        return offer.render(desk.negotiation.look(link), lang)
    choice = _choice(event)
    try:
        case = _choose(desk.negotiation, link, choice)
        # who asked for another offer is led to it
        link = link._replace(round=case.round.number if case.round else link.round)
    except NoSuchOption:
        return offer.render(desk.negotiation.look(link), lang, bad_choice=True)
    except (AnsweredAlready, TooLate, NotNow):
        pass
    return offer.redirect(to_token(link, keys), lang)


def _choose(negotiation: Negotiation, link: OfferLink, choice: str | None) -> Case:
    if choice in (offer.ORIGINAL, offer.ANOTHER):
        return negotiation.decline(link, ask_for_another=choice == offer.ANOTHER)
    return negotiation.accept(link, choice or "")


def _choice(event: dict[str, Any]) -> str | None:
    body = event.get("body") or ""
    try:
        form = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        chosen = parse_qs(form.decode(), max_num_fields=8).get("choice", [])
    except ValueError:
        return None
    return chosen[0] if len(chosen) == 1 else None
