"""An offer, and what came of it, as messages to the buyer. Pure: the same offer always reads the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from aftercare.kernel.money import Money
from aftercare.pages.formats import days_text, moment_text, money_text
from aftercare.pages.texts import Language, language_of, text


class OfferedOption(Protocol):
    """What these pages look at in an option; ``kind`` is a value of the catalogue's ``OptionKind``."""

    @property
    def kind(self) -> str: ...
    @property
    def amount(self) -> Money | None: ...
    @property
    def coupon_value(self) -> Money | None: ...
    @property
    def coupon_days(self) -> int | None: ...


class OfferWording:
    """Puts offers into the buyer's words."""

    def offer_text(
        self, locale: str, zone: str, opening: str, options: Sequence[OfferedOption], answer_by: datetime
    ) -> str:
        """The message that presents an offer: the merchant's opening, an option a line, and what stays as it is.

        ``locale`` is a BCP 47 tag, ``zone`` an IANA name, ``answer_by`` exclusive.
        """
        language = language_of(locale)
        lines = [f"{number}. {option_text(language, 'gets', option)}" for number, option in enumerate(options, start=1)]
        return "\n".join(
            [
                opening,
                text(language, "message.options"),
                *lines,
                text(language, "message.original"),
                text(language, "message.silence", moment=moment_text(language, answer_by, zone)),
                text(language, "apply_again"),
            ]
        )

    def result_text(self, locale: str, ended: str, chosen: OfferedOption | None) -> str:
        """The message that says what came of an offer: ``ended`` is ``settled``, ``needs_human`` or ``expired``."""
        language = language_of(locale)
        standing = "in_hands" if ended == "needs_human" else ended
        lines = [standing_text(language, standing, chosen)]
        if standing == "in_hands" and chosen is not None:
            lines.append(text(language, "result.chosen", choice=option_text(language, "gets", chosen)))
        return "\n".join([*lines, text(language, "apply_again")])


def option_text(language: Language, about: str, option: OfferedOption) -> str:
    """What the option ``gets`` the buyer, what the buyer ``does`` for it, ``when`` it comes, or how it was settled."""
    money = option.coupon_value or option.amount
    slots = {}
    if money is not None:
        slots["amount"] = money_text(language, money)
    if option.coupon_days is not None:
        slots["days"] = days_text(language, option.coupon_days)
    return text(language, f"{about}.{option.kind}", **slots)


def standing_text(language: Language, standing: str, chosen: OfferedOption | None) -> str:
    """One or two sentences on how an offer stands."""
    if standing == "settled" and chosen is not None:
        return option_text(language, "result.settled", chosen)
    if standing == "superseded" and chosen is not None:
        return text(language, "result.superseded_after_choice")
    return text(language, f"result.{standing}")
