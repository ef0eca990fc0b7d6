"""The scenes: buyers who accept, ask for another offer, decline, stay silent and come back; and what goes wrong.

The last ones, of a shop's weeks, stand in ``weeks``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aftercare.kernel.money import Money
from aftercare.kernel.times import to_text
from sandbox.demo.stage import SHIPMENTS, SHOP_ID, Result, Stage, soon
from sandbox.demo.weeks import BootRoom
from sandbox.twins.signing import sign_delivery
from sandbox.twins.standard import Fault

DAY = timedelta(hours=25)
SHENZHEN = {"country": "CN", "province": "广东省", "city": "深圳市"}
UNAUTHORIZED = 401
ACCEPTED = 202


@dataclass(frozen=True)
class Scene:
    title: str
    play: Callable[[Stage], None]


@dataclass(frozen=True)
class Buyer:
    """Who asks for what: the order, its sample, and what was paid in minor units of CNY."""

    name: str
    order_id: str
    order: str
    request: str
    paid: int


def _cny(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "CNY"}


def _apply(stage: Stage, buyer: Buyer, refund_id: str, **changed: Any) -> None:
    asked = {"amount": _cny(buyer.paid), "lines": None, **changed}
    stage.deliver(
        buyer.request,
        f"{buyer.name} asks for {buyer.paid / 100:.2f} CNY back",
        refund_id=refund_id,
        order_id=buyer.order_id,
        buyer=buyer.name.lower(),
        requested_at=to_text(stage.now),
        respond_by=soon(stage.now, 48),
        **asked,
    )


def _buy(stage: Stage, buyer: Buyer, shop_id: str = SHOP_ID) -> None:
    """An order of three days ago that reached its buyer today."""
    paid_at = stage.now - timedelta(days=3)
    stage.deliver(
        buyer.order,
        f"{buyer.name} has paid order {buyer.order_id}",
        shop_id=shop_id,
        order_id=buyer.order_id,
        buyer=buyer.name.lower(),
        amount=_cny(buyer.paid),
        postage=None,
        paid_at=to_text(paid_at),
        promise={"ship_by": to_text(paid_at + timedelta(days=4)), "door_delivery": True},
    )
    scans = [
        _scan(paid_at + timedelta(hours=hours), status)
        for hours, status in ((10, "picked_up"), (30, "in_transit"), (66, "out_for_delivery"), (70, "delivered"))
    ]
    stage.deliver(
        "parcel_traced",
        "and it was delivered",
        shop_id=shop_id,
        order_id=buyer.order_id,
        parcel={"carrier": "sto", "number": f"7730{buyer.order_id}"},
        scans=scans,
    )


def _scan(at: datetime, status: str) -> dict[str, Any]:
    return {"scanned_at": to_text(at), "status": status, "raw": {"code": status.upper(), "text": status}}


def _result(stage: Stage, buyer: Buyer, offered: int, outcome: str) -> Result:
    paid = sum(payment.amount.minor for payment in stage.books.payments if payment.order_id == buyer.order_id)
    kept = buyer.paid - paid if outcome.startswith("kept") else 0
    return stage.close_case(Result(f"{buyer.name}, order {buyer.order_id}", outcome, buyer.paid, offered, paid, kept))


def accepts(stage: Stage) -> None:
    buyer = Buyer("Lin", "1001", "order_paid_tea_set", "refund_requested_damaged", 25900)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1001")
    link = stage.offer_link()
    stage.open_page(link, "The offer, in Chinese")
    stage.choose(link, "r1o1", "Lin opens the link and takes part of the money; the cups that are whole stay")
    stage.open_page(link, "After the choice")
    result = _result(stage, buyer, 5180, "kept")
    stage.expect(f"Lin was paid {result.paid}", result.paid == 5180)


def asks_for_another(stage: Stage) -> None:
    buyer = Buyer("Emma", "1002", "order_paid_scarf", "refund_requested_not_wanted", 16800)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1002", kind="refund_only")
    stage.open_page(stage.offer_link(), "The offer, in English")
    stage.choose(stage.offer_link(), "another", "Emma asks whether there is another offer")
    stage.choose(stage.offer_link(), "r2o1", "Emma takes the coupon")
    _result(stage, buyer, 1680, "coupon 15.00, came back")
    stage.expect("Emma has a coupon", len(stage.books.coupons) == 1)


def comes_back(stage: Stage) -> None:
    buyer = Buyer("Emma", "1002", "order_paid_scarf", "refund_requested_not_received", 16800)
    _apply(stage, buyer, "R-1002b")
    stage.choose(stage.offer_link(), "r1o1", "Emma changed her mind: all the money back; the unused coupon goes first")
    result = _result(stage, buyer, 16800, "agreed in full")
    states = [coupon.state for coupon in stage.books.coupons.values()]
    stage.expect(f"Emma's coupon is {states}", states == ["revoked"])
    stage.expect(f"Emma was paid {result.paid}", result.paid == 16800)


def declines(stage: Stage) -> None:
    buyer = Buyer("Zhou", "1003", "order_paid_lamp", "refund_requested_damaged", 31800)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1003")
    stage.choose(stage.offer_link(), "original", "Zhou goes on with the original request; nobody asks twice")
    _result(stage, buyer, 6360, "passed on (declined)")


def stays_silent(stage: Stage) -> None:
    buyer = Buyer("Khan", "1004", "order_paid_boots", "refund_requested_damaged", 39900)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1004")
    stage.narrate("Khan does not answer; the clock runs for a day")
    stage.wait(DAY)
    _result(stage, buyer, 7980, "passed on (silent)")


def time_out(stage: Stage) -> None:
    buyer = Buyer("Mei", "1005", "order_paid_lamp", "refund_requested_damaged", 31800)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1005")
    stage.narrate(
        "The marketplace will pay and then fall silent: nobody on our side can know", "sandbox/twins/standard.py"
    )
    stage.twin.fail(Fault.TIMEOUT_AFTER)
    stage.choose(stage.offer_link(), "r1o1", "Mei takes part of the money")
    stage.narrate("UNKNOWN: its books are asked before anything is sent again")
    stage.wait(timedelta(minutes=10))
    result = _result(stage, buyer, 6360, "kept")
    stage.expect(f"Mei was paid {result.paid}", result.paid == 6360)


def steps_in(stage: Stage) -> None:
    buyer = Buyer("Tao", "1006", "order_paid_tea_set", "refund_requested_damaged", 44700)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1006")
    about = {"intervention_id": "D-1006", "order_id": buyer.order_id, "refund_id": "R-1006"}
    stage.deliver("platform_stepped_in", "The platform steps in: the offer waits", at=to_text(stage.now), **about)
    stage.wait(timedelta(hours=30))
    stage.deliver(
        "platform_step_closed", "The platform is done: the remaining time resumes", at=to_text(stage.now), **about
    )
    stage.choose(stage.offer_link(), "r1o2", "Tao chooses new goods")
    _result(stage, buyer, 8000, "kept (reissue)")


def repeated(stage: Stage) -> None:
    buyer = Buyer("Yu", "1007", "order_paid_scarf", "refund_requested_damaged", 16800)
    _buy(stage, buyer)
    _apply(stage, buyer, "R-1007")
    again: Mapping[str, Any] = stage.twin.books(SHOP_ID).offers[-1]
    stage.narrate("The marketplace delivers the same request again, under a new delivery id")
    _apply(stage, buyer, "R-1007")
    stage.expect("Yu has one offer", stage.books.offers[-1] == again)
    stage.choose(stage.offer_link(), "r1o1", "Yu clicks")
    stage.choose(stage.offer_link(), "r1o1", "and clicks once more")
    result = _result(stage, buyer, 3360, "kept")
    stage.expect(f"Yu was paid {result.paid}", result.paid == 3360)


def no_plan(stage: Stage) -> None:
    buyer = Buyer("Ana", "2001", "order_paid_scarf", "refund_requested_not_wanted", 9900)
    _buy(stage, buyer, "new-shop")
    type_, data, file = stage.sample(
        buyer.request,
        refund_id="R-2001",
        order_id=buyer.order_id,
        buyer="ana",
        amount=_cny(buyer.paid),
        requested_at=to_text(stage.now),
        respond_by=soon(stage.now, 48),
    )
    delivery = stage.twin.say("new-shop", type_, data)
    stage.narrate("Ana asks a shop that has written no plan: her request is passed on untouched", file)
    stage.post(delivery.path, delivery.headers, delivery.body)
    stage.settle_down()
    stage.close_case(Result(f"Ana, order {buyer.order_id}", "passed on (no plan)", buyer.paid))


def goes_quiet(stage: Stage) -> None:
    paid, parcel = 31800, {"carrier": "sto", "number": "773000001008"}
    about: dict[str, Any] = {"order_id": "1008", "parcel": parcel}
    stage.deliver(
        "order_paid_lamp",
        "Wen has paid order 1008; it goes from Zhejiang to Guangdong",
        order_id="1008",
        buyer="wen",
        amount=_cny(paid),
        paid_at=to_text(stage.now),
        promise={"ship_by": soon(stage.now, 48), "door_delivery": True},
    )
    stage.deliver("order_shipped", "Its parcel's number is uploaded", uploaded_at=to_text(stage.now), **about)
    stage.wait(timedelta(hours=5))
    stage.deliver("parcel_scanned", "The carrier picks it up", **about, **_scan(stage.now, "picked_up"))
    stage.wait(timedelta(hours=20))
    stage.deliver("parcel_scanned", "It is on its way", **about, **_scan(stage.now, "in_transit"))
    told = len(stage.books.messages)
    stage.narrate("Nothing is heard for three days: longer than the rules allow between provinces")
    stage.wait(timedelta(hours=72, seconds=1))
    [alert] = stage.merchant("/v1/shipments/alerts")["alerts"]
    risk = Money.model_validate(alert["at_risk"])
    stage.narrate(f"The shop's alerts: order {alert['order_id']}, {risk} at risk", f"{SHIPMENTS}/merchant.py")
    stage.wait(timedelta(hours=12))
    [message] = stage.books.messages[told:]
    stage.narrate(f"In the morning Wen is told: {message['data']['text']}", f"{SHIPMENTS}/notices.py")
    stage.deliver("parcel_scanned", "The parcel moves again", **about, **_scan(stage.now, "in_transit"))
    stage.expect("the alert is over", stage.merchant("/v1/shipments/alerts")["alerts"] == [])
    stage.wait(timedelta(hours=20))
    stage.deliver("parcel_scanned", "It is delivered", **about, **_scan(stage.now, "delivered"), region=SHENZHEN)
    stage.expect(f"{risk} was at risk", risk.minor == 1590)
    stage.close_case(Result("Wen, order 1008", "told before asking"))


def bad_input(stage: Stage) -> None:
    secret = stage.shops[0].credentials
    key = secret.secrets[0] if secret else ""
    body = b'{"type": "refund.requested", "data": {"amount": 12.5}}'
    forged = sign_delivery(SHOP_ID, "whsec_" + "A" * 32, "msg_forged", stage.now, body)
    status = stage.post(forged.path, forged.headers, forged.body)
    stage.narrate(f"A forged delivery: {status}", "layers/aftercare/aftercare/marketplaces/standard/verify.py")
    stage.expect(f"the forgery was answered {status}", status == UNAUTHORIZED)
    old = sign_delivery(SHOP_ID, key, "msg_old", stage.now - timedelta(minutes=6), body)
    status = stage.post(old.path, old.headers, old.body)
    stage.narrate(
        f"A genuine one, six minutes old: {status}", "layers/aftercare/aftercare/marketplaces/standard/verify.py"
    )
    stage.expect(f"the stale delivery was answered {status}", status == UNAUTHORIZED)
    for number, broken in enumerate((b'{"type": "refund.requested", ', body, b"\xff\xfe")):
        signed = sign_delivery(SHOP_ID, key, f"msg_broken_{number}", stage.now, broken)
        status = stage.post(signed.path, signed.headers, signed.body)
        stage.expect(f"broken delivery {number} was answered {status}", status == ACCEPTED)
    stage.settle_down()
    stage.narrate(
        "Three genuine but broken ones: taken, kept whole in quarantine", "layers/aftercare/aftercare/intake/service.py"
    )
    stage.close_case(Result("five bad deliveries", "refused or quarantined"))


def scenes() -> tuple[Scene, ...]:
    """All of them, to be played in this order, once."""
    boots = BootRoom()
    return (
        *REFUNDS_AND_PARCELS,
        Scene("A shop's weeks are scored", boots.is_scored),
        Scene("A promise is taken on, and earned", boots.takes_on_a_promise),
        Scene("A bad week", boots.has_a_bad_week),
        Scene("Good days bring the badge back", boots.comes_back),
    )


REFUNDS_AND_PARCELS = (
    Scene("A buyer accepts", accepts),
    Scene("A buyer asks for another offer", asks_for_another),
    Scene("A buyer comes back and wants it all", comes_back),
    Scene("A buyer declines", declines),
    Scene("A buyer stays silent", stays_silent),
    Scene("The marketplace pays and falls silent", time_out),
    Scene("The platform steps in for a while", steps_in),
    Scene("Everything comes twice", repeated),
    Scene("A shop without a plan", no_plan),
    Scene("A parcel goes quiet", goes_quiet),
    Scene("Bad input", bad_input),
)
