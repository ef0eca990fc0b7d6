"""Finds the rule pack of a marketplace that was in force at a moment."""

from __future__ import annotations

import functools
import tomllib
from datetime import datetime
from importlib import resources
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from aftercare.kernel.errors import DomainError
from aftercare.kernel.times import UtcTime

FALLBACK_MARKETPLACE = "standard"


class RulePack(BaseModel):
    """What every pack says of itself. ``effective_to`` is the first moment at which it no longer holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    marketplace: str
    effective_from: UtcTime
    effective_to: UtcTime | None = None

    def in_force(self, moment: datetime) -> bool:
        return self.effective_from <= moment and (self.effective_to is None or moment < self.effective_to)


PackT = TypeVar("PackT", bound=RulePack)


def pack_in_force(packs: tuple[PackT, ...], marketplace: str, moment: datetime) -> PackT:
    """The marketplace's own pack, else the ``standard`` one; raises ``DomainError`` where neither covers the moment."""
    for name in (marketplace, FALLBACK_MARKETPLACE):
        for pack in packs:
            if pack.marketplace == name and pack.in_force(moment):
                return pack
    raise DomainError(f"no rule pack of {marketplace} or {FALLBACK_MARKETPLACE} is in force at {moment.isoformat()}")


@functools.cache
def read_packs(subject: str, model: type[PackT]) -> tuple[PackT, ...]:
    """All packs of a subject, validated."""
    folder = resources.files("aftercare.rulepacks").joinpath(subject)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(model.model_validate(_read(file)) for file in files)


def _read(file: Any) -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return content
