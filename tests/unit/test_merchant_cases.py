"""What a merchant sees of cases, and what a person decides in them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from builders import (
    SHARDS,
    SHOP,
    START,
    World,
    cny,
    hours,
    order_paid,
    plan,
    policy,
    refund_decided,
    refund_requested,
)

from aftercare.kernel.fields import InvalidFields
from aftercare.kernel.ports import ActionOutcome, ActionStatus, ActionType
from aftercare.kernel.records import STATE, RecordWriter
from aftercare.kernel.table import Put, Write, WriteRefused
from aftercare.kernel.times import to_text
from aftercare.negotiation import keys
from aftercare.negotiation import merchant as merchant_module
from aftercare.negotiation.merchant import Merchant
from aftercare.negotiation.model.cases import MoveRefused
from aftercare.negotiation.model.drafts import AnsweredAlready, NoSuchCase, TooLate
from aftercare.negotiation.model.payouts import PayoutMoveRefused
from aftercare.negotiation.service import Contended

OTHER_SHOP = "standard:peony"
DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    return World()


def desk(world: World) -> Merchant:
    everything = frozenset(ActionType)
    return Merchant(world.table, world.clock, RecordWriter(SHARDS), world.negotiation, lambda shop: everything)


def open_cases(world: World, count: int) -> None:
    """That many orders with a case each, an hour apart."""
    for number in range(count):
        world.hear(order_paid(f"A{number}"), refund_requested(f"R{number}", f"A{number}", respond_by=None))
        world.clock.advance(hours(1))


def ids(world: World, order_id: str = "A1") -> dict[str, str]:
    return {"order_id": order_id, "negotiation_id": world.case(order_id).negotiation_id}


def listed(world: World, **query: str) -> list[str]:
    return [case["order_id"] for case in desk(world).cases(SHOP, query)["cases"]]


def pages(world: World, **query: str) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = desk(world).cases(SHOP, {**query, **({"cursor": cursor} if cursor else {})})
        yield [case["order_id"] for case in page["cases"]]
        cursor = page["cursor"]
        if cursor is None:
            return


# ---------------------------------------------------------------- the list


def test_cases_are_listed_newest_first(world: World) -> None:
    open_cases(world, 3)
    assert listed(world) == ["A2", "A1", "A0"]


def test_a_listed_case_says_where_it_stands(world: World) -> None:
    world.hear(order_paid(), refund_requested())
    [case] = desk(world).cases(SHOP, {})["cases"]
    assert case == {
        **ids(world),
        "refund_id": "R1",
        "trigger": "refund_requested",
        "state": "offered",
        "arm": "offer",
        "why_not": None,
        "plan": {"id": "keep", "version": 1},
        "requested": cny(10000),
        "outcome": None,
        "deadlines": {"answer_by": to_text(START + DAY), "respond_by": to_text(START + 2 * DAY)},
        "opened_at": to_text(START),
        "closed_at": None,
    }


@pytest.mark.parametrize("limit", ["1", "2", "3", "4", "100"])
def test_the_pages_together_are_the_whole_list_once(world: World, limit: str) -> None:
    open_cases(world, 7)
    found = list(pages(world, limit=limit))
    assert [order_id for page in found for order_id in page] == [f"A{number}" for number in reversed(range(7))]
    assert all(len(page) <= int(limit) for page in found)


def test_a_list_of_one_state_goes_on_until_it_has_looked_at_all(world: World) -> None:
    open_cases(world, 6)
    world.negotiation.decline(world.link("A0"), ask_for_another=False)
    assert listed(world, state="declined", limit="1") == ["A0"]
    assert listed(world, state="offered") == ["A5", "A4", "A3", "A2", "A1"]


def test_a_page_looks_at_a_bounded_number_of_orders_and_says_that_there_may_be_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merchant_module, "ORDERS_A_LIST", 2)
    open_cases(world, 5)
    world.negotiation.decline(world.link("A0"), ask_for_another=False)
    assert list(pages(world, state="declined")) == [[], [], ["A0"]]


def test_a_span_of_time_holds_its_first_moment_and_not_its_last(world: World) -> None:
    open_cases(world, 4)
    since, until = to_text(START + hours(1)), to_text(START + hours(3))
    assert listed(world, since=since, until=until) == ["A2", "A1"]


def test_an_earlier_case_is_found_in_its_span_though_the_order_has_a_later_one(world: World) -> None:
    open_cases(world, 2)
    world.negotiation.decline(world.link("A0"), ask_for_another=False)
    world.clock.advance(3 * DAY)
    world.hear(refund_requested("R9", "A0", requested_at=to_text(world.clock.now()), respond_by=None))
    assert listed(world) == ["A0", "A0", "A1"]
    assert listed(world, until=to_text(START + DAY)) == ["A0", "A1"]


def test_other_shops_cases_are_not_listed(world: World) -> None:
    open_cases(world, 2)
    assert desk(world).cases(OTHER_SHOP, {}) == {"cases": [], "cursor": None}


def forged(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "opend"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-01T00:00:00"}, "since"),
        ({"until": "2026-11-01T00:00:00 08:00"}, "until"),
        ({"form": "1"}, "form"),
        ({"cursor": "???"}, "cursor"),
        ({"cursor": "你好"}, "cursor"),
        ({"cursor": forged("A1")}, "cursor"),
        ({"cursor": forged(1, 2)}, "cursor"),
        ({"cursor": forged("", "2026-11-02T08:00:00Z")}, "cursor"),
        ({"cursor": forged("\ud800", "2026-11-02T08:00:00Z")}, "cursor"),
        ({"cursor": forged("x" * 2000, "2026-11-02T08:00:00Z")}, "cursor"),
        ({"cursor": forged("A1", "2027-01-01T00:00:00Z")}, "cursor"),
        ({"cursor": forged("A1", "2026-10-01T00:00:00Z"), "since": "2026-11-01T00:00:00Z"}, "cursor"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused_at_its_field(world: World, query: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        desk(world).cases(SHOP, query)
    assert [error.field for error in caught.value.errors] == [field]


# ---------------------------------------------------------------- one case


@pytest.fixture
def settled(world: World) -> World:
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    return world


def test_a_case_shows_its_rounds_its_choice_its_payouts_and_its_history(settled: World) -> None:
    case = desk(settled).case(SHOP, **ids(settled))
    assert (case["state"], case["outcome"]) == ("settled", "kept")
    [shown] = case["rounds"]
    assert shown["options"] == [{"option_id": "r1o1", "kind": "partial_refund", "amount": cny(2000), "cost": cny(2000)}]
    assert len(shown["text_sha256"]) == 64
    assert (case["chosen"]["option"]["option_id"], case["chosen"]["via"]) == ("r1o1", "page")
    [payout] = case["payouts"]
    assert (payout["state"], payout["attempts"], payout["reference"]) == ("paid", 1, "ref-1")
    assert [step["what"] for step in case["history"]][:3] == ["opened", "considered", "presented"]
    assert case["history_intact"] is True
    assert json.loads(json.dumps(case)) == case


def test_another_shops_case_does_not_exist(settled: World) -> None:
    with pytest.raises(NoSuchCase):
        desk(settled).case(OTHER_SHOP, **ids(settled))
    with pytest.raises(NoSuchCase):
        desk(settled).evidence(OTHER_SHOP, **ids(settled))
    with pytest.raises(NoSuchCase):
        desk(settled).take_over(OTHER_SHOP, "eve", {"reason": "mine"}, **ids(settled))
    with pytest.raises(NoSuchCase):
        desk(settled).approve(OTHER_SHOP, "eve", **ids(settled))


@pytest.mark.parametrize("order_id", ["A2", "", "x" * 257, "A1#ORDER"])
def test_an_order_that_is_not_known_has_no_case(settled: World, order_id: str) -> None:
    for ask in (
        lambda merchant, **case: merchant.case(SHOP, **case),
        lambda merchant, **case: merchant.approve(SHOP, "ann", **case),
    ):
        with pytest.raises(NoSuchCase):
            ask(desk(settled), **{**ids(settled), "order_id": order_id})


def tamper(world: World, was: str, becomes: str) -> None:
    key = keys.order_key(SHOP, "A1")
    item = dict(world.table.get(key) or {})
    assert was in str(item[STATE])
    world.table.write(Put(key, {**item, STATE: str(item[STATE]).replace(was, becomes)}, ()))


def test_a_step_that_was_changed_afterwards_shows(settled: World) -> None:
    # the history is a text within the state's JSON
    tamper(settled, r"\"via\":\"page\"}", r"\"via\":\"marketplace\"}")
    assert desk(settled).case(SHOP, **ids(settled))["history_intact"] is False


# ---------------------------------------------------------------- evidence


def canonical(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def test_the_evidence_names_the_hash_of_its_own_document(settled: World) -> None:
    evidence = desk(settled).evidence(SHOP, **ids(settled))
    assert hashlib.sha256(canonical(evidence["document"])).hexdigest() == evidence["sha256"]
    assert json.loads(json.dumps(evidence)) == evidence


def test_the_seals_in_the_evidence_can_be_checked_with_the_document_alone(settled: World) -> None:
    document = desk(settled).evidence(SHOP, **ids(settled))["document"]
    [payout] = document["case"]["payouts"]
    assert [step["what"] for step in payout["history"]] == ["calling", "paid"]
    for steps in (document["case"]["history"], payout["history"]):
        before = "0" * 64
        for step in steps:
            sealed = canonical([before, step["number"], step["at"], step["what"], step["facts"]])
            before = hashlib.sha256(sealed).hexdigest()
            assert step["seal"] == before


def test_the_evidence_holds_the_texts_as_they_were_shown(settled: World) -> None:
    [shown] = desk(settled).evidence(SHOP, **ids(settled))["document"]["case"]["texts"]
    assert "很抱歉" in shown["text"]
    assert shown["as_sealed"] is True
    tamper(settled, '"text":"很抱歉', '"text":"很高兴')
    [shown] = desk(settled).evidence(SHOP, **ids(settled))["document"]["case"]["texts"]
    assert shown["as_sealed"] is False


def test_the_evidence_says_what_was_asked_and_paid_and_not_by_whom(settled: World) -> None:
    document = desk(settled).evidence(SHOP, **ids(settled))["document"]
    assert document["order"] == {"order_id": "A1", "paid_at": to_text(START - hours(48)), "amount": cny(10000)}
    assert (document["request"]["reason"], document["request"]["amount"]) == ("damaged", cny(10000))
    assert "b_1" not in json.dumps(document)


# ---------------------------------------------------------------- approving and taking over


@pytest.fixture
def waiting(world: World) -> World:
    world.save(policy(plan(needs_approval=True)))
    world.hear(order_paid(), refund_requested())
    return world


def test_an_approved_offer_is_presented_under_the_name_of_who_approved_it(waiting: World) -> None:
    [case] = desk(waiting).cases(SHOP, {"state": "opened"})["cases"]
    assert "approve_by" in case["deadlines"]
    approved = desk(waiting).approve(SHOP, "ann", **ids(waiting))
    assert (approved["state"], approved["approved_by"]) == ("offered", "ann")
    assert desk(waiting).approve(SHOP, "bob", **ids(waiting))["approved_by"] == "ann"


def test_an_offer_that_waits_for_nobody_cannot_be_approved(settled: World) -> None:
    with pytest.raises(AnsweredAlready):
        desk(settled).approve(SHOP, "ann", **ids(settled))


def test_an_offer_cannot_be_approved_when_its_time_is_over(waiting: World) -> None:
    waiting.clock.advance(hours(47))
    with pytest.raises(TooLate):
        desk(waiting).approve(SHOP, "ann", **ids(waiting))


def test_a_case_that_was_taken_over_is_handled_by_a_person(waiting: World) -> None:
    taken = desk(waiting).take_over(SHOP, "ann", {"reason": "a regular customer"}, **ids(waiting))
    assert (taken["state"], taken["reason"]) == ("superseded", "taken_over")
    step = next(step for step in taken["history"] if step["what"] == "taken_over")
    assert step["facts"] == {"by": "ann", "reason": "a regular customer"}


def test_what_a_buyer_has_accepted_cannot_be_taken_over(world: World) -> None:
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    with pytest.raises(MoveRefused):
        desk(world).take_over(SHOP, "ann", {"reason": "no"}, **ids(world))


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 3}, {"reason": "x" * 501}, None])
def test_taking_over_needs_a_reason(waiting: World, body: Any) -> None:
    with pytest.raises(InvalidFields):
        desk(waiting).take_over(SHOP, "ann", body, **ids(waiting))


# ---------------------------------------------------------------- payouts in doubt


@pytest.fixture
def in_doubt(world: World) -> World:
    world.marketplace.answers = [ActionOutcome(ActionStatus.KEY_REUSED)]
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    assert world.case().state == "needs_human"
    return world


def found(world: World, *, paid: bool, **changed: Any) -> dict[str, Any]:
    [key] = world.order().commitments
    return {"key": key, "paid": paid, "evidence": "statement of 3 November, line 7", **changed}


def test_a_payout_that_a_person_found_in_the_books_is_paid_and_the_request_kept(in_doubt: World) -> None:
    answer = desk(in_doubt).resolve(SHOP, "ann", found(in_doubt, paid=True))
    assert answer["state"] == "paid"
    in_doubt.run()
    case = desk(in_doubt).case(SHOP, **ids(in_doubt))
    assert (case["state"], case["outcome"]) == ("settled", "kept")
    document = desk(in_doubt).evidence(SHOP, **ids(in_doubt))["document"]
    last = document["case"]["payouts"][0]["history"][-1]
    assert last["facts"] == {"by": "ann", "evidence": "statement of 3 November, line 7"}


def test_a_payout_that_is_not_in_the_books_was_not_made(in_doubt: World) -> None:
    desk(in_doubt).resolve(SHOP, "ann", found(in_doubt, paid=False))
    in_doubt.run()
    assert in_doubt.case().state == "passed_on"
    assert in_doubt.order().remaining is not None
    assert in_doubt.order().remaining.minor == 10000


def test_a_payout_is_resolved_once(in_doubt: World) -> None:
    desk(in_doubt).resolve(SHOP, "ann", found(in_doubt, paid=True))
    with pytest.raises(PayoutMoveRefused):
        desk(in_doubt).resolve(SHOP, "bob", found(in_doubt, paid=False))


def test_a_payout_that_may_still_be_called_is_not_for_a_person_to_end(world: World) -> None:
    world.marketplace.answers = [ActionOutcome(ActionStatus.AMBIGUOUS)]
    world.hear(order_paid(), refund_requested())
    world.negotiation.accept(world.link(), "r1o1")
    world.run()
    with pytest.raises(PayoutMoveRefused):
        desk(world).resolve(SHOP, "ann", found(world, paid=False))


def test_another_shops_payout_does_not_exist(in_doubt: World) -> None:
    with pytest.raises(NoSuchCase):
        desk(in_doubt).resolve(OTHER_SHOP, "eve", found(in_doubt, paid=False))
    with pytest.raises(NoSuchCase):
        desk(in_doubt).resolve(SHOP, "ann", found(in_doubt, paid=False, key="nothing"))


@pytest.mark.parametrize("changed", [{"paid": "yes"}, {"paid": None}, {"evidence": ""}, {"key": ""}, {"more": 1}])
def test_a_resolution_says_all_it_must(in_doubt: World, changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidFields):
        desk(in_doubt).resolve(SHOP, "ann", {**found(in_doubt, paid=True), **changed})


def test_a_resolution_that_others_keep_overtaking_is_to_be_tried_again(
    in_doubt: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(write: Write) -> None:
        raise WriteRefused(write.key, None)

    monkeypatch.setattr(in_doubt.table, "write", refuse)
    with pytest.raises(Contended):
        desk(in_doubt).resolve(SHOP, "ann", found(in_doubt, paid=True))


# ---------------------------------------------------------------- the keep rate


def test_the_keep_rate_looks_at_the_forty_five_days_before_the_last_fifteen(world: World) -> None:
    world.clock.time = START
    open_cases(world, 3)
    world.clock.time = START + 60 * DAY
    shown = desk(world).keep_rate(SHOP, {})
    assert (shown["from"], shown["to"]) == (to_text(START), to_text(START + 45 * DAY))
    assert (shown["offer"]["cases"], shown["cut"], shown["unripe"]) == (3, False, 0)
    world.clock.time = START + 60 * DAY + hours(1.5)
    assert desk(world).keep_rate(SHOP, {})["offer"]["cases"] == 1


def test_a_case_counts_in_its_span_though_the_order_has_a_later_one(world: World) -> None:
    open_cases(world, 1)
    world.negotiation.decline(world.link("A0"), ask_for_another=False)
    world.clock.time = START + 20 * DAY
    world.hear(refund_requested("R9", "A0", requested_at=to_text(world.clock.now()), respond_by=None))
    shown = desk(world).keep_rate(SHOP, {"from": to_text(START), "to": to_text(START + DAY)})
    assert shown["offer"]["cases"] == 1


def test_cases_whose_fifteen_days_still_run_are_said_to_be_unripe(world: World) -> None:
    open_cases(world, 4)
    world.clock.time = START + 15 * DAY + hours(1)
    shown = desk(world).keep_rate(SHOP, {"from": to_text(START), "to": to_text(START + DAY)})
    assert (shown["offer"]["cases"], shown["unripe"]) == (4, 2)


def test_a_keep_rate_that_is_cut_counts_only_what_it_has_seen_all_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merchant_module, "ORDERS_A_KEEP_RATE", 3)
    open_cases(world, 5)
    # an order whose first case would be seen by chance: its second one is among the newest
    world.hear(refund_decided("closed", "R0", "A0"))
    world.hear(refund_requested("R9", "A0", requested_at=to_text(world.clock.now()), respond_by=None))
    world.clock.time = START + 40 * DAY
    shown = desk(world).keep_rate(SHOP, {"from": to_text(START), "to": to_text(START + DAY)})
    assert shown["cut"] is True
    assert shown["counted_from"] == to_text(START + hours(3) + timedelta(seconds=1))
    assert shown["offer"]["cases"] == 2
    monkeypatch.setattr(merchant_module, "ORDERS_A_KEEP_RATE", 5)
    assert desk(world).keep_rate(SHOP, {"from": to_text(START), "to": to_text(START + DAY)})["cut"] is False


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-02T00:00:00Z"}, "from"),
        ({"from": "x"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "to"),
        ({"since": "2026-11-02T00:00:00Z"}, "since"),
    ],
)
def test_a_keep_rate_of_no_span_is_refused_at_its_field(world: World, query: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        desk(world).keep_rate(SHOP, query)
    assert [error.field for error in caught.value.errors] == [field]
