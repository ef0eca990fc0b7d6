"""The offer page's handler: looking changes nothing, choosing decides once, and every answer is a page."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import pytest
from builders import World, hours, order_paid, plan, policy, refund_requested

from aftercare import bootstrap
from aftercare.kernel.errors import Transient
from aftercare.negotiation.model.cases import CaseState
from aftercare.negotiation.model.links import LinkKeys, OfferLink, to_token

APP = Path(__file__).parents[2] / "functions" / "offer_page" / "app.py"
KEYS = LinkKeys("k1", {"k1": b"a key of a test, nothing more"})
LADDER = plan(
    rounds=[
        {"options": [{"kind": "partial_refund", "percent": 10}]},
        {"options": [{"kind": "partial_refund", "percent": 20}]},
    ]
)


@pytest.fixture
def world() -> World:
    world = World()
    world.save(policy(LADDER))
    world.hear(order_paid(locale="en", time_zone="Asia/Shanghai"), refund_requested())
    world.run()
    return world


Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Call:
    return calling(world.negotiation, monkeypatch)


def calling(negotiation: object, monkeypatch: pytest.MonkeyPatch) -> Call:
    parts = SimpleNamespace(negotiation=negotiation, keys=lambda: KEYS)
    monkeypatch.setattr(bootstrap, "offer_page", lambda: parts, raising=False)
    spec = importlib.util.spec_from_file_location("functions_offer_page", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(method: str, token: str, **event: Any) -> dict[str, Any]:
        answer: dict[str, Any] = module.handler(
            {
                "requestContext": {"http": {"method": method}},
                "pathParameters": {"token": token},
                "headers": {"accept-language": "en-GB,en;q=0.9"},
                **event,
            },
            None,
        )
        return answer

    return call


def token(world: World) -> str:
    return to_token(world.link(), KEYS)


def form(choice: str) -> dict[str, Any]:
    return {"body": base64.b64encode(urlencode({"choice": choice}).encode()).decode(), "isBase64Encoded": True}


def landed(answer: dict[str, Any]) -> str:
    """The token of the page to which a browser goes from the page of any offer."""
    return urljoin("/stage/offers/old?lang=zh", answer["headers"]["location"]).removeprefix("/stage/offers/")


class OnlyLooks:
    """Lets nobody decide."""

    def __init__(self, world: World) -> None:
        self.look = world.negotiation.look

    def accept(self, link: OfferLink, option_id: str) -> None:
        raise AssertionError("looking must not decide")

    decline = accept


def test_looking_shows_the_form_and_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call = calling(OnlyLooks(world), monkeypatch)
    answer = call("GET", token(world))
    assert answer["statusCode"] == 200
    assert 'value="r1o1"' in answer["body"]
    assert '<html lang="en">' in answer["body"]
    assert call("HEAD", token(world))["statusCode"] == 200


def test_the_language_asked_for_is_kept_over_a_choice(world: World, call: Call) -> None:
    zh = {"queryStringParameters": {"lang": "zh"}}
    assert '<html lang="zh-Hans">' in call("GET", token(world), **zh)["body"]
    answer = call("POST", token(world), **form("r1o1"), **zh)
    assert answer["headers"]["location"].endswith("?lang=zh")


def test_a_choice_is_made_once_and_leads_back_to_the_page(world: World, call: Call) -> None:
    link = token(world)
    answer = call("POST", link, **form("r1o1"))
    assert (answer["statusCode"], landed(answer)) == (303, link)
    assert world.case().state is CaseState.ACCEPTED
    assert "Your choice is recorded" in call("GET", link)["body"]


def test_the_same_form_twice_is_harmless(world: World, call: Call) -> None:
    link = token(world)
    first, second = (call("POST", link, **form("r1o1")) for _ in range(2))
    assert first == second
    assert world.names().count("OfferAccepted") == 1


def test_a_plain_body_and_an_encoded_token_are_understood(world: World, call: Call) -> None:
    answer = call("POST", quote(token(world)).replace(".", "%2E"), body="choice=original", isBase64Encoded=False)
    assert (answer["statusCode"], landed(answer)) == (303, token(world))
    assert world.case().state is CaseState.DECLINED


def test_who_asks_for_another_offer_is_led_to_it(world: World, call: Call) -> None:
    first = token(world)
    answer = call("POST", first, **form("another"))
    second = landed(answer)
    assert second == token(world) != first
    page = call("GET", second)["body"]
    assert 'value="r2o1"' in page
    assert 'value="another"' not in page
    assert "There is a newer offer" in call("GET", first)["body"]


def test_asking_twice_for_another_offer_skips_none(world: World, call: Call) -> None:
    first = token(world)
    call("POST", first, **form("another"))
    again = call("POST", first, **form("another"))
    assert (again["statusCode"], landed(again)) == (303, first)
    assert world.case().state is CaseState.OFFERED


def test_a_second_and_different_choice_is_led_to_what_stands(world: World, call: Call) -> None:
    link = token(world)
    call("POST", link, **form("r1o1"))
    answer = call("POST", link, **form("original"))
    assert (answer["statusCode"], landed(answer)) == (303, link)
    assert world.case().state is CaseState.ACCEPTED


def test_a_choice_that_comes_too_late_is_led_to_the_honest_page(world: World, call: Call) -> None:
    link = token(world)
    world.clock.advance(hours(24 * 30))
    assert call("POST", link, **form("r1o1"))["statusCode"] == 303
    assert "The time to choose is over" in call("GET", link)["body"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"body": ""},
        {"body": "choice="},
        {"body": "choice=r9o9"},
        {"body": "choice=r1o1&choice=original"},
        {"body": '{"choice": "r1o1"}'},
        {"body": "&".join(["choice=r1o1"] * 100)},
        {"body": "not base64!", "isBase64Encoded": True},
        {"body": base64.b64encode(b"choice=r1o1\xff").decode(), "isBase64Encoded": True},
    ],
)
def test_a_form_without_one_clear_choice_decides_nothing_and_is_shown_again(
    event: dict[str, Any], world: World, call: Call
) -> None:
    answer = call("POST", token(world), **event)
    assert answer["statusCode"] == 400
    assert "No choice has been recorded" in answer["body"]
    assert world.case().state is CaseState.OFFERED


def test_nobody_can_ask_the_last_round_for_another(world: World, call: Call) -> None:
    call("POST", token(world), **form("another"))
    assert call("POST", token(world), **form("another"))["statusCode"] == 400
    assert world.case().state is CaseState.OFFERED


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_links_that_are_not_ours_all_look_alike(method: str, world: World, call: Call) -> None:
    ours = token(world)
    nowhere = to_token(OfferLink("standard:lotus", "none", "0" * 32, 1), KEYS)
    pages = [call(method, bad, **form("r1o1")) for bad in ("", "nonsense", ours[:-1], ours + "x", nowhere)]
    assert {page["statusCode"] for page in pages} == {404}
    assert len({page["body"] for page in pages}) == 1


def test_a_stranger_is_answered_in_the_language_that_the_browser_asks_for(call: Call) -> None:
    assert '<html lang="en">' in call("GET", "x")["body"]
    assert '<html lang="zh-Hans">' in call("GET", "x", headers={"accept-language": "zh-CN,zh;q=0.9"})["body"]
    assert '<html lang="zh-Hans">' in call("GET", "x", headers={})["body"]
    assert '<html lang="zh-Hans">' in call("GET", "x", queryStringParameters={"lang": "zh"})["body"]


def test_when_the_table_is_out_of_reach_the_buyer_is_asked_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    class Down:
        def look(self, link: OfferLink) -> None:
            raise Transient("throttled")

    answer = calling(Down(), monkeypatch)("GET", token(world))
    assert answer["statusCode"] == 503
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    [line] = log_lines()
    assert (line["message"], line["error"]) == ("offer page unavailable", "Transient")
