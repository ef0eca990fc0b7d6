"""Shipments in the merchants' API: from the request that API Gateway sends to the answer that it expects."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from builders import SHOP, cny
from merchant_requests import Answer, NoLimit, ask, request
from shipments import WatchedShop, hour, paid, scan, shipped

from aftercare import bootstrap
from aftercare.kernel.times import to_text
from aftercare.pages.anomalies import AnomalyWording
from aftercare.shipments.merchant import ShipmentDesk
from aftercare.shipments.model.settings import ShopSettings

OTHER_SHOP = "standard:peony"


@dataclass
class Api:
    shop: WatchedShop
    claims: dict[str, str] = field(default_factory=lambda: {"aftercare:shop": SHOP, "sub": "ann"})

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        return ask(request(method, path, body, query, self.claims))

    def anomaly(self) -> str:
        [alert] = self("GET", "/v1/shipments/alerts").json["alerts"]
        return f"/v1/orders/{alert['order_id']}/anomalies/{alert['anomalies'][0]['anomaly_id']}"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """A shop whose only parcel has gone quiet on its way."""
    shop = WatchedShop(ShopSettings(pack="taobao"))
    desk = ShipmentDesk(shop.table, shop.clock, shop.watch, AnomalyWording())
    parts = SimpleNamespace(limit=NoLimit(), merchant=None, quarantine=None, shipments=lambda: desk)
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: parts)
    shop.hear(paid(), shipped(1), scan("in_transit", 10))
    shop.run_until(10 + 73)
    return Api(shop)


# ---------------------------------------------------------------- every route


def test_an_alert_tells_what_the_buyer_can_be_told_and_what_to_do(api: Api) -> None:
    answer = api("GET", "/v1/shipments/alerts", limit="5")
    assert (answer.status, answer.json["cursor"]) == (200, None)
    [alert] = answer.json["alerts"]
    assert (alert["order_id"], alert["at_risk"]) == ("A1", cny(5_000))
    [anomaly] = alert["anomalies"]
    assert anomaly["action"] == "urge_carrier"
    assert "很抱歉" in anomaly["text"]["zh"]
    assert "We are sorry" in anomaly["text"]["en"]


def test_a_shipment_is_looked_at(api: Api) -> None:
    answer = api("GET", "/v1/orders/A1/shipment")
    assert (answer.status, answer.json["order_id"], answer.json["rules"]) == (200, "A1", "shipments-taobao-1")


def test_an_anomaly_is_muted_and_unmuted_in_the_name_of_the_token(api: Api) -> None:
    anomaly = api.anomaly()
    muted = api("POST", f"{anomaly}/mute", {"reason": "承运商已回复", "until": to_text(hour(100))})
    assert (muted.status, muted.json["anomaly"]["state"]) == (200, "muted")
    assert muted.json["anomaly"]["mute"]["author"] == "ann"
    assert api("GET", "/v1/shipments/alerts").json["alerts"] == []
    api.claims = {**api.claims, "sub": "bob"}
    assert api("POST", f"{anomaly}/unmute").json["anomaly"]["mute"]["ended_by"] == "bob"
    assert api.anomaly() == anomaly


def test_the_exposure_is_told(api: Api) -> None:
    assert api("GET", "/v1/shipments/exposure").json == {
        "orders": 1,
        "orders_without_amount": 0,
        "currencies": [{"currency": "CNY", "orders": 1, "at_risk": cny(5_000), "capped": cny(5_000)}],
        "kinds": [{"kind": "stalled", "anomalies": 1, "open": 1, "at_risk": [cny(5_000)]}],
        "cut": False,
    }


def test_settings_are_read_and_replaced(api: Api) -> None:
    read = api("GET", "/v1/shipments/settings").json
    assert (read["version"], read["settings"]["pack"]) == (1, "taobao")
    saved = api("PUT", "/v1/shipments/settings", {**read, "settings": {"delay_messages": {}}})
    assert (saved.status, saved.json["version"], saved.json["settings"]["changed_by"]) == (200, 2, "ann")


# ---------------------------------------------------------------- refusals


def test_another_shops_shipments_do_not_exist(api: Api) -> None:
    anomaly = api.anomaly()
    api.claims = {"aftercare:shop": OTHER_SHOP, "sub": "eve"}
    assert api("GET", "/v1/shipments/alerts", shop=SHOP).problem == (422, "invalid-fields")
    assert api("GET", "/v1/shipments/alerts").json["alerts"] == []
    assert api("GET", "/v1/orders/A1/shipment").problem == (404, "no-such-order")
    assert api("POST", f"{anomaly}/mute", {"reason": "mine"}).problem == (404, "no-such-anomaly")
    assert api("POST", f"{anomaly}/unmute").problem == (404, "no-such-anomaly")


def test_an_anomaly_that_is_over_is_a_conflict(api: Api) -> None:
    anomaly = api.anomaly()
    api.shop.hear(scan("delivered", 90))
    assert api("POST", f"{anomaly}/mute", {"reason": "known"}).problem == (409, "anomaly-ended")
    assert api("POST", f"{anomaly}/unmute").problem == (409, "anomaly-ended")


def test_saving_over_somebody_elses_settings_is_a_conflict(api: Api) -> None:
    body = {"settings": {}, "version": 0}
    assert api("PUT", "/v1/shipments/settings", body).problem == (409, "settings-changed")


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "field"),
    [
        ("GET", "/v1/shipments/alerts", None, {"cursor": "x"}, "cursor"),
        ("GET", "/v1/shipments/exposure", None, {"limit": "5"}, "limit"),
        ("POST", "/v1/orders/A1/anomalies/x/mute", {"until": None}, {}, "reason"),
        ("PUT", "/v1/shipments/settings", {"settings": {"pack": "x"}, "version": 1}, {}, "settings.pack"),
    ],
)
def test_bad_input_is_refused_at_its_field(
    api: Api, method: str, path: str, body: Any, query: dict[str, str], field: str
) -> None:
    answer = api(method, path, body, **query)
    assert answer.problem == (422, "invalid-fields")
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_a_mute_without_a_body_is_a_bad_request(api: Api) -> None:
    assert api("POST", f"{api.anomaly()}/mute").problem == (400, "malformed-body")


# ---------------------------------------------------------------- start-up


def test_shipments_are_loaded_only_for_those_who_ask_about_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_them() -> ShipmentDesk:
        raise AssertionError("nobody asked about shipments")

    merchant = SimpleNamespace(plans=lambda shop: {"version": 0, "plans": []})
    parts = SimpleNamespace(limit=NoLimit(), merchant=merchant, quarantine=None, shipments=load_them)
    monkeypatch.setattr(bootstrap, "merchant_api", lambda: parts)
    assert Api(WatchedShop())("GET", "/v1/plans").json == {"version": 0, "plans": []}
