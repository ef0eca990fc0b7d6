"""What a merchant's words to a buyer may not say, whatever the plan: rule-pack data, checked when a plan is saved."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from aftercare.negotiation.model.plans import Words
from aftercare.rulepacks.negotiation import ForbiddenWords, NegotiationRules, ScriptReading

HAN = "[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
UNSEEN = frozenset({"Cc", "Cf", "Mn", "Me"})
"""Unicode categories of zero-width characters, direction marks, controls and marks on other characters."""
# a Chinese character is no ``\w`` then, so that ``\b`` ends a Latin word that stands right before one
FLAGS = re.IGNORECASE | re.ASCII


@dataclass(frozen=True, slots=True)
class Finding:
    """``language`` is the field of ``Words`` in which the forbidden words stand."""

    language: str
    rule: str
    message: str


def lint(words: Words, rules: NegotiationRules) -> tuple[Finding, ...]:
    """Every rule that the script breaks, in the order of the pack."""
    plain = {"zh": _plain(words.zh, rules.script_reading), "en": _plain(words.en, rules.script_reading)}
    return tuple(
        Finding(language, forbidden.rule, forbidden.message)
        for forbidden in rules.forbidden_words
        for language, text in plain.items()
        if any(_breaks(part, forbidden) for part in _parts(text, forbidden, rules.script_reading))
    )


def _plain(text: str, reading: ScriptReading) -> str:
    """The text in one way of writing: nothing unseen, nothing full-width or traditional, no gaps in Chinese words."""
    # what cannot be seen may stand inside any word, and a line break is a control character too
    seen = "".join(
        char
        for char in unicodedata.normalize("NFKC", text)
        if char.isspace() or unicodedata.category(char) not in UNSEEN
    )
    simplified = seen.translate(str.maketrans(reading.traditional, reading.simplified))
    return re.sub(rf"(?<={HAN})(?:_|[^\w{re.escape(reading.clause_ends)}])+(?={HAN})", "", simplified)


def _parts(text: str, forbidden: ForbiddenWords, reading: ScriptReading) -> list[str]:
    if forbidden.within == "text":
        return [text]
    # the dot of "5.0" ends nothing
    return re.split(rf"[{re.escape(reading.clause_ends)}]|(?<![0-9])[{re.escape(reading.latin_clause_ends)}]", text)


def _breaks(part: str, forbidden: ForbiddenWords) -> bool:
    for phrase in forbidden.innocent:
        part = re.sub(phrase, "", part, flags=FLAGS)
    return any(re.search(pattern, part, FLAGS) for pattern in forbidden.patterns)
