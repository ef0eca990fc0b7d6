"""Service tags in the merchants' API: from the request that API Gateway sends to the answer that it expects."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from builders import SHOP
from merchant_requests import Answer, NoLimit, ask, request
from tags import GOOD, TaggedShop, at

from aftercare import bootstrap
from aftercare.tags.merchant import TagDesk
from aftercare.tags.service import Contended

OTHER_SHOP = "standard:peony"
TAG = "/v1/tags/ships_24h"
BAN, LIFT = "/v1/operate/tags/ships_24h/ban", "/v1/operate/tags/ships_24h/lift"


@dataclass
class Api:
    shop: TaggedShop
    claims: dict[str, str] = field(default_factory=lambda: {"aftercare:shop": SHOP, "sub": "ann"})

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        return ask(request(method, path, body, {}, self.claims))


def tag_of(answer: Answer, tag: str = "ships_24h") -> dict[str, Any]:
    [found] = [each for each in answer.json["tags"] if each["tag"] == tag]
    return dict(found)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """A shop that ships within 24 hours, and says so since this morning."""
    shop = TaggedShop(tags=["ships_24h"])
    parts = SimpleNamespace(
        limit=NoLimit(), merchant=None, quarantine=None, shipments=None, scores=None, tags=shop.desk
    )
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: parts)
    shop.days(0, 2, pickup_24h=GOOD)
    shop.run_until(at(3, "12:00:00"))
    return Api(shop)


# ---------------------------------------------------------------- every route


def test_the_tags_of_the_shop_are_looked_at(api: Api) -> None:
    answer = api("GET", "/v1/tags")
    assert (answer.status, answer.content_type) == (200, "application/json")
    states = tag_of(answer)["state"], tag_of(answer, "ships_today")["state"]
    assert (answer.json["shop"], *states) == (SHOP, "live", "none")


def test_one_tag_is_looked_at_with_its_days_past_and_to_come(api: Api) -> None:
    answer = api("GET", TAG)
    assert (answer.status, answer.json["tag"], answer.json["state"]) == (200, "ships_24h", "live")
    assert (len(answer.json["next_days"]), len(answer.json["if_opted_in"])) == (7, 30)


def test_a_promise_is_taken_on_and_left(api: Api) -> None:
    taken = api("POST", "/v1/tags/ships_today/opt-in", {})
    assert (taken.status, tag_of(taken, "ships_today")["opted_in"]) == (200, True)
    left = api("POST", f"{TAG}/leave", {})
    assert (left.status, tag_of(left)["state"], tag_of(left)["opted_in"]) == (200, "none", False)


def test_the_shop_says_what_it_is_called(api: Api) -> None:
    answer = api("PUT", "/v1/tags/profile", {"name": "茶叶店", "locale": "zh-Hant"})
    assert (answer.status, answer.json["name"], answer.json["locale"]) == (200, "茶叶店", "zh-Hant")


def test_an_operator_bans_and_lifts_in_the_name_of_the_token(api: Api) -> None:
    banned = api("POST", BAN, {"reason": "brushing"})
    assert (banned.status, tag_of(banned)["state"], tag_of(banned)["bans"][0]["by"]) == (200, "banned", "ann")
    api.claims = {**api.claims, "sub": "bob"}
    assert tag_of(api("POST", LIFT, {}))["bans"][0]["lifted_by"] == "bob"


# ---------------------------------------------------------------- refusals


def test_another_shops_tags_do_not_exist(api: Api) -> None:
    api.claims = {"aftercare:shop": OTHER_SHOP, "sub": "eve"}
    assert tag_of(api("GET", "/v1/tags"))["state"] == "none"
    assert api("POST", f"{TAG}/leave", {}).problem == (409, "not-opted-in")
    assert api("POST", LIFT, {}).problem == (409, "not-banned")
    api("PUT", "/v1/tags/profile", {"name": "Peony", "locale": "en"})
    api.claims["aftercare:shop"] = SHOP
    seen = api("GET", "/v1/tags")
    assert (seen.json["name"], tag_of(seen)["state"]) == ("Lotus", "live")


def test_what_an_operator_decides_has_no_other_way_in(api: Api) -> None:
    for path in ("/v1/tags/ships_24h/ban", "/v1/tags/ships_24h/lift", "/v1//operate/tags/ships_24h/ban"):
        assert api("POST", path, {"reason": "mine"}).problem == (404, "no-such-route")
    assert api("PUT", BAN, {"reason": "mine"}).problem == (404, "no-such-route")


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("GET", "/v1/tags/nothing", None, (404, "no-such-tag")),
        ("POST", "/v1/tags/nothing/opt-in", {}, (404, "no-such-tag")),
        ("POST", "/v1/tags/nothing/leave", {}, (404, "no-such-tag")),
        ("POST", "/v1/operate/tags/nothing/ban", {"reason": "x"}, (404, "no-such-tag")),
        ("POST", "/v1/operate/tags/nothing/lift", {}, (404, "no-such-tag")),
        ("POST", "/v1/tags/experience_score/opt-in", {}, (409, "not-a-promise")),
        ("POST", f"{TAG}/opt-in", {}, (409, "opted-in-already")),
        ("POST", "/v1/tags/ships_today/leave", {}, (409, "not-opted-in")),
        ("POST", LIFT, {}, (409, "not-banned")),
        ("POST", "/v1/tags//opt-in", {}, (404, "no-such-route")),
        ("DELETE", TAG, None, (404, "no-such-route")),
        ("POST", f"{TAG}/grant", {}, (404, "no-such-route")),
        ("POST", BAN, "{", (400, "malformed-body")),
        ("PUT", "/v1/tags/profile", '{"name": "\\ud800", "locale": "en"}', (400, "malformed-body")),
    ],
)
def test_what_cannot_be_is_refused_as_a_problem(
    api: Api, method: str, path: str, body: Any, problem: tuple[int, str]
) -> None:
    before = api.shop.kept()
    assert api(method, path, body).problem == problem
    assert api.shop.kept() == before


def test_a_ban_of_a_banned_tag_and_an_opt_in_to_one_are_conflicts(api: Api) -> None:
    api("POST", BAN, {"reason": "brushing"})
    assert api("POST", BAN, {"reason": "again"}).problem == (409, "banned-already")
    assert api("POST", "/v1/tags/ships_24h/opt-in", {}).problem == (409, "tag-is-banned")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", BAN, {}, "reason"),
        ("POST", BAN, {"reason": "   "}, "reason"),
        ("POST", BAN, {"reason": "x" * 301}, "reason"),
        ("POST", BAN, {"reason": "x", "shop": OTHER_SHOP}, "shop"),
        ("PUT", "/v1/tags/profile", {"name": "x" * 121, "locale": "en"}, "name"),
        ("PUT", "/v1/tags/profile", {"name": "Lotus", "locale": "e"}, "locale"),
        ("PUT", "/v1/tags/profile", {"name": 7, "locale": "en"}, "name"),
        ("PUT", "/v1/tags/profile", {"locale": "en"}, "name"),
    ],
)
def test_bad_input_is_refused_at_its_field_and_changes_nothing(
    api: Api, method: str, path: str, body: Any, field: str
) -> None:
    before = api.shop.kept()
    answer = api(method, path, body)
    assert answer.problem == (422, "invalid-fields")
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert api.shop.kept() == before


def test_who_does_not_get_through_is_asked_to_try_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> Any:
        raise Contended("the tags of a shop kept changing")

    monkeypatch.setattr(TagDesk, "leave", busy)
    answer = api("POST", f"{TAG}/leave", {})
    assert answer.problem == (503, "try-again")
    assert answer.json["detail"] == "Try again"


def test_a_token_without_a_shop_sees_nothing(api: Api) -> None:
    api.claims = {"sub": "eve"}
    assert api("GET", "/v1/tags").problem == (403, "no-shop")


# ---------------------------------------------------------------- start-up


def test_tags_are_loaded_only_for_those_who_ask_about_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_them() -> TagDesk:
        raise AssertionError("nobody asked about tags")

    merchant = SimpleNamespace(plans=lambda shop: {"version": 0, "plans": []})
    parts = SimpleNamespace(
        limit=NoLimit(), merchant=merchant, quarantine=None, shipments=None, scores=None, tags=load_them
    )
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: parts)
    assert Api(TaggedShop())("GET", "/v1/plans").json == {"version": 0, "plans": []}
