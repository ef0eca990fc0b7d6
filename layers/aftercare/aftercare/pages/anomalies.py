"""What is wrong with a shipment, in a buyer's words, and what its shop is advised to do."""

from __future__ import annotations

from aftercare.events.vocabulary import AnomalyKind, Leg, Words

_WORDS: dict[str, tuple[str, str]] = {
    "lost": (
        "很抱歉，承运商告知您的包裹可能已经遗失。我们正在核实，并会尽快给您解决办法。",
        "We are sorry: the carrier says that your parcel may be lost. We are checking, and will offer a solution.",
    ),
    "damaged": (
        "很抱歉，承运商告知您的包裹在途中有破损。签收前请先查看；如有问题，请联系我们。",
        "We are sorry: the carrier says that your parcel was damaged. Please look at it first and tell us about it.",
    ),
    "refused": (
        "承运商记录您的包裹被拒收，正在等待处理。如果您没有拒收，请联系我们。",
        "The carrier noted that your parcel was refused. If that was not you, please tell us.",
    ),
    "returned_without_consent": (
        "很抱歉，您的包裹正在被退回，而您并没有提出退货。我们正在与承运商核实。",
        "We are sorry: your parcel is on its way back, which you did not ask for. We are checking with the carrier.",
    ),
    "return_loop": (
        "很抱歉，您的包裹在途中反复中转。我们正在与承运商核实。",
        "We are sorry: your parcel keeps being sent back and forth. We are checking with the carrier.",
    ),
    "fake_shipment": (
        "很抱歉，您的包裹信息有误。我们正在核实实际的发货情况。",
        "We are sorry: the parcel's data do not fit your order. We are checking what was really sent.",
    ),
    "wrong_destination": (
        "很抱歉，您的包裹被签收的城市与收货地址不一致。我们正在与承运商核实。",
        "We are sorry: your parcel was delivered in another city than yours. We are checking with the carrier.",
    ),
    "not_at_door": (
        "很抱歉，您的包裹没有按承诺送货上门。如果您需要帮助，请联系我们。",
        "We are sorry: your parcel was not brought to your door as promised. Please tell us if you need help.",
    ),
    "not_received": (
        "您反馈没有收到显示已签收的包裹。我们正在与承运商核实。",
        "You told us that a parcel marked as delivered has not reached you. We are checking with the carrier.",
    ),
    "out_of_stock": (
        "很抱歉，您的商品暂时缺货，未能发出。我们会尽快与您联系。",
        "We are sorry: your goods are out of stock and have not been sent. We will be in touch soon.",
    ),
    "late_pickup": (
        "很抱歉，您的订单没有按承诺的时间发出。我们正在催促发货。",
        "We are sorry: your order was not sent by the time that was promised. We are seeing to it.",
    ),
    "late_delivery": (
        "很抱歉，您的包裹没有按预计的时间送达。我们正在催促承运商。",
        "We are sorry: your parcel did not arrive by the time that was promised. We are urging the carrier.",
    ),
    "stalled.pickup": (
        "很抱歉，您的包裹尚未被承运商揽收。我们正在催促。",
        "We are sorry: the carrier has not picked up your parcel yet. We are seeing to it.",
    ),
    "stalled.dispatch": (
        "很抱歉，您的包裹被揽收后一直没有更新。我们正在催促承运商。",
        "We are sorry: there is no news of your parcel since it was picked up. We are urging the carrier.",
    ),
    "stalled.transit": (
        "很抱歉，您的包裹在途中停留的时间比预期长。我们正在催促承运商。",
        "We are sorry: your parcel has stood still on its way for longer than expected. We are urging the carrier.",
    ),
    "stalled.delivery": (
        "很抱歉，您的包裹在派送途中耽搁了。我们正在催促承运商。",
        "We are sorry: the delivery of your parcel is taking longer than expected. We are urging the carrier.",
    ),
    "stalled.collection": (
        "您的包裹已到达取件点，等您领取。如果不方便前往，请联系我们。",
        "Your parcel is waiting for you at the pickup point. Please tell us if you cannot get there.",
    ),
    "other": (
        "很抱歉，您的订单在配送中遇到了问题。我们正在核实。",
        "We are sorry: something is wrong with the delivery of your order. We are looking into it.",
    ),
}
_ACTIONS = {
    "lost": "claim_from_carrier_and_reissue",
    "damaged": "ask_buyer_and_reissue",
    "refused": "ask_buyer",
    "returned_without_consent": "intercept_or_reissue",
    "return_loop": "ask_carrier",
    "fake_shipment": "check_number_and_ship",
    "wrong_destination": "ask_carrier_to_redeliver",
    "not_at_door": "ask_carrier_to_redeliver",
    "not_received": "ask_carrier_for_proof",
    "out_of_stock": "agree_new_date_or_refund",
    "late_pickup": "ship_or_agree_new_date",
    "late_delivery": "urge_carrier",
    "stalled.pickup": "ask_for_pickup",
    "stalled.dispatch": "urge_carrier",
    "stalled.transit": "urge_carrier",
    "stalled.delivery": "urge_carrier",
    "stalled.collection": "remind_buyer",
}


class AnomalyWording:
    """Nothing of a merchant's, a carrier's or a buyer's goes into these texts."""

    def words(self, kind: AnomalyKind, leg: Leg | None) -> Words:
        chinese, english = _WORDS.get(_key(kind, leg), _WORDS["other"])
        return Words(zh=chinese, en=english)

    def action(self, kind: AnomalyKind, leg: Leg | None) -> str:
        return _ACTIONS.get(_key(kind, leg), "look_into_it")


def _key(kind: AnomalyKind, leg: Leg | None) -> str:
    return f"{kind.value}.{leg.value}" if leg is not None else kind.value
