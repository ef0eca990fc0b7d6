"""A shop's tags as the public sees them, for the tests of badges and pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aftercare.events.vocabulary import Interval, Window, Words
from aftercare.pages.tags import PublicEvidence, PublicShop, PublicTag

CHECKED = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
VALID_UNTIL = datetime(2026, 11, 24, 16, tzinfo=UTC)
MONTH = Window(from_=datetime(2026, 10, 23, 16, tzinfo=UTC), to=datetime(2026, 11, 22, 16, tzinfo=UTC))


def evidence(**changed: Any) -> PublicEvidence:
    usual: dict[str, Any] = {
        "metric": "pickup_24h",
        "n": 493,
        "window": MONTH,
        "value": "0.9858",
        "interval": Interval(low="0.9709", high="0.9931"),
        "unit": "ratio",
    }
    return PublicEvidence(**{**usual, **changed})


def tag(**changed: Any) -> PublicTag:
    """A promise that is shown."""
    usual: dict[str, Any] = {
        "code": "ships_24h",
        "kind": "promise",
        "name": Words(zh="24小时发货", en="Ships within 24 h"),
        "rule": Words(
            zh="付款后24小时内由快递揽收。最近3个有订单的日子里，按时揽收率低于95%即撤下；连续3个有订单的日子都达到95%才恢复。",
            en=(
                "The carrier picks the parcel up within 24 hours of payment. Below 95 % over the last three days with "
                "orders the tag is taken away; it returns after three such days in a row at 95 % or more."
            ),
        ),
        "held": True,
        "reason": None,
        "value": None,
        "unit": None,
        "since": datetime(2026, 10, 31, 16, tzinfo=UTC),
        "valid_until": VALID_UNTIL,
        "rule_version": "standard-1",
        "evidence": evidence(),
    }
    return PublicTag(**{**usual, **changed})


def ship_time(**changed: Any) -> PublicTag:
    """A number that is shown."""
    usual: dict[str, Any] = {
        "code": "average_ship_time",
        "kind": "value",
        "name": Words(zh="平均发货时长", en="Average time to ship"),
        "rule": Words(
            zh="最近30天内，从付款到快递揽收平均用了多久。至少要有30笔订单。",
            en="How long it took on average from payment to the carrier's pickup in the last 30 days, from 30 orders.",
        ),
        "value": "10.4",
        "unit": "hours",
        "evidence": evidence(metric="ship_hours", value="10.4", unit="hours", interval=None),
    }
    return tag(**{**usual, **changed})


def gone(**changed: Any) -> PublicTag:
    """A promise that is not shown."""
    usual: dict[str, Any] = {
        "code": "damage_guarantee",
        "name": Words(zh="破损包退", en="Damage guarantee"),
        "rule": Words(
            zh="商品在运输途中破损的，签收后7天内可退货退款，运费由店铺承担。",
            en="Goods damaged on their way can be returned for a refund within 7 days; the shop bears the postage.",
        ),
        "held": False,
        "since": None,
        "valid_until": None,
    }
    return tag(**{**usual, **changed})


def too_few(**changed: Any) -> PublicTag:
    """A number of which too little was seen."""
    usual: dict[str, Any] = {
        "code": "support_satisfaction",
        "name": Words(zh="客服满意度", en="Satisfaction with support"),
        "rule": Words(
            zh="最近30天内，对客服表示满意的评价占比。至少要有30次评价。",
            en="The share of satisfied ratings of support in the last 30 days, from 30 ratings.",
        ),
        "held": None,
        "reason": "no_evidence",
        "value": None,
        "unit": None,
        "since": None,
        "valid_until": None,
        "evidence": evidence(metric="chat_satisfaction", n=4, value=None, interval=None),
    }
    return ship_time(**{**usual, **changed})


def expired(**changed: Any) -> PublicTag:
    """A promise that nobody has checked since its validity ended."""
    usual: dict[str, Any] = {
        "code": "door_delivery",
        "name": Words(zh="送货上门", en="Delivered to the door"),
        "rule": Words(
            zh="包裹由快递员送到收货地址门口，而不是放在驿站或快递柜。",
            en="Parcels are brought to the door of the address, not to a station or a locker.",
        ),
        "held": None,
        "reason": "expired",
        "valid_until": datetime(2026, 11, 20, 16, tzinfo=UTC),
    }
    return tag(**{**usual, **changed})


def shop(**changed: Any) -> PublicShop:
    usual: dict[str, Any] = {
        "shop": "taobao:12345",
        "name": "莲花生活馆",
        "zone": "Asia/Shanghai",
        "language": "zh",
        "evaluated_at": CHECKED,
        "tags": (tag(), ship_time(), gone(), too_few(), expired()),
        "base_url": "https://tags.example/v1/shops/taobao/12345/",
        "method_url": "https://tags.example/method",
        "report_url": "mailto:tags@example.com",
    }
    return PublicShop(**{**usual, **changed})
