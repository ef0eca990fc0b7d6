"""What a deployment sets for shops that nobody has registered, through the template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from builders import order_paid
from flows import REFUND_STORY, Town, town

from aftercare.negotiation.model.cases import CaseState

PARAMETERS = {
    "DefaultZone": "Asia/Shanghai",
    "MarketplacePacks": "standard=taobao",
    "PayoutBrakePerHour": "CNY=1,EUR=60000",
}
NEW_SHOP = "standard:peony"


@pytest.fixture(scope="module")
def lotus() -> Iterator[Town]:
    with town(backend="memory", parameters=PARAMETERS, payout_brake_per_hour=None) as found:
        yield found


def test_a_shop_that_nobody_registered_has_the_stacks_zone_and_rules(lotus: Town) -> None:
    settings = lotus.merchant("GET", "/v1/shipments/settings", shop=NEW_SHOP)["settings"]
    assert (settings["zone"], settings["pack"]) == ("Asia/Shanghai", "taobao")
    assert lotus.merchant("GET", "/v1/policy", shop=NEW_SHOP)["policy"]["zone"] == "Asia/Shanghai"
    tags = lotus.merchant("GET", "/v1/tags", shop=NEW_SHOP)
    assert "flash_delivery" in {tag["tag"] for tag in tags["tags"]}


def test_what_a_shop_does_not_choose_stays_the_stacks(lotus: Town) -> None:
    saved = lotus.merchant("PUT", "/v1/shipments/settings", {"version": 0, "settings": {"locale": "en"}}, shop=NEW_SHOP)
    assert (saved["settings"]["zone"], saved["settings"]["pack"]) == ("Asia/Shanghai", "taobao")


def test_a_shop_is_entered_for_its_scores_in_the_stacks_zone_and_rules(lotus: Town) -> None:
    paid = order_paid()
    lotus.sandbox.bus.publish([replace(paid, metadata=paid.metadata.model_copy(update={"shop": NEW_SHOP})).entry()])
    lotus.sandbox.run_until_quiet()
    registered = lotus.merchant("GET", "/v1/scores/registration", shop=NEW_SHOP)
    assert (registered["zone"], registered["pack"]) == ("Asia/Shanghai", "taobao")


def test_a_payout_above_the_stacks_brake_is_held_where_the_shop_has_none(lotus: Town) -> None:
    REFUND_STORY.play(lotus, "A1")
    lotus.wait(timedelta(minutes=1))
    assert lotus.case("A1").state is CaseState.SETTLING
    assert lotus.books.payments == []


def test_delays_cannot_be_told_through_a_door_that_only_listens(lotus: Town) -> None:
    wanted = {"version": 0, "settings": {"delay_messages": {}}}
    refused = lotus.merchant("PUT", "/v1/shipments/settings", wanted, shop="shopify:lotus")
    assert [error["field"] for error in refused["errors"]] == ["settings.delay_messages"]
