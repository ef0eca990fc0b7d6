"""What a buyer is told, once each: the offer with its link, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from aftercare.events.negotiation import OffersExpired, OffersPresented, SettlementRecorded
from aftercare.events.vocabulary import OptionKind, SettlementResult
from aftercare.kernel.envelope import Event, EventData
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import Action, ActionStatus, ActionType, Clock, Marketplace
from aftercare.kernel.table import Key, Table, WriteRefused
from aftercare.kernel.times import to_text
from aftercare.negotiation import keys, store
from aftercare.negotiation.model.cases import Case, CaseState, Option, Round
from aftercare.negotiation.model.deadlines import answer_by
from aftercare.negotiation.model.links import LinkKeys, OfferLink, to_token
from aftercare.negotiation.model.orders import Order
from aftercare.negotiation.model.references import OfferReference
from aftercare.negotiation.service import rules_of

OFFER = "offer"


class NotDelivered(Transient):
    """Nobody knows whether the buyer got the message; it is sent again under the same key."""


class ResultWording(Protocol):
    """Puts the end of a case into the buyer's words."""

    def result_text(self, locale: str, ended: str, chosen: Option | None) -> str:
        """``ended`` is ``settled``, ``needs_human`` or ``expired``; ``chosen`` what the buyer took."""


class BuyerNotice:
    """``marketplace`` gives, for a shop, the one that may speak to its buyers."""

    def __init__(
        self,
        table: Table,
        clock: Clock,
        wording: ResultWording,
        marketplace: Callable[[str], Marketplace],
        link_keys: Callable[[], LinkKeys],
        public_base_url: str,
    ) -> None:
        self._table = table
        self._clock = clock
        self._wording = wording
        self._marketplace = marketplace
        self._link_keys = link_keys
        self._public_base_url = public_base_url.rstrip("/")

    def take_in(self, event: Event[EventData]) -> None:
        """Tells the buyer of an offer or a result. Raises ``Transient`` when the message must be tried again."""
        shop = event.metadata.shop
        match event.data:
            case OffersPresented(order_id=order_id, negotiation_id=case_id, round=number):
                self._tell_offer(shop, order_id, case_id, number)
            case OffersExpired(order_id=order_id, negotiation_id=case_id):
                self._tell_result(shop, order_id, case_id, "expired")
            case SettlementRecorded(kind=OptionKind.COUPON_REVOCATION):
                pass
            case SettlementRecorded(order_id=order_id, negotiation_id=case_id, result=result):
                ended = "settled" if result is SettlementResult.PAID else "needs_human"
                self._tell_result(shop, order_id, case_id, ended)
            case _:
                pass

    def _tell_offer(self, shop: str, order_id: str, case_id: str, number: int) -> None:
        key = keys.notice_key(case_id, number, OFFER)
        order, case = self._unless_told(shop, order_id, case_id, key)
        shown = case.round_numbered(number) if case is not None else None
        if order is None or case is None or shown is None:
            return
        rules = rules_of(order, self._clock.now())
        current = case.state in (CaseState.OFFERED, CaseState.PAUSED) and shown is case.round
        if not current or self._clock.now() >= answer_by(order, case, rules):
            # too late to be of use: the buyer has answered, or the offer has ended
            return
        link = OfferLink(shop, order_id, case_id, number)
        url = f"{self._public_base_url}/offers/{to_token(link, self._link_keys())}"
        marketplace = self._marketplace(shop)
        shows_offers = ActionType.OFFERS_PRESENT in marketplace.capabilities.actions and case.refund_id is not None
        data: dict[str, Any] = {"text": shown.text, "link": url, "answer_by": to_text(answer_by(order, case, rules))}
        if case.session_id is not None:
            data["session_id"] = case.session_id
        if shows_offers:
            data["options"] = [self._as_external(order, case, shown, option) for option in shown.options]
        if shows_offers and self._send(marketplace, key, order, case, ActionType.OFFERS_PRESENT, data):
            return
        data.pop("options", None)
        self._send(marketplace, key, order, case, ActionType.MESSAGE_SEND, data)

    def _tell_result(self, shop: str, order_id: str, case_id: str, ended: str) -> None:
        key = keys.notice_key(case_id, 0, ended)
        order, case = self._unless_told(shop, order_id, case_id, key)
        if order is None or case is None or case.round is None:
            return
        if ended == "needs_human" and case.state is CaseState.SETTLED:
            # it has ended well meanwhile, and that is told by itself
            return
        text = self._wording.result_text(case.round.locale, ended, case.chosen.option if case.chosen else None)
        self._send(self._marketplace(shop), key, order, case, ActionType.MESSAGE_SEND, {"text": text})

    def _unless_told(self, shop: str, order_id: str, case_id: str, key: Key) -> tuple[Order | None, Case | None]:
        at = keys.order_key(shop, order_id)
        found = self._table.get_many([at, key])
        if key in found or at not in found:
            return None, None
        order = store.read_order(shop, order_id, found[at]).order
        return order, order.case(case_id)

    def _send(
        self,
        marketplace: Marketplace,
        key: Key,
        order: Order,
        case: Case,
        action_type: ActionType,
        data: Mapping[str, Any],
    ) -> bool:
        """Whether it was taken. A refused offer is not on record: it goes out as a message instead."""
        action = Action(
            type=action_type,
            key=f"{case.negotiation_id}/{key.sort}/{action_type.value}",
            shop=order.shop,
            order_id=order.order_id,
            refund_id=case.refund_id,
            data=data,
        )
        outcome = marketplace.act(action)
        if outcome.status is ActionStatus.AMBIGUOUS:
            raise NotDelivered(f"{action_type}: {outcome.reason}")
        if outcome.status is ActionStatus.REFUSED and action_type is ActionType.OFFERS_PRESENT:
            return False
        # the key known with other content: it went out before, with a link of an earlier key
        digest = hashlib.sha256(str(data["text"]).encode()).hexdigest()
        now: datetime = self._clock.now()
        try:
            self._table.write(store.write_notice(key, now, outcome.status.value, outcome.reference, digest))
        except WriteRefused:
            return True
        return True

    @staticmethod
    def _as_external(order: Order, case: Case, shown: Round, option: Option) -> dict[str, Any]:
        reference = OfferReference(order.order_id, case.negotiation_id, shown.number, option.option_id)
        said = option.model_dump(mode="json", exclude_none=True, exclude={"cost", "option_id"})
        return {"external_offer_id": str(reference), **said}
