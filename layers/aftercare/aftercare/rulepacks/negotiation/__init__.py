"""Negotiation's guardrails: their form. The numbers stand in the TOML files beside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aftercare.rulepacks.loader import RulePack, pack_in_force, read_packs

Minutes = Annotated[int, Field(strict=True, ge=0)]
MinorUnits = Annotated[int, Field(strict=True, ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class CompensationRules(_Part):
    percent_of_paid: Annotated[int, Field(ge=0, le=100)]
    caps: dict[str, MinorUnits]


class AnsweringRules(_Part):
    margin: Minutes
    shortest_answer: Minutes
    default_deadline: dict[str, Minutes]


class WaitingRules(_Part):
    order: Minutes
    promises: Minutes
    platform: Minutes


class SettlementRules(_Part):
    remind: Minutes
    remind_person: Minutes
    deadline: Minutes
    lease: Minutes
    held_recheck: Minutes
    retry: tuple[Minutes, ...]
    default_brake: dict[str, MinorUnits]


class Suppression(_Part):
    reasons: tuple[str, ...]
    order_flags: tuple[str, ...]


class ScriptReading(_Part):
    """Each character of ``traditional`` is read as the one of ``simplified`` in the same place."""

    traditional: str
    simplified: str
    clause_ends: str
    latin_clause_ends: str

    @model_validator(mode="after")
    def _characters_come_in_pairs(self) -> ScriptReading:
        if len(self.traditional) != len(self.simplified):
            raise ValueError("traditional and simplified must be of one length")
        return self


class ForbiddenWords(_Part):
    """``patterns`` are looked for after the ``innocent`` phrases, which hold the same words, are taken out."""

    rule: str
    message: str
    within: Literal["clause", "text"] = "clause"
    innocent: tuple[str, ...] = ()
    patterns: tuple[str, ...]


class NegotiationRules(RulePack):
    compensation: CompensationRules
    answering: AnsweringRules
    waiting: WaitingRules
    settlement: SettlementRules
    suppressed: Suppression
    script_reading: ScriptReading
    forbidden_words: tuple[ForbiddenWords, ...]


def negotiation_rules(marketplace: str, moment: datetime) -> NegotiationRules:
    """The guardrails in force at ``moment``; raises ``DomainError`` where no pack covers it."""
    packs: tuple[NegotiationRules, ...] = read_packs("negotiation", NegotiationRules)
    return pack_in_force(packs, marketplace, moment)
