"""What happens in the town, so that every route has an answer worth reading, and every refusal its occasion."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from aftercare.kernel.errors import Transient
from aftercare.kernel.times import to_text
from aftercare.scores.model.exclusions import MOST_EXCLUSIONS
from tools.openapi.routes import ANOMALY, CASE, OPERATE, ROOMS
from tools.openapi.town import (
    DAY,
    HOUR,
    REQUESTS_PER_MINUTE,
    SHOP_ID,
    STRANGER,
    TAG,
    VALUE_TAG,
    Town,
)

MINUTE = timedelta(minutes=1)
HANGZHOU = {"country": "CN", "province": "浙江省", "city": "杭州市"}
PAID = 25_900
"""Minor units of CNY, what every order of the story costs."""
ITEM = "porcelain-tea-set-6"
LATE_DAYS = 1, 6
"""Days on which an order is handed over a day late, counted from the first; one of them is ``LATE_ORDER``."""
LATE_ORDER = "11031"
STARS = 5, 5, 2, 5, 4
NOT_FOUND, CONFLICT, UNPROCESSABLE, BAD_REQUEST = 404, 409, 422, 400


def cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def tell(town: Town) -> None:
    """All of it, in its order."""
    for chapter in CHAPTERS:
        chapter(town)


# ---------------------------------------------------------------- what the marketplace tells


def sell(town: Town, order_id: str) -> None:
    line = {"line_id": "1", "item_id": ITEM, "category": "tableware", "quantity": 1, "amount": cny(PAID)}
    by = {"ship_by": to_text(town.now + 2 * DAY), "deliver_by": to_text(town.now + 6 * DAY)}
    town.hear(
        "order_paid_tea_set",
        order_id=order_id,
        buyer=f"buyer of {order_id}",
        amount=cny(PAID),
        postage=None,
        lines=[line],
        paid_at=to_text(town.now),
        promise={**by, "door_delivery": True},
    )


def parcel(order_id: str) -> dict[str, str]:
    return {"carrier": "sto", "number": f"7730{order_id}"}


def scan(town: Town, order_id: str, status: str) -> None:
    town.hear(
        "parcel_scanned",
        order_id=order_id,
        parcel=parcel(order_id),
        scanned_at=to_text(town.now),
        status=status,
        raw={"code": status.upper(), "text": status},
        region=HANGZHOU if status == "picked_up" else None,
        hub=None,
        signed_by="recipient" if status == "delivered" else None,
    )


def ask_for_refund(town: Town, order_id: str, reason: str) -> None:
    town.hear(
        "refund_requested_damaged",
        refund_id=f"R-{order_id}",
        order_id=order_id,
        buyer=f"buyer of {order_id}",
        reason={"code": reason, "raw": reason},
        amount=cny(PAID),
        lines=None,
        requested_at=to_text(town.now),
        respond_by=to_text(town.now + 48 * HOUR),
    )
    town.settle_down()


def sell_and_deliver(town: Town, order_id: str) -> None:
    sell(town, order_id)
    for status in ("picked_up", "out_for_delivery", "delivered"):
        town.wait(HOUR)
        scan(town, order_id, status)
    town.settle_down()


# ---------------------------------------------------------------- two weeks of sales


def two_weeks(town: Town) -> None:
    """Four orders a day; what is late, asked in the chat and said in reviews makes the score."""
    town.ask("GET", "/v1/scores/provisional", shop=STRANGER, expect=NOT_FOUND)
    town.ask("GET", "/v1/scores/registration", shop=STRANGER, expect=NOT_FOUND)
    town.ask("POST", "/v1/tags/<tag>/opt-in", ids={"tag": TAG})
    town.hear("service_enrolled", since=to_text(town.now))
    left: list[str] = []
    on_the_way: list[str] = []
    for day in range(14):
        sold = [f"{town.now:%m%d}{number}" for number in range(1, 5)]
        for order_id in sold:
            sell(town, order_id)
        for order_id in on_the_way:
            scan(town, order_id, "delivered")
        _is_talked_to(town, day, on_the_way)
        town.wait(7 * HOUR)
        late = sold[:1] if day in LATE_DAYS else []
        on_the_way = [*left, *(order_id for order_id in sold if order_id not in late)]
        left = late
        for order_id in on_the_way:
            scan(town, order_id, "picked_up")
        town.wait(17 * HOUR)
    for order_id in on_the_way:
        scan(town, order_id, "delivered")
    for kind in ("late_shipment", "rude_words"):
        town.hear("violation_recorded", kind=kind, order_id=LATE_ORDER, at=to_text(town.now))
    town.settle_down()


def _is_talked_to(town: Town, day: int, delivered: list[str]) -> None:
    for number in range(3):
        asked_at = town.now - 10 * (number + 1) * MINUTE
        answered_at = asked_at + (5 if number == day % 5 else 1) * MINUTE
        about = {"session_id": f"S{day}-{number}", "asked_at": to_text(asked_at), "answered_at": to_text(answered_at)}
        town.hear("chat_round_closed", **about)
    for order_id in delivered[:1]:
        stars = {"item": STARS[day % len(STARS)], "delivery": 5, "service": 5}
        about = {"review_id": f"V{order_id}", "order_id": order_id, "posted_at": to_text(town.now)}
        town.hear("review_posted", **about, item_id=ITEM, stars=stars, text=None)


# ---------------------------------------------------------------- refunds


def plans() -> list[dict[str, Any]]:
    """One whose offers go out by themselves, one that asks first, and one that holds cases out."""
    return [
        {
            "plan_id": "damaged",
            "priority": 300,
            "situation": {"triggers": ["refund_requested"], "reasons": ["damaged", "quality"]},
            "opening": {"zh": "真的很抱歉，宝贝到您手上时有破损。", "en": "We are truly sorry that it was damaged."},
            "limits": {"budgets": ["daily"], "per_buyer_30_days": {"cases": 3}},
            # more than the rules let a buyer have: saved with a warning
            "rounds": [{"options": [{"kind": "partial_refund", "percent": 40}, {"kind": "reissue"}]}],
        },
        {
            "plan_id": "wrong-size",
            "needs_approval": True,
            "situation": {"triggers": ["refund_requested"], "reasons": ["wrong_size"]},
            "opening": {"zh": "尺码不合适，我们来解决。", "en": "Let us sort the size out."},
            "limits": {"per_item_day": {"cases": 1}},
            "rounds": [{"options": [{"kind": "exchange"}]}],
        },
        {
            "plan_id": "not-wanted",
            "hold_out_percent": 50,
            "situation": {"triggers": ["refund_requested"], "reasons": ["not_wanted"], "amount_to": cny(100_000)},
            "opening": {"zh": "感谢您的光临。", "en": "Thank you for shopping with us."},
            "rounds": [{"options": [{"kind": "coupon", "face_value": cny(1_500), "valid_days": 60}]}],
        },
    ]


def refunds(town: Town) -> None:
    version = town.ask("GET", "/v1/policy")["version"]
    town.ask("PUT", "/v1/plans", {"version": version, "plans": plans()})
    town.ask("GET", "/v1/plans")
    town.ask("PUT", "/v1/plans", {"version": version, "plans": []}, expect=CONFLICT)
    town.ask("PUT", "/v1/budgets", {"version": version, "budgets": {}}, expect=CONFLICT)
    town.ask("PUT", "/v1/kill-switch", {"version": version, "on": True}, expect=CONFLICT)
    budgets = {"daily": {"per_day": cny(50_000)}}
    town.ask("PUT", "/v1/budgets", {"version": version + 1, "budgets": budgets, "payout_brake_per_hour": cny(20_000)})

    kept = _case_of(town, "A1", "damaged")
    town.choose("r1o1")
    town.ask("GET", CASE, ids=kept)
    town.ask("GET", f"{CASE}/evidence", ids=kept)
    town.ask("POST", f"{CASE}/approve", expect=CONFLICT, ids=kept)

    waiting, beyond = _case_of(town, "A2", "wrong_size"), _case_of(town, "A3", "wrong_size")
    town.ask("GET", CASE, ids=waiting)
    town.ask("POST", f"{CASE}/approve", ids=waiting)
    town.choose("r1o1")
    # the first of the day has used the plan up
    town.ask("POST", f"{CASE}/approve", expect=CONFLICT, ids=beyond)
    by_hand = _case_of(town, "A4", "damaged")
    town.ask("GET", "/v1/cases", query={"since": "2026-11-16T00:00:00Z", "limit": "3"})
    town.ask("POST", f"{CASE}/take-over", {"reason": "talks to the buyer on the phone"}, ids=by_hand)
    for number in range(5, 11):
        _case_of(town, f"A{number}", "not_wanted")
    town.choose("r1o1")
    given = _case(town, str(town.twin.books(SHOP_ID).offers[-1]["order_id"]))
    town.ask("GET", f"{CASE}/evidence", ids=given)

    _a_payout_is_held(town, version + 2)
    span = {"from": "2026-11-16T00:00:00Z", "to": "2026-11-18T00:00:00Z"}
    town.ask("GET", "/v1/keep-rate", query=span)
    nothing = {"order_id": "A1", "negotiation_id": "nothing"}
    town.ask("GET", CASE, expect=NOT_FOUND, ids=nothing)
    town.ask("GET", f"{CASE}/evidence", expect=NOT_FOUND, ids=nothing)
    town.ask("POST", f"{CASE}/approve", expect=NOT_FOUND, ids=nothing)
    town.ask("POST", f"{CASE}/take-over", {"reason": "by hand"}, expect=NOT_FOUND, ids=nothing)


def _a_payout_is_held(town: Town, version: int) -> None:
    """For a day, by the kill switch: then a person has to look into the marketplace's books."""
    town.ask("PUT", "/v1/kill-switch", {"version": version, "on": True})
    held = _case_of(town, "A20", "damaged")
    town.choose("r1o1")
    town.ask("POST", f"{CASE}/take-over", {"reason": "by hand"}, expect=CONFLICT, ids=held)
    town.wait(25 * HOUR)
    [payout] = town.ask("GET", CASE, ids=held)["payouts"]
    found = {"key": payout["key"], "paid": False, "evidence": "no refund of that order in the statement of 17 November"}
    town.ask("POST", "/v1/payouts/resolve", found)
    town.ask("POST", "/v1/payouts/resolve", found, expect=CONFLICT)
    town.ask("POST", "/v1/payouts/resolve", {**found, "key": "nothing"}, expect=NOT_FOUND)
    town.ask("PUT", "/v1/kill-switch", {"version": version + 1, "on": False})


