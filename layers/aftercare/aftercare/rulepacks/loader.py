"""Finds the rule pack of a marketplace that was in force at a moment."""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from importlib import resources
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import UtcTime

FALLBACK_MARKETPLACE = "standard"
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")


def _exact(value: Any) -> Any:
    # 0.95 written as a TOML number would already be another number
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise ValueError(f"{value!r} is not decimal text such as '0.95'")


Exact = Annotated[Decimal, BeforeValidator(_exact)]
"""A number of a rule, written as decimal text: no float decides what anybody is shown."""


class BrokenRulePack(ValueError):
    """A file that is no pack, named with all that is wrong in it: a fault of the deployment, not of what was asked."""


class RulePack(BaseModel):
    """What every pack says of itself. ``aliases`` are other names of its marketplace, such as the prefix of its shops;
    ``effective_to`` is the first moment at which it no longer holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    marketplace: str
    aliases: tuple[str, ...] = ()
    effective_from: UtcTime
    effective_to: UtcTime | None = None

    def in_force(self, moment: datetime) -> bool:
        return self.effective_from <= moment and (self.effective_to is None or moment < self.effective_to)

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.marketplace, *self.aliases})


PackT = TypeVar("PackT", bound=RulePack)


def pack_in_force(packs: tuple[PackT, ...], marketplace: str, moment: datetime) -> PackT:
    """The marketplace's own pack, else the ``standard`` one; raises ``DomainError`` where neither covers the moment."""
    for name in (marketplace, FALLBACK_MARKETPLACE):
        for pack in packs:
            if name in pack.names and pack.in_force(moment):
                return pack
    raise DomainError(f"no rule pack of {marketplace} or {FALLBACK_MARKETPLACE} is in force at {moment.isoformat()}")


@functools.cache
def read_packs(subject: str, model: type[PackT]) -> tuple[PackT, ...]:
    """All packs of a subject; raises ``BrokenRulePack`` for one with an error, and for two in force at once."""
    folder = resources.files("aftercare.rulepacks").joinpath(subject)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    packs = tuple(parse_pack(f"{subject}/{file.name}", file.read_text(encoding="utf-8"), model) for file in files)
    refuse_overlaps(packs)
    return packs


PartT = TypeVar("PartT", bound=BaseModel)


def parse_pack(name: str, text: str, model: type[PartT]) -> PartT:
    """What a TOML text says; raises ``BrokenRulePack`` with ``name``, the fields and what is wrong with them."""
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BrokenRulePack(f"{name}: {error}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'the pack'}: {fault['msg']}" for fault in error.errors())
        raise BrokenRulePack(f"{name}: {'; '.join(faults)}") from error


def refuse_overlaps(packs: Iterable[RulePack]) -> None:
    """One marketplace has one pack at a time: otherwise the order of files would decide."""
    for one, other in itertools.combinations(sorted(packs, key=lambda pack: pack.effective_from), 2):
        if one.names & other.names and one.in_force(other.effective_from):
            raise BrokenRulePack(f"{one.id} is still in force when {other.id} begins: give it that effective_to")
