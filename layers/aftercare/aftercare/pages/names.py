"""Names that others chose, made fit to stand in a line of ours: one line, not too long, and sure to end where it ends.

Escaping is left to whatever writes the name down.
"""

from __future__ import annotations

import unicodedata

LONGEST = 60
"""Code points of a name that are shown."""

_ELLIPSIS = "…"
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_ZERO_WIDTH_JOINER = "\u200d"
# embeddings, overrides and isolates: one that is left open would turn around the text that follows the name
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_EMOJI_MODIFIERS = range(0x1F3FB, 0x1F400)
_ATTACHED = frozenset({"Mn", "Mc", "Me"})


def plain_name(name: str, instead: str = "", longest: int = LONGEST) -> str:
    """The name in one line of at most so many code points; ``instead`` where nothing of it can be seen.

    Without control characters, halves of surrogate pairs, code points that are no characters, and bidi controls.
    """
    shown = " ".join("".join(map(_shown, name)).split())
    if not any(unicodedata.category(one)[0] in "LNPS" for one in shown):
        return instead
    return shown if len(shown) <= longest else shown[: _end(shown, longest - 1)].rstrip() + _ELLIPSIS


def isolated(name: str) -> str:
    """The name among other text where no ``<bdi>`` can stand: it keeps its own direction and changes no other."""
    return _FIRST_STRONG_ISOLATE + name + _POP_ISOLATE


def _shown(one: str) -> str:
    category = unicodedata.category(one)
    if category == "Cc" or category.startswith("Z"):
        return " "
    code_point = ord(one)
    no_character = code_point & 0xFFFE == 0xFFFE or 0xFDD0 <= code_point <= 0xFDEF
    return "" if category == "Cs" or no_character or one in _BIDI_CONTROLS else one


def _end(text: str, longest: int) -> int:
    # what is drawn as one character is not cut, unless it alone is longer than the whole name may be
    end = longest
    while end > 0 and _belongs_together(text[end - 1], text[end]):
        end -= 1
    return end or longest


def _belongs_together(one: str, following: str) -> bool:
    return (
        _ZERO_WIDTH_JOINER in (one, following)
        or unicodedata.category(following) in _ATTACHED
        or ord(following) in _EMOJI_MODIFIERS
    )
