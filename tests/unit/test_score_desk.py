"""What a merchant sees of a score, and what an operator does about it, through the API's handler."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from builders import SHARDS, SHOP
from merchant_requests import Answer, NoLimit, ask, request
from scores import CountedShop, at, paid, rated, reviewed, scan, wrote

from aftercare import bootstrap
from aftercare.kernel.records import RecordWriter
from aftercare.scores.merchant import ScoreDesk


class Api:
    def __init__(self, shop: CountedShop, owner: str = SHOP) -> None:
        self.shop, self.owner = shop, owner

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        return ask(request(method, f"/v1/{path}", body, query, {"aftercare:shop": self.owner, "sub": "ann"}))


@pytest.fixture
def shop() -> CountedShop:
    return CountedShop(zone="UTC")


@pytest.fixture
def api(shop: CountedShop, monkeypatch: pytest.MonkeyPatch) -> Api:
    desk = ScoreDesk(shop.table, shop.clock, RecordWriter(SHARDS), shop.ledger())
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: SimpleNamespace(limit=NoLimit(), scores=lambda: desk))
    return Api(shop)


def forty_orders(shop: CountedShop, first_day: float = 0, *, name: str = "A", late: int = 0) -> None:
    """Paid on one day, due and picked up on the next but for the ``late`` ones, delivered and reviewed."""
    day = first_day
    for number in range(40):
        order_id = f"{name}{number}"
        shop.hear(paid(at(day), order_id, ship_by=at(day + 1), deliver_by=at(day + 4)))
        shop.hear(scan("picked_up", at(day + (2 if number < late else 0.5)), order_id=order_id))
        shop.hear(scan("delivered", at(day + 3), order_id=order_id))
        shop.hear(reviewed(5, at(day + 3), order_id=order_id, review_id=f"V{order_id}"))


def metric(card: dict[str, Any], id_: str) -> dict[str, Any]:
    [found] = [each for each in card["metrics"] if each["id"] == id_]
    return found


# ---------------------------------------------------------------- weeks


def test_a_shop_of_which_nothing_was_ever_told_has_no_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = CountedShop()
    desk = ScoreDesk(unknown.table, unknown.clock, RecordWriter(SHARDS), unknown.ledger())
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: SimpleNamespace(limit=NoLimit(), scores=lambda: desk))
    api = Api(unknown)
    assert api("GET", "scores/weeks").json == {"weeks": []}
    assert api("GET", "scores/items").json == {"items": []}
    assert api("GET", "scores/weeks/2026-W45").problem == (404, "no-such-week")
    assert api("GET", "scores/provisional").problem == (404, "nothing-on-record")
    assert api("GET", "scores/registration").problem == (404, "nothing-on-record")


def test_the_card_of_a_week_is_the_score_that_was_published(shop: CountedShop, api: Api) -> None:
    forty_orders(shop, late=4)
    shop.run_until(at(8))
    [said] = shop.scores()
    card = api("GET", "scores/weeks/2026-W45").json
    assert (card["week"], card["revision"], card["score"], card["shown"]) == ("2026-W45", 1, said.score, said.shown)
    pickup = metric(card, "on_time_pickup")
    assert (pickup["numerator"], pickup["denominator"], pickup["value"]) == (36, 40, "0.9000")
    assert (pickup["target"], pickup["label"]) == ("0.95", "below_target")
    assert sum(float(each["contribution"] or 0) for each in card["metrics"]) == pytest.approx(
        float(card["score"]), abs=0.01
    )
    assert card["change"] is None, "there is no week before"
    assert card["next"]["good_orders"] >= 1
    assert api("GET", "scores/weeks").json["weeks"][0]["shown"] == card["shown"]


def test_what_changed_since_the_week_before_is_told_by_what_entered_and_left(shop: CountedShop, api: Api) -> None:
    forty_orders(shop)
    shop.run_until(at(8))
    forty_orders(shop, 8, name="B", late=20)
    shop.run_until(at(15))
    card = api("GET", "scores/weeks/2026-W46").json
    pickup = metric(card, "on_time_pickup")
    assert float(pickup["change"]["entered"]) < 0
    assert (pickup["change"]["left"], pickup["change"]["restated"]) == ("0.0000", "0.0000")
    assert float(card["change"]["score"]) < 0
    assert [each["week"] for each in api("GET", "scores/weeks").json["weeks"]] == ["2026-W46", "2026-W45"]


@pytest.mark.parametrize("week", ["2026-W99", "2026-45", "last", "2026-W44", "%00"])
def test_a_week_that_is_none_or_has_no_score_is_not_found(shop: CountedShop, api: Api, week: str) -> None:
    forty_orders(shop)
    shop.run_until(at(8))
    assert api("GET", f"scores/weeks/{week}").problem == (404, "no-such-week")


def test_a_score_that_is_not_shown_says_why(shop: CountedShop, api: Api) -> None:
    shop.hear(paid(at(0), ship_by=at(1)))
    shop.run_until(at(8))
    card = api("GET", "scores/weeks/2026-W45").json
    assert (card["shown"], card["reason"]) == (None, "too_few_orders")


# ---------------------------------------------------------------- if it were scored today


def test_the_provisional_score_counts_the_days_that_are_not_counted_yet(shop: CountedShop, api: Api) -> None:
    forty_orders(shop)
    shop.sleep_until(at(4, "01:00:00"))
    card = api("GET", "scores/provisional").json
    assert (card["week"], card["revision"]) == (None, None)
    assert metric(card, "on_time_pickup")["denominator"] == 40
    assert card["window"]["to"] == "2026-11-06T00:00:00Z"
    assert shop.scores() == [], "nothing is published by a look"


def test_the_provisional_score_knows_what_was_told_late(shop: CountedShop, api: Api) -> None:
    forty_orders(shop)
    shop.run_until(at(5))
    shop.hear(reviewed(1, at(3), order_id="A0", review_id="late"))
    assert metric(api("GET", "scores/provisional").json, "positive_rating")["denominator"] == 41


# ---------------------------------------------------------------- what is behind a number


def test_every_number_opens_the_list_behind_it(shop: CountedShop, api: Api) -> None:
    forty_orders(shop, late=2)
    asked = {"metric": "on_time_pickup", "day": "2026-11-03"}
    first = api("GET", "scores/cases", limit="25", **asked).json
    second = api("GET", "scores/cases", cursor=first["cursor"], **asked).json
    cases = [*first["cases"], *second["cases"]]
    assert {each["order_id"] for each in cases} == {f"A{number}" for number in range(40)}
    assert {each["order_id"] for each in cases if not each["numerator"]} == {"A0", "A1"}
    assert second["cursor"] is None


def test_a_case_leads_to_its_review_or_its_chat(shop: CountedShop, api: Api) -> None:
    shop.hear(paid(at(0)), reviewed(5, at(1)), rated(at(1), True), wrote("buyer", at(1, "10:00:00")))
    day = {"day": "2026-11-03"}
    assert api("GET", "scores/cases", metric="positive_rating", **day).json["cases"] == [
        {"order_id": "A1", "part": "V1", "numerator": 1, "denominator": 1, "evidence_day": None}
    ]
    [chat] = api("GET", "scores/cases", metric="chat_satisfaction", **day).json["cases"]
    assert chat["session_id"] == "chat-1"
    [asked] = api("GET", "scores/cases", metric="reply_3min", **day).json["cases"]
    assert asked["asked_at"] == "2026-11-03T10:00:00Z"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"metric": "on_time_pickup", "day": "2026-13-01"}, "day"),
        ({"metric": "on_time_pickup", "day": "yesterday"}, "day"),
        ({"metric": "", "day": "2026-11-03"}, "metric"),
        ({"metric": "on_time_pickup", "day": "2026-11-03", "cursor": "***"}, "cursor"),
        ({"metric": "on_time_pickup", "day": "2026-11-03", "limit": "1000"}, "limit"),
        ({"metric": "on_time_pickup", "day": "2026-11-03", "shop": "standard:peony"}, "shop"),
    ],
)
def test_a_list_that_is_asked_for_wrongly_says_what_is_wrong(api: Api, query: dict[str, str], field: str) -> None:
    answer = api("GET", "scores/cases", **query)
    assert answer.problem == (422, "invalid-fields")
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_another_shops_cases_and_weeks_do_not_exist(shop: CountedShop, api: Api) -> None:
    forty_orders(shop)
    shop.run_until(at(8))
    other = Api(shop, "standard:peony")
    assert other("GET", "scores/weeks").json == {"weeks": []}
    assert other("GET", "scores/weeks/2026-W45").problem == (404, "no-such-week")
    assert other("GET", "scores/cases", metric="on_time_pickup", day="2026-11-03").json["cases"] == []
    wanted = {"order_id": "A1", "metrics": ["on_time_pickup"], "reason": "a flood"}
    assert other("POST", "operate/scores/exclude", wanted).problem == (404, "nothing-on-record")


def test_items_are_listed_by_how_much_is_wrong_with_their_orders(shop: CountedShop, api: Api) -> None:
    for number in range(226):
        bad = number < 10
        order_id = f"A{number}"
        shop.hear(paid(at(0), order_id, items=("I1",) if number < 200 else ("I1", "I2")))
        if bad:
            shop.hear(reviewed(1, at(1), order_id=order_id, review_id=f"V{number}"))
    shop.run_until(at(2))
    assert api("GET", "scores/items").json["items"] == [
        {"item_id": "I1", "orders": 226, "problems": 10, "index": "68"},
        {"item_id": "I2", "orders": 26, "problems": 0, "index": None},
    ]


# ---------------------------------------------------------------- exclusions


def test_an_exclusion_is_a_new_revision_with_its_reason_on_record(shop: CountedShop, api: Api) -> None:
    forty_orders(shop, late=1)
    shop.run_until(at(8))
    wanted = {"order_id": "A0", "metrics": ["on_time_pickup"], "reason": "a flood"}
    assert api("POST", "operate/scores/exclude", wanted).json["changed"] is True
    assert api("POST", "operate/scores/exclude", wanted).json["changed"] is False, "it is excluded already"
    shop.write_rows()
    shop.run_until(at(9, "04:00:00"))
    card = api("GET", "scores/weeks/2026-W45").json
    assert card["revision"] == 2
    assert (metric(card, "on_time_pickup")["numerator"], metric(card, "on_time_pickup")["denominator"]) == (39, 39)
    assert card["exclusions"] == [{"metric": "on_time_pickup", "cases": 1}]
    [note] = api("GET", "scores/exclusions").json["exclusions"]
    assert (note["order_id"], note["by"], note["reason"], note["lifted"]) == ("A0", "ann", "a flood", False)


def test_what_is_brought_back_counts_again_and_both_acts_stay_on_record(shop: CountedShop, api: Api) -> None:
    forty_orders(shop, late=1)
    wanted = {"order_id": "A0", "metrics": ["*"], "reason": "a flood"}
    api("POST", "operate/scores/exclude", wanted)
    shop.clock.time += timedelta(milliseconds=1)
    api("POST", "operate/scores/bring-back", {**wanted, "reason": "no flood there"})
    shop.write_rows()
    shop.run_until(at(8))
    card = api("GET", "scores/weeks/2026-W45").json
    assert metric(card, "on_time_pickup")["denominator"] == 40
    notes = api("GET", "scores/exclusions").json["exclusions"]
    assert [(note["lifted"], note["reason"]) for note in notes] == [(True, "no flood there"), (False, "a flood")]
    page = api("GET", "scores/exclusions", limit="1").json
    assert api("GET", "scores/exclusions", limit="1", cursor=page["cursor"]).json["exclusions"] == notes[1:]


def test_a_chat_is_excluded_as_an_order_is(shop: CountedShop, api: Api) -> None:
    shop.hear(rated(at(0), False))
    wanted = {"session_id": "chat-1", "metrics": ["chat_satisfaction"], "reason": "abuse"}
    assert api("POST", "operate/scores/exclude", wanted).json["changed"] is True
    shop.write_rows()
    [row] = shop.rows(date(2026, 11, 2)).values()
    assert dict(row.metrics) == {"excluded.chat_satisfaction": (0, 1, None)}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"metrics": ["on_time"]}, "metrics.0"),
        ({"metrics": []}, "metrics"),
        ({"reason": " "}, "reason"),
        ({"session_id": "chat-1"}, ""),
        ({"order_id": None}, ""),
    ],
)
def test_an_exclusion_that_says_too_little_is_refused(
    shop: CountedShop, api: Api, changed: dict[str, Any], field: str
) -> None:
    shop.hear(paid(at(0)))
    wanted = {"order_id": "A1", "metrics": ["on_time_pickup"], "reason": "a flood", **changed}
    answer = api("POST", "operate/scores/exclude", wanted)
    assert answer.problem == (422, "invalid-fields")
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_what_is_not_on_record_cannot_be_excluded_and_is_not_invented(shop: CountedShop, api: Api) -> None:
    wanted = {"order_id": "A9", "metrics": ["on_time_pickup"], "reason": "a flood"}
    assert api("POST", "operate/scores/exclude", wanted).problem == (404, "nothing-on-record")
    assert shop.order("A9") is None


# ---------------------------------------------------------------- registration


def test_a_registration_that_was_seen_is_changed_and_one_that_was_not_is_refused(shop: CountedShop, api: Api) -> None:
    seen = api("GET", "scores/registration").json
    wanted = {
        "version": seen["version"],
        "zone": "Asia/Shanghai",
        "pack": "taobao",
        "category": "apparel",
        "shop_class": "flagship",
    }
    answer = api("POST", "operate/scores/register", wanted)
    assert answer.status == 200
    assert (shop.state().zone, shop.state().pack, shop.state().category) == ("Asia/Shanghai", "taobao", "apparel")
    assert api("POST", "operate/scores/register", wanted).problem == (409, "registration-changed")


def test_a_count_that_is_due_stays_due_through_a_registration(shop: CountedShop, api: Api) -> None:
    shop.hear(paid(at(0)))
    shop.sleep_until(at(1, "12:00:00"))
    version = api("GET", "scores/registration").json["version"]
    wanted = {"version": version, "zone": "UTC", "pack": "standard", "category": None, "shop_class": "flagship"}
    assert api("POST", "operate/scores/register", wanted).status == 200
    assert shop.armed_for() == at(0, "03:00:00")


@pytest.mark.parametrize(("changed", "field"), [({"zone": "Moon/Sea"}, "zone"), ({"pack": "ebay"}, "pack")])
def test_a_zone_or_a_pack_that_does_not_exist_is_refused(
    shop: CountedShop, api: Api, changed: dict[str, str], field: str
) -> None:
    wanted = {"version": 1, "zone": "UTC", "pack": "standard", "category": None, "shop_class": "other", **changed}
    answer = api("POST", "operate/scores/register", wanted)
    assert answer.problem == (422, "invalid-fields")
    assert [error["field"] for error in answer.json["errors"]] == [field]
