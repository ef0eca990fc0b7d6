"""The parts of a Shopify body by name, and what a reading of it tells. Pure.

Every reading raises ``MalformedInput`` with the field's name, never its content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.times import from_text

Body = Mapping[str, Any]

LONGEST_ID = 256
COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


class Told(NamedTuple):
    """One event to be said: its name, when it happened, its data, and the customer's own id where it has a buyer."""

    name: str
    happened_at: datetime
    data: dict[str, Any]
    customer: str | None = None


def required_id(holder: Body, name: str) -> str:
    """An id as text: Shopify's are integers of up to 64 bits, and every digit of them stays."""
    found = optional_id(holder, name)
    if found is None:
        raise MalformedInput(f"{name} is missing")
    return found


def optional_id(holder: Body, name: str) -> str | None:
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID:
        raise MalformedInput(f"{name} is not an id of 1 to {LONGEST_ID} characters")
    return value


def required_time(holder: Body, name: str) -> datetime:
    """A time with its offset, in UTC."""
    found = optional_time(holder, name)
    if found is None:
        raise MalformedInput(f"{name} is missing")
    return found


def optional_time(holder: Body, name: str) -> datetime | None:
    value = holder.get(name)
    if value is None:
        return None
    try:
        return from_text(value)
    except (TypeError, ValueError, OverflowError):
        raise MalformedInput(f"{name} is not RFC 3339 text with an offset") from None


def text(holder: Body, name: str) -> str | None:
    """The text of a field without white space around it; None where it is empty, missing or null."""
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedInput(f"{name} is not text")
    return value.strip() or None


def part(holder: Body, name: str) -> Body | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, dict):
        raise MalformedInput(f"{name} is not an object")
    return value


def parts(holder: Body, name: str) -> Sequence[Body]:
    """The objects of a list; none where it is missing or null."""
    value = holder.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise MalformedInput(f"{name} is not a list of objects")
    return value


def region(address: Body, country_field: str) -> dict[str, str | None] | None:
    """Country, province and city; all else of an address stays here. None without an ISO 3166-1 country."""
    country = text(address, country_field)
    if country is None or COUNTRY.fullmatch(country) is None:
        return None
    return {"country": country, "province": text(address, "province"), "city": text(address, "city")}
