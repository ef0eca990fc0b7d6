"""What the template deploys does what it is for: over HTTP, by real time, and with no right but those of its roles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from emulator.deployment import Deployed
from emulator.machine import LOOPBACK, Emulator, eventually
from emulator.marketplace import opened
from flows import PAID, PARTIAL, SHOP, Town, choices, ending, lotus, paid, parcel

from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Table, every
from aftercare.kernel.times import local_day, to_text
from aftercare.scores import keys, store
from sandbox.jwt_issuer import JwtIssuer

pytestmark = pytest.mark.emulator

A_DAY = timedelta(days=1)
ZONE = "Asia/Shanghai"
ORCHID = lotus(
    shop="standard:orchid",
    plans=[],
    tags=["freight_insurance"],
    credentials={
        "secrets": ["whsec_b3JjaGlkLXJlYWQtc2VjcmV0LW5ld2VzdC0wMDAwMDE="],
        "act": "whsec_b3JjaGlkLWFjdC1zZWNyZXQtMDAwMDAwMDAwMDAwMDE=",
    },
)

FOLDER = "shops/standard/orchid"
BADGE = f"{FOLDER}/freight_insurance.zh.svg"


@pytest.fixture(autouse=True)
def _nothing_is_denied(whole: Deployed) -> Iterator[None]:
    yield
    assert whole.denied() == set()


# ---------------------------------------------------------------- the merchant


def test_a_merchant_stores_plans_with_a_token_of_the_issuer(town: Town) -> None:
    policy = town.merchant("GET", "/v1/policy", scope="aftercare/read")
    assert policy["policy"]["plans"] == []
    plans = [plan.model_dump(mode="json") for plan in lotus().plans]
    stored = town.merchant("PUT", "/v1/plans", {"plans": plans, "version": policy["version"]})
    assert [plan["plan_id"] for plan in stored["plans"]] == [plan.plan_id for plan in lotus().plans]


@pytest.mark.parametrize(
    ("audience", "scope", "status"),
    [("somebody-else", "aftercare/write", 401), (None, "aftercare/read", 403)],
    ids=["another audience", "a scope that only reads"],
)
def test_a_token_that_does_not_reach_so_far_is_refused(
    whole: Deployed, issuer: JwtIssuer, audience: str | None, scope: str, status: int
) -> None:
    token = issuer.token(SHOP, [scope], aud=audience or issuer.audience)
    answer = whole.request("PUT", "/v1/plans", {"authorization": f"Bearer {token}"}, b"{}")
    assert answer.status == status


# ---------------------------------------------------------------- a refund


def test_a_refund_goes_from_the_webhook_to_its_settlement(
    town: Town, whole: Deployed, tell: Callable[[str], None]
) -> None:
    cold, warm = (refund(town, whole, order_id) for order_id in ("A1", "A2"))
    tell(
        "a refund, from the webhook that asks for it to SettlementRecorded on the bus: "
        f"{cold:.1f} s where functions start with it, {warm:.1f} s where they run"
    )


def refund(town: Town, whole: Deployed, order_id: str) -> float:
    """Plays it to the end; answers the seconds from the webhook to the settlement."""
    town.pay(order_id, locale="en")
    began = time.monotonic()
    town.ask(order_id, PARTIAL)
    eventually(lambda: town.offers(order_id), "the marketplace is given the offer")
    link = town.link(order_id)
    page = town.look(link)
    assert choices(page) == ["r1o1", "r1o2", "original"]
    assert town.choose(link, "r1o1").status == 303
    eventually(lambda: whole.heard("SettlementRecorded", order_id), "the payout is told")
    took = time.monotonic() - began
    town.tell_decisions()
    eventually(lambda: whole.heard("RefundDecided", order_id), "the marketplace's own word is told")
    eventually(lambda: whole.heard("NegotiationClosed", order_id), "the case is closed")
    eventually(lambda: said(town, order_id), "the buyer is told")

    end = ending(town, order_id)
    assert end.given == (("refund.partial", PAID * 20 // 100),)
    assert end.cases == (("settled", "kept"),)
    assert end.left_to_refund == PAID - PAID * 20 // 100
    assert len(end.messages) == 1
    assert end.ids == 1
    assert town.books.double_payments() == []
    assert choices(town.look(link)) == []
    return took


def said(town: Town, order_id: str) -> list[Any]:
    return [message for message in town.books.messages if message["order_id"] == order_id]


# ---------------------------------------------------------------- a parcel, a score


def test_a_parcel_that_stands_still_is_told(town: Town, whole: Deployed, tell: Callable[[str], None]) -> None:
    now = whole.clock.now()
    town.pay("B1", paid_at=to_text(now - 5 * A_DAY))
    town.say("order.shipped", {"order_id": "B1", "parcel": parcel("B1"), "uploaded_at": to_text(now - 4 * A_DAY)})
    began = time.monotonic()
    town.scan("B1", "picked_up", scanned_at=to_text(now - 4 * A_DAY))
    raised = eventually(
        lambda: [each for each in whole.heard("ShipmentAnomalyRaised", "B1") if each["kind"] == "stalled"],
        "the parcel stands still",
    )
    tell(f"a parcel that stands still, from its last scan to ShipmentAnomalyRaised: {time.monotonic() - began:.1f} s")
    assert raised[0]["parcel"] == parcel("B1")
    [alert] = [each for each in town.merchant("GET", "/v1/shipments/alerts")["alerts"] if each["order_id"] == "B1"]
    assert "stalled" in [anomaly["kind"] for anomaly in alert["anomalies"]]


def test_a_days_facts_are_counted_and_the_week_is_scored(
    town: Town, whole: Deployed, tell: Callable[[str], None]
) -> None:
    now = whole.clock.now()
    paid_at, picked_up_at = now - 8 * A_DAY, now - 8 * A_DAY + timedelta(hours=12)
    town.pay("C1", paid_at=to_text(paid_at))
    town.say("order.shipped", {"order_id": "C1", "parcel": parcel("C1"), "uploaded_at": to_text(picked_up_at)})
    town.scan("C1", "picked_up", scanned_at=to_text(picked_up_at))
    table, day = whole.table("ScoresTable"), local_day(paid_at, ZONE)
    eventually(
        lambda: "ship_hours" in metrics_of(table, local_day(picked_up_at, ZONE)),
        "the facts are on record",
    )
    count_now(whole, day)
    began = time.monotonic()
    whole.sweep()
    card, *_ = eventually(lambda: whole.heard("ScorePublished"), "the week is scored")
    tell(f"a count, from the sweep to ScorePublished: {time.monotonic() - began:.1f} s")
    measured = {each["day"]: {one["id"]: one for one in each["metrics"]} for each in whole.heard("DayMeasured")}
    hours = measured[local_day(picked_up_at, ZONE).isoformat()]["ship_hours"]
    assert (hours["numerator"], hours["denominator"]) == (12 * 3600, 1)
    assert town.merchant("GET", f"/v1/scores/weeks/{card['week']}")["week"] == card["week"]


def metrics_of(table: Table, day: date) -> set[str]:
    rows = store.read_rows_of(every(table, store.rows_of(SHOP, day)), day)
    return {metric for row in rows for metric in row.metrics}


def count_now(whole: Deployed, first: date) -> None:
    """A shop is counted at three in the morning; here it is as if nobody had done so since before that day."""
    table, key, now = whole.table("ScoresTable"), keys.shop_key(SHOP), whole.clock.now()
    was = store.read_shop(key, table.get(key) or {})
    writer = RecordWriter(due_shards=int(whole.environment("fact_ledger")["DUE_SHARDS"]))
    table.write(store.write_shop(writer, was.stored, was.state._replace(counted_to=first - A_DAY), now - A_DAY, now))


# ---------------------------------------------------------------- a tag


def test_a_tag_is_shown_to_everybody_and_told_to_the_marketplace(whole: Deployed, tell: Callable[[str], None]) -> None:
    now = whole.clock.now()
    with opened(whole, ORCHID, since=now - 5 * A_DAY) as town:
        books = town.twin.books(ORCHID.shop_id)
        insured = {"service": "freight_insurance", "active": True, "since": to_text(now - 9 * A_DAY)}
        began = time.monotonic()
        town.deliver(town.twin.say(ORCHID.shop_id, "service.enrolled", insured))
        eventually(lambda: whole.heard("TagChanged"), "the tag is decided")
        eventually(lambda: {BADGE, f"{FOLDER}/tags.json"} <= {*town.public_files()}, "the files stand there")
        tell(f"a tag, from the webhook to the public files: {time.monotonic() - began:.1f} s")
        eventually(lambda: books.tags, "the marketplace is told")
        assert [(told["data"]["tag"], told["data"]["shown"]) for told in books.tags] == [("freight_insurance", True)]
        town.deliver(town.twin.say(ORCHID.shop_id, "order.paid", paid("D1", now, paid_at=to_text(whole.clock.now()))))
        [promised] = eventually(lambda: whole.heard("OrderPromised", "D1"), "the order is owed what is shown")
        assert promised["tag"] == "freight_insurance"


def test_everybody_reads_the_files_of_tags_and_nothing_else(whole: Deployed, running: Emulator) -> None:
    public, lost = whole.resources["PublicFiles"], whole.resources["LostRecords"]
    for bucket, key in ((public, f"{FOLDER}/file"), (public, "elsewhere"), (lost, "record")):
        whole.client("s3").put_object(Bucket=bucket, Key=key, Body=b"something")
    asked = (f"/{public}/{FOLDER}/file", f"/{public}/elsewhere", f"/{public}", f"/{lost}/record")
    assert [running.request(LOOPBACK, "GET", path).status for path in asked] == [200, 403, 403, 403]


def test_the_archive_keeps_what_was_said(whole: Deployed) -> None:
    said = len(whole.published)
    [archive] = whole.client("events").list_archives(NamePrefix=f"{whole.stage}-")["Archives"]
    assert archive["EventCount"] >= said
    assert archive["EventSourceArn"].endswith(f":event-bus/{whole.resources['Bus']}")