def _case_of(town: Town, order_id: str, reason: str) -> dict[str, str]:
    sell_and_deliver(town, order_id)
    ask_for_refund(town, order_id, reason)
    return _case(town, order_id)


def _case(town: Town, order_id: str) -> dict[str, str]:
    found = [one for one in town.ask("GET", "/v1/cases")["cases"] if one["order_id"] == order_id]
    return {"order_id": order_id, "negotiation_id": found[0]["negotiation_id"]}


def a_buyer_is_forgotten(town: Town) -> None:
    town.ask("POST", "/v1/orders/<order_id>/buyer/erase", ids={"order_id": "A1"})
    town.ask("POST", "/v1/orders/<order_id>/buyer/erase", ids={"order_id": "nothing"}, expect=NOT_FOUND)


# ---------------------------------------------------------------- parcels


def parcels(town: Town) -> None:
    saved = town.ask("GET", "/v1/shipments/settings")
    wanted = {"pack": "taobao", "zone": "Asia/Shanghai", "delay_messages": {"kinds": ["stalled", "late_delivery"]}}
    town.ask("PUT", "/v1/shipments/settings", {"version": saved["version"], "settings": wanted})
    town.ask("PUT", "/v1/shipments/settings", {"version": saved["version"], "settings": wanted}, expect=CONFLICT)

    _a_parcel_goes_quiet(town)
    alerts = town.ask("GET", "/v1/shipments/alerts")["alerts"]
    [alert] = [one for one in alerts if one["order_id"] == "B1"]
    town.ask("GET", "/v1/shipments/exposure")
    town.ask("GET", "/v1/orders/<order_id>/shipment", ids={"order_id": "B1"})
    ids = {"order_id": "B1", "anomaly_id": alert["anomalies"][0]["anomaly_id"]}
    mute = {"reason": "the carrier looks into it", "until": to_text(town.now + 2 * DAY)}
    town.ask("POST", f"{ANOMALY}/mute", mute, ids=ids)
    town.ask("POST", f"{ANOMALY}/unmute", ids=ids)
    scan(town, "B1", "delivered")
    town.settle_down()
    town.ask("POST", f"{ANOMALY}/mute", mute, expect=CONFLICT, ids=ids)
    town.ask("POST", f"{ANOMALY}/unmute", expect=CONFLICT, ids=ids)
    nothing = {"order_id": "B1", "anomaly_id": "nothing"}
    town.ask("POST", f"{ANOMALY}/mute", mute, expect=NOT_FOUND, ids=nothing)
    town.ask("POST", f"{ANOMALY}/unmute", expect=NOT_FOUND, ids=nothing)
    town.ask("GET", "/v1/orders/<order_id>/shipment", expect=NOT_FOUND, ids={"order_id": "nothing"})
    # one that was asked to be refunded
    town.ask("GET", "/v1/orders/<order_id>/shipment", ids={"order_id": "A1"})


