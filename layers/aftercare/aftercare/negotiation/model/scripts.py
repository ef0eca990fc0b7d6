"""What a merchant's words to a buyer may not say, whatever the plan: rule-pack data, checked when a plan is saved."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from aftercare.negotiation.model.plans import Words
from aftercare.rulepacks.negotiation import NegotiationRules


@dataclass(frozen=True, slots=True)
class Finding:
    """``language`` is the field of ``Words`` in which the forbidden words stand."""

    language: str
    rule: str
    message: str


def lint(words: Words, rules: NegotiationRules) -> tuple[Finding, ...]:
    """Every rule that the script breaks, in the order of the pack."""
    return tuple(
        Finding(language, forbidden.rule, forbidden.message)
        for forbidden in rules.forbidden_words
        for language, text in (("zh", words.zh), ("en", words.en))
        if any(re.search(pattern, _plain(text), re.IGNORECASE) for pattern in forbidden.patterns)
    )


def _plain(text: str) -> str:
    # full-width letters, zero-width characters and direction marks would hide a word from a pattern
    folded = unicodedata.normalize("NFKC", text)
    return "".join(char for char in folded if unicodedata.category(char) != "Cf")
