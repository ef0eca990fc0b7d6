"""What a merchant does about a shop's service tags, and what an operator decides about them.

The shop is always the caller's own. Nobody can grant a tag: what is earned is decided by what was measured. Answers are
plain JSON.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from aftercare.kernel.days import start_of
from aftercare.kernel.fields import read
from aftercare.kernel.ports import Clock
from aftercare.kernel.shops import PLAIN, ShopDefaults
from aftercare.kernel.table import Table
from aftercare.kernel.times import local_day, to_text
from aftercare.rulepacks.tags import TagDefinition
from aftercare.tags import keys, store
from aftercare.tags.model import facts
from aftercare.tags.model.forecast import DayState, Margin, forecast, simulated
from aftercare.tags.model.kept import Kept, standing
from aftercare.tags.model.public import definitions, evidence_of
from aftercare.tags.model.refusals import NoSuchTag
from aftercare.tags.model.shop import ShopTags
from aftercare.tags.service import Edit, TagKeeper

Text = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]


class _Asked(BaseModel):
    # a cold function reads one of these
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class BanAsked(_Asked):
    reason: Text


class ProfileAsked(_Asked):
    """What the shop calls itself where its tags are shown, and the language of links that name none (BCP 47)."""

    name: Annotated[str, StringConstraints(max_length=120, strip_whitespace=True)]
    locale: Annotated[str, StringConstraints(min_length=2, max_length=35)]


class TagDesk:
    """``keeper`` makes every change, so that what it changes is decided and said with the same write."""

    def __init__(self, table: Table, clock: Clock, keeper: TagKeeper, defaults: ShopDefaults = PLAIN) -> None:
        self._table = table
        self._defaults = defaults
        self._clock = clock
        self._keeper = keeper

    def tags(self, shop: str) -> dict[str, Any]:
        """Every tag of the shop's rules: how it stands, what it rests on, and how far it is from changing."""
        return self._overview(shop, self._kept(shop))

    def tag(self, shop: str, tag: str) -> dict[str, Any]:
        """One tag with its last weeks, the next seven days, and what an opt-in 30 days ago would have shown.

        Raises ``NoSuchTag``.
        """
        kept = self._kept(shop)
        definition = self._known(kept, tag)
        history = kept.tags.tags.get(tag)
        return {
            **self._look(kept, definition),
            "next_days": [_day(each) for each in forecast(kept.tags, kept.rules_at(), tag).days],
            "if_opted_in": [_day(each) for each in simulated(kept.tags, kept.rules_at(), tag)],
            "history": [
                {"since_the_close_of": run.since.isoformat(), "state": run.state.value, "reason": run.reason.value}
                for run in (history.runs if history else ())
            ],
        }

    def opt_in(self, shop: str, tag: str) -> dict[str, Any]:
        """Takes on a promise from the close of this day on.

        Raises ``NoSuchTag``, ``NotAPromise``, ``TagIsBanned``, ``AlreadyOptedIn`` or ``Transient``.
        """

        def edit(kept: Kept, now: datetime) -> Kept:
            return _with_tags(kept, facts.opted_in(kept.tags, self._definition(kept, tag), _day_of(kept, now)))

        return self._edit(shop, edit)

    def leave(self, shop: str, tag: str) -> dict[str, Any]:
        """Leaves a promise at once; orders that were promised it keep it.

        Raises ``NoSuchTag``, ``NotOptedIn`` or ``Transient``.
        """

        def edit(kept: Kept, now: datetime) -> Kept:
            self._known(kept, tag)
            return _with_tags(kept, facts.left(kept.tags, tag, _day_of(kept, now)))

        return self._edit(shop, edit)

    def ban(self, shop: str, author: str, tag: str, body: Any) -> dict[str, Any]:
        """Takes a tag away until the ban is lifted. Raises ``NoSuchTag``, ``AlreadyBanned`` or ``Transient``."""
        asked = read(BanAsked, body)

        def edit(kept: Kept, now: datetime) -> Kept:
            self._known(kept, tag)
            return _with_tags(kept, facts.banned(kept.tags, tag, _day_of(kept, now), asked.reason, author))

        return self._edit(shop, edit)

    def lift(self, shop: str, author: str, tag: str) -> dict[str, Any]:
        """Lifts a ban: the tag has to be earned anew. Raises ``NoSuchTag``, ``NotBanned`` or ``Transient``."""

        def edit(kept: Kept, now: datetime) -> Kept:
            self._known(kept, tag)
            return _with_tags(kept, facts.lifted(kept.tags, tag, _day_of(kept, now), author))

        return self._edit(shop, edit)

    def set_profile(self, shop: str, body: Any) -> dict[str, Any]:
        """Raises ``InvalidFields`` or ``Transient``."""
        asked = read(ProfileAsked, body)
        wanted = (asked.name, asked.locale)
        return self._edit(
            shop,
            lambda kept, _: (
                kept if (kept.name, kept.locale) == wanted else kept._replace(name=wanted[0], locale=wanted[1])
            ),
        )

    # ------------------------------------------------------------ answers

    def _overview(self, shop: str, kept: Kept) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "shop": shop,
            "name": kept.name,
            "locale": kept.locale,
            "zone": kept.tags.zone,
            "checked_to": None if kept.tags.decided_to is None else kept.tags.decided_to.isoformat(),
            "rules": kept.rules_of(now).id,
            "tags": [self._look(kept, definition) for definition in definitions(kept, kept.rules_of(now))],
        }

    def _look(self, kept: Kept, definition: TagDefinition) -> dict[str, Any]:
        now, zone, tag = self._clock.now(), kept.tags.zone, definition.id
        state, since = standing(kept, definition, now)
        evidence = evidence_of(definition, state.evidence, zone)
        valid_until = state.valid_until
        return {
            "tag": tag,
            "kind": definition.kind,
            "name": {"zh": definition.name.zh, "en": definition.name.en},
            "rule": {"zh": definition.rule.zh, "en": definition.rule.en},
            "places": list(definition.places),
            "state": state.state.value,
            "reason": state.reason.value,
            "since": None if state.since is None and tag not in kept.said else to_text(since),
            "value": state.value,
            "valid_until": None if valid_until is None else to_text(start_of(valid_until, zone)),
            "opted_in": definition.kind == "value" or kept.tags.is_opted_in(tag, local_day(now, zone)),
            "bans": [
                {"from": ban.span.first.isoformat(), "reason": ban.reason, "by": ban.by, "lifted_by": ban.lifted_by}
                for ban in kept.tags.bans.get(tag, ())
            ],
            "evidence": None if evidence is None else evidence.model_dump(mode="json", exclude_none=True),
            "margins": [_margin(each) for each in forecast(kept.tags, kept.rules_at(), tag, 0).margins],
        }

    # ------------------------------------------------------------ the table

    def _kept(self, shop: str) -> Kept:
        return store.read_shop(shop, self._table.get(keys.shop_key(shop)), self._defaults).kept

    def _edit(self, shop: str, edit: Edit) -> dict[str, Any]:
        return self._overview(shop, self._keeper.edit(shop, edit).kept)

    def _known(self, kept: Kept, tag: str) -> TagDefinition:
        """Of the rules, or one that has ended and may still be shown."""
        for each in definitions(kept, kept.rules_of(self._clock.now())):
            if each.id == tag:
                return each
        raise NoSuchTag(f"the rules of the shop have no tag {tag}")

    def _definition(self, kept: Kept, tag: str) -> TagDefinition:
        found = kept.rules_of(self._clock.now()).tag(tag)
        if found is None:
            raise NoSuchTag(f"the rules of the shop have no tag {tag}")
        return found


def _with_tags(kept: Kept, tags: ShopTags) -> Kept:
    return kept._replace(tags=tags)


def _day_of(kept: Kept, now: datetime) -> date:
    return local_day(now, kept.tags.zone)


def _day(day: DayState) -> dict[str, str]:
    return {"day": day.day.isoformat(), "state": day.state.value}


def _margin(margin: Margin) -> dict[str, Any]:
    return {
        "metric": margin.metric,
        "bad_orders_until_lost": margin.bad_until_lost,
        "good_orders_until_safe": margin.good_until_safe,
    }