def _a_parcel_goes_quiet(town: Town) -> None:
    """With two orders in it; its carrier says so before we do."""
    for order_id in ("B1", "B2"):
        sell(town, order_id)
        town.hear("order_shipped", order_id=order_id, parcel=parcel("B1"), uploaded_at=to_text(town.now))
    town.wait(5 * HOUR)
    scan(town, "B1", "picked_up")
    town.wait(20 * HOUR)
    scan(town, "B1", "in_transit")
    town.wait(60 * HOUR)
    town.hear("parcel_exception_reported", order_id="B1", parcel=parcel("B1"), at=to_text(town.now))
    town.wait(13 * HOUR)


# ---------------------------------------------------------------- scores


def scores(town: Town) -> None:
    week = town.ask("GET", "/v1/scores/weeks")["weeks"][0]["week"]
    card = town.ask("GET", "/v1/scores/weeks/<week>", ids={"week": week})
    town.ask("GET", "/v1/scores/weeks/<week>", ids={"week": "2026-W30"}, expect=NOT_FOUND)
    town.ask("GET", "/v1/scores/provisional")
    town.ask("GET", "/v1/scores/items")
    town.ask("GET", "/v1/scores/cases", query={"metric": "on_time_pickup", "day": "2026-11-04", "limit": "2"})
    for metric in ("reply_3min", "positive_rating"):
        town.ask("GET", "/v1/scores/cases", query={"metric": metric, "day": "2026-11-04"})
    late = {"order_id": LATE_ORDER, "metrics": ["on_time_pickup"], "reason": "storm warning"}
    _decide(town, "exclude", late)
    _decide(town, "exclude", {"session_id": "S1-0", "metrics": ["*"], "reason": "a test of ours"})
    town.ask("GET", "/v1/scores/exclusions")
    _decide(town, "bring-back", {**late, "reason": "there was no storm"})
    unheard = {**late, "order_id": "nothing"}
    town.ask("POST", f"{OPERATE}/scores/exclude", unheard, expect=NOT_FOUND)
    town.ask("POST", f"{OPERATE}/scores/bring-back", unheard, expect=NOT_FOUND)
    every = {**late, "metrics": [metric["id"] for metric in card["metrics"]]}
    for _ in range((MOST_EXCLUSIONS - 1) // len(card["metrics"])):
        _decide(town, "exclude", every)
        _decide(town, "bring-back", every)
    town.ask("POST", f"{OPERATE}/scores/exclude", every, expect=CONFLICT)
    known = town.ask("GET", "/v1/scores/registration")
    wanted = {"zone": "Asia/Shanghai", "pack": "taobao", "category": "tea", "shop_class": "flagship"}
    town.ask("POST", f"{OPERATE}/scores/register", {**wanted, "version": known["version"]})
    town.ask("POST", f"{OPERATE}/scores/register", {**wanted, "version": known["version"]}, expect=CONFLICT)
    town.wait(DAY)
    # by the card of another pack, and with what was excluded left out
    town.ask("GET", "/v1/scores/provisional")


def _decide(town: Town, what: str, body: Any) -> None:
    town.ask("POST", f"{OPERATE}/scores/{what}", body)
    # the clock of the town stands still, and two decisions of one moment are one too many
    town.wait(MINUTE)


# ---------------------------------------------------------------- service tags


def tags(town: Town) -> None:
    town.ask("GET", "/v1/tags")
    town.ask("GET", "/v1/tags/<tag>", ids={"tag": TAG})
    town.ask("GET", "/v1/tags/<tag>", ids={"tag": VALUE_TAG})
    town.ask("PUT", "/v1/tags/profile", {"name": "茶居", "locale": "zh"})
    town.ask("POST", "/v1/tags/<tag>/opt-in", ids={"tag": TAG}, expect=CONFLICT)
    town.ask("POST", "/v1/tags/<tag>/opt-in", ids={"tag": VALUE_TAG}, expect=CONFLICT)
    town.ask("POST", "/v1/tags/<tag>/leave", ids={"tag": TAG})
    town.ask("POST", "/v1/tags/<tag>/leave", ids={"tag": TAG}, expect=CONFLICT)
    ban = {"reason": "parcels were scanned before they were handed over"}
    town.ask("POST", f"{OPERATE}/tags/<tag>/ban", ban, ids={"tag": TAG})
    town.ask("POST", f"{OPERATE}/tags/<tag>/ban", ban, ids={"tag": TAG}, expect=CONFLICT)
    town.ask("POST", "/v1/tags/<tag>/opt-in", ids={"tag": TAG}, expect=CONFLICT)
    town.ask("POST", f"{OPERATE}/tags/<tag>/lift", ids={"tag": TAG})
    town.ask("POST", f"{OPERATE}/tags/<tag>/lift", ids={"tag": TAG}, expect=CONFLICT)
    town.ask("GET", "/v1/tags/<tag>", ids={"tag": "nothing"}, expect=NOT_FOUND)
    for path in ("/v1/tags/<tag>/opt-in", "/v1/tags/<tag>/leave", f"{OPERATE}/tags/<tag>/lift"):
        town.ask("POST", path, ids={"tag": "nothing"}, expect=NOT_FOUND)
    town.ask("POST", f"{OPERATE}/tags/<tag>/ban", ban, ids={"tag": "nothing"}, expect=NOT_FOUND)


# ---------------------------------------------------------------- what was set aside


def quarantine(town: Town) -> None:
    town.hear_broken(b'{"type": "refund.requested", "data": {"amount": 12.5}}')
    town.settle_down()
    [entry] = town.ask("GET", "/v1/quarantine")["entries"]
    click = {"id": entry["id"], "version": entry["version"]}
    town.ask("POST", "/v1/quarantine/replay", click)
    town.ask("POST", "/v1/quarantine/replay", click, expect=CONFLICT)
    town.ask("POST", "/v1/quarantine/replay", {**click, "shelf": "EVENTS"}, expect=CONFLICT)
    town.ask("POST", "/v1/quarantine/replay", {**click, "id": "nothing"}, expect=NOT_FOUND)
    town.ask("GET", "/v1/quarantine", query={"shelf": "QUARANTINE"})


# ---------------------------------------------------------------- refusals that can meet everybody


def refusals(town: Town) -> None:
    town.ask("GET", "/v1/policy", scopes=(), expect=401)
    town.ask("GET", "/v1/policy", scopes=("openid",), expect=403)
    town.ask("GET", "/v1/policy", shop=None, expect=403)
    version = town.ask("GET", "/v1/policy")["version"]
    wrong = {**plans()[0], "plan_id": "Damaged", "answer_minutes": 10}
    town.ask("PUT", "/v1/plans", {"version": version, "plans": [wrong]}, expect=UNPROCESSABLE)
    for room in ROOMS.values():
        for (method, path), route in room.items():
            ids = dict.fromkeys(re.findall("<([a-z_]+)>", path), "nothing")
            if route.body is not None:
                town.ask(method, path, "{", expect=BAD_REQUEST, ids=ids)
                town.ask(method, path, {"nothing": 1}, expect=UNPROCESSABLE, ids=ids)
            if route.query is not None:
                town.ask(method, path, query={"nothing": "1"}, expect=UNPROCESSABLE, ids=ids)
    for error, status in ((Transient("throttled"), 503), (RuntimeError("a mistake of ours"), 500)):
        with town.sandbox.faults.nest(function="merchant_api", call=1, callback=partial(_raise, error)):
            town.ask("GET", "/v1/policy", expect=status)


def _raise(error: Exception, _event: object) -> None:
    raise error


def too_many_requests(town: Town) -> None:
    for _ in range(REQUESTS_PER_MINUTE):
        town.ask("GET", "/v1/policy", shop=STRANGER)
    town.ask("GET", "/v1/policy", shop=STRANGER, expect=429)


CHAPTERS: tuple[Callable[[Town], None], ...] = (
    two_weeks,
    refunds,
    a_buyer_is_forgotten,
    parcels,
    scores,
    tags,
    quarantine,
    refusals,
    too_many_requests,
)
