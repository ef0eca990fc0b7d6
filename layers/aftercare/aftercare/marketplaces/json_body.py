"""A delivery's body as JSON, exactly: no digit of a number is lost, and nothing is taken that no store can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from aftercare.kernel.errors import MalformedInput

DEEPEST = 32


@dataclass(frozen=True, slots=True)
class _Fraction:
    """A JSON number with a fraction or an exponent: no field takes one, so it is refused wherever it matters."""

    text: str


def read_object(body: bytes) -> dict[str, Any]:
    """Raises ``MalformedInput`` for anything but one JSON object, with a reason that never repeats what was read."""
    try:
        content = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_float=_Fraction, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise MalformedInput("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedInput(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise MalformedInput("the body is nested too deeply") from None
    except ValueError:
        raise MalformedInput("the body holds a number of too many digits") from None
    if not isinstance(content, dict):
        raise MalformedInput("the body is not a JSON object")
    try:
        _require_storable(content, DEEPEST)
    except UnicodeEncodeError:
        raise MalformedInput("the body holds half of a character (a lone surrogate)") from None
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise MalformedInput("an object of the body names a field twice")
    return content


def _refuse_constant(_name: str) -> NoReturn:
    raise MalformedInput("the body holds NaN or Infinity, which are not JSON")


def _require_storable(value: object, levels: int) -> None:
    if isinstance(value, str):
        value.encode()  # JSON can escape what UTF-8, and with it every store, cannot hold
        return
    if not isinstance(value, dict | list):
        return
    if levels == 0:
        raise MalformedInput(f"the body is nested deeper than {DEEPEST} levels")
    for part in value.values() if isinstance(value, dict) else value:
        _require_storable(part, levels - 1)
