"""What a genuine Shopify webhook becomes: catalogue events without personal data, or a shelf with a clear reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercare.events import catalogue
from aftercare.events.orders import OrderPaid
from aftercare.events.refunds import RefundDecided
from aftercare.events.vocabulary import ScanStatus
from aftercare.kernel.errors import MalformedInput, NotTranslated
from aftercare.kernel.ids import pseudonym
from aftercare.kernel.money import DEFAULT_EXPONENT, EXPONENTS, Money
from aftercare.kernel.ports import ActionType, Capabilities, Heading
from aftercare.marketplaces import doors
from aftercare.marketplaces.facts import Fact
from aftercare.marketplaces.shopify.carriers import CARRIERS, carrier_of
from aftercare.marketplaces.shopify.money import money_of
from aftercare.marketplaces.shopify.parcels import STATUSES
from aftercare.marketplaces.shopify.translate import PARKED, READINGS, UNINSTALLED, translate
from aftercare.negotiation.model.orders import Order, Purchase

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "shopify"
SHOP = "shopify:quarry-lane"
KEY = b"a key for pseudonyms"
ARRIVED = datetime(2026, 12, 1, 8, 0, 0, tzinfo=UTC)
TRIGGERED = datetime(2026, 11, 30, 22, 0, 0, tzinfo=UTC)
CUSTOMER = "9007199254740995"
ORDER = "6123456789012345678"
MAREN = pseudonym(KEY, SHOP, CUSTOMER)

TOLD = {
    "app-uninstalled": ["ShopAuthorizationRevoked"],
    "customers-redact": None,
    "fulfillment_events-create": ["ParcelScanned"],
    "fulfillments-create": ["OrderShipped", "OrderShipped"],
    "fulfillments-update": ["OrderShipped", "ParcelScanned"],
    "orders-cancelled": ["OrderCancelled"],
    "orders-fulfilled": ["OrderShipped"],
    "orders-paid": ["OrderPaid"],
    "orders-paid.guest": ["OrderPaid"],
    "refunds-create": ["RefundDecided"],
    "returns-request": None,
    "shop-redact": None,
}
"""What every sample tells; None where it is parked."""


def topic_of(sample_name: str) -> str:
    return sample_name.partition(".")[0].replace("-", "/")


def read(body: bytes, topic: str, triggered_at: datetime | None = TRIGGERED) -> list[Fact] | None:
    facts = translate(
        body,
        shop=SHOP,
        delivery_id="w-1",
        received_at=ARRIVED,
        pseudonym_key=KEY,
        ref_of=lambda shop, buyer, key: f"{shop}/{buyer}/{key}",
        heading=Heading(topic, triggered_at),
    )
    return None if facts is None else list(facts)


def sample(name: str, **changed: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_bytes())
    return content | changed


def facts_of(content: object, topic: str) -> list[Fact]:
    facts = read(json.dumps(content).encode(), topic)
    assert facts is not None
    return facts


def data_of(content: object, topic: str) -> dict[str, Any]:
    """The one event's data as it stands on the bus."""
    [fact] = facts_of(content, topic)
    data: dict[str, Any] = fact.event.detail()["data"]
    return data


def parked(content: object, topic: str) -> str:
    with pytest.raises(NotTranslated) as raised:
        facts_of(content, topic)
    return str(raised.value)


def refused(content: object, topic: str) -> str:
    with pytest.raises(MalformedInput) as raised:
        facts_of(content, topic)
    return str(raised.value)


def usd(text: str) -> dict[str, Any]:
    return money_of(text, "USD").model_dump()


# ---------------------------------------------------------------- every sample


def test_it_is_known_of_every_sample_what_it_tells() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(TOLD)
    shown = {topic_of(name) for name in TOLD}
    assert shown >= {*READINGS, UNINSTALLED} - {"orders/partially_fulfilled"}


@pytest.mark.parametrize("name", [name for name, told in TOLD.items() if told is not None])
def test_every_sample_becomes_its_events_and_the_catalogue_reads_them(name: str) -> None:
    facts = facts_of(sample(name), topic_of(name))
    assert [fact.event.data.name for fact in facts] == TOLD[name]
    for fact in facts:
        entry = json.loads(json.dumps(fact.event.entry()))
        assert catalogue.parse(entry["source"], entry["detail-type"], entry["detail"]) == fact.event
        assert fact.event.metadata.shop == SHOP
        assert fact.event.metadata.received_at == ARRIVED


@pytest.mark.parametrize("name", [name for name, told in TOLD.items() if told is None])
def test_a_sample_that_tells_no_fact_is_parked_with_the_reason(name: str) -> None:
    assert parked(sample(name), topic_of(name)) == PARKED[topic_of(name)]


def strings_in(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for each in inside for text in strings_in(each)}


@pytest.mark.parametrize("name", [name for name, told in TOLD.items() if told is not None])
def test_no_name_address_mail_phone_or_note_is_on_the_bus(name: str) -> None:
    content = sample(name)
    private = {"email", "phone", "note", "name", "first_name", "last_name", "address1", "zip", "shop_owner", "title"}

    def personal(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {str(each) for field, each in value.items() if field in private and isinstance(each, str)}
            return own.union(*(personal(each) for each in value.values()))
        return set().union(*map(personal, value)) if isinstance(value, list) else set()

    said = strings_in([fact.event.entry() for fact in facts_of(content, topic_of(name))])
    assert {(text, held) for text in personal(content) - {""} for held in said if text in held} == set()
    assert not [text for text in said if CUSTOMER in text]


@pytest.mark.parametrize("topic", ["products/update", "orders/updated", "disputes/create", "Order", "", "ORDERS/PAID"])
def test_a_topic_in_no_table_is_no_fact_whatever_the_body_is(topic: str) -> None:
    assert read(b"not even JSON", topic) is None


def test_a_delivery_without_a_topic_is_one_of_an_unknown_topic() -> None:
    arrival = {"shop": SHOP, "delivery_id": "w-1", "received_at": ARRIVED, "pseudonym_key": KEY}
    assert translate(b"{}", ref_of=lambda *_: "", heading=Heading(), **arrival) is None


def test_a_topic_is_read_or_parked_and_never_both() -> None:
    assert not PARKED.keys() & {*READINGS, UNINSTALLED}


def test_every_return_waits_for_its_detail() -> None:
    returns = [topic for topic in PARKED if topic.startswith("returns/")]
    assert len(returns) == 8
    assert all("has to be read" in PARKED[topic] for topic in returns)


@pytest.mark.parametrize("topic", [*READINGS, UNINSTALLED])
@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}", b'{"id": NaN}', b"null", b'{"id": 1, "id": 2}'])
def test_a_broken_body_is_refused_or_parked_and_never_a_fact(topic: str, body: bytes) -> None:
    with pytest.raises((MalformedInput, NotTranslated)):
        read(body, topic)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def fields_of(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [found for name, each in value.items() for found in [(*path, name), *fields_of(each, (*path, name))]]
    if isinstance(value, list):
        return [found for place, each in enumerate(value) for found in fields_of(each, (*path, place))]
    return []


@given(data=st.data(), name=st.sampled_from([name for name, told in TOLD.items() if told is not None]))
def test_whatever_stands_in_a_field_the_answer_is_an_event_or_a_reason(data: st.DataObject, name: str) -> None:
    content = sample(name)
    *path, last = data.draw(st.sampled_from(fields_of(content)))
    holder: Any = content
    for step in path:
        holder = holder[step]
    holder[last] = data.draw(JSON)
    try:
        facts = facts_of(content, topic_of(name))
    except (MalformedInput, NotTranslated):
        return
    json.dumps([fact.event.entry() for fact in facts]).encode()


# ---------------------------------------------------------------- money


def decimal_text(minor: int, exponent: int, zeros: int) -> str:
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    whole, fraction = (digits[:-exponent], digits[-exponent:]) if exponent else (digits, "")
    fraction += "0" * zeros
    return ("-" if minor < 0 else "") + whole + ("." + fraction if fraction else "")


@given(
    minor=st.integers(-(10**15), 10**15),
    currency=st.sampled_from([*EXPONENTS, "USD", "EUR", "CNY"]),
    zeros=st.integers(0, 3),
)
def test_decimal_text_becomes_exactly_its_minor_units(minor: int, currency: str, zeros: int) -> None:
    exponent = EXPONENTS.get(currency, DEFAULT_EXPONENT)
    assert money_of(decimal_text(minor, exponent, zeros), currency) == Money(minor=minor, currency=currency)


@given(
    minor=st.integers(0, 10**12),
    currency=st.sampled_from([*EXPONENTS, "USD"]),
    more=st.from_regex(r"0{0,3}[1-9]", fullmatch=True),
)
def test_a_digit_that_the_currency_does_not_have_is_refused(minor: int, currency: str, more: str) -> None:
    exponent = EXPONENTS.get(currency, DEFAULT_EXPONENT)
    text = decimal_text(minor, exponent, 0)
    with pytest.raises(MalformedInput):
        money_of(text + more if exponent else f"{text}.{more}", currency)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("0.00", "USD", 0),
        ("19.9", "USD", 1990),
        ("19", "USD", 1900),
        ("500", "JPY", 500),
        ("500.0", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("-0.05", "EUR", -5),
        ("123456789012345678.99", "USD", 12345678901234567899),
    ],
)
def test_amounts_are_read_to_the_last_digit(text: str, currency: str, minor: int) -> None:
    assert money_of(text, currency).minor == minor


@pytest.mark.parametrize(
    "amount", ["", " 1", "1.", ".5", "1,50", "1e2", "+1", "--1", "NaN", "٣", "1.2.3", "9" * 19, 1, 1.5, True, None, {}]
)
def test_what_is_not_decimal_text_is_no_amount(amount: object) -> None:
    with pytest.raises(MalformedInput):
        money_of(amount, "USD")


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "U$D", None, 840])
def test_an_amount_without_a_currency_is_refused(currency: object) -> None:
    with pytest.raises(MalformedInput):
        money_of("1.00", currency)


# ---------------------------------------------------------------- orders/paid


def test_a_paid_order_says_what_was_bought_and_what_was_paid() -> None:
    data = data_of(sample("orders-paid"), "orders/paid")
    assert data == {
        "order_id": ORDER,
        "buyer": MAREN,
        "locale": "en-US",
        "paid_at": "2026-11-02T08:00:13Z",
        "amount": usd("79.58"),
        "postage": usd("7.50"),
        "lines": [
            {
                "line_id": "13000000000000000001",
                "item_id": "8101112131415",
                "category": "unknown",
                "quantity": 1,
                "amount": usd("46.64"),
            },
            {
                "line_id": "13000000000000000002",
                "item_id": "8101112131416",
                "category": "unknown",
                "quantity": 2,
                "amount": usd("25.44"),
            },
        ],
        "promise": {"door_delivery": False},
        "destination": {"country": "US", "province": "Vermont", "city": "Burlington"},
    }


def test_the_lines_and_the_postage_sum_to_what_was_paid_whether_tax_is_in_the_price_or_not() -> None:
    for name in ("orders-paid", "orders-paid.guest"):
        data = data_of(sample(name), "orders/paid")
        assert (
            sum(line["amount"]["minor"] for line in data["lines"]) + data["postage"]["minor"] == data["amount"]["minor"]
        )


def test_the_customers_own_id_goes_to_the_erasable_item_and_no_further() -> None:
    [fact] = facts_of(sample("orders-paid"), "orders/paid")
    assert (fact.buyer, fact.key, fact.private) == (MAREN, f"OrderPaid#{ORDER}", {"buyer": CUSTOMER})


def test_an_order_of_no_customer_has_an_empty_buyer_and_nothing_to_erase() -> None:
    [fact] = facts_of(sample("orders-paid.guest"), "orders/paid")
    assert (fact.event.detail()["data"]["buyer"], fact.buyer, fact.private) == ("", None, {})


def test_an_order_without_digits_after_the_point_counts_whole_yen() -> None:
    data = data_of(sample("orders-paid.guest"), "orders/paid")
    assert data["amount"] == {"minor": 5400, "currency": "JPY"}
    assert "destination" not in data


def test_a_line_of_no_product_is_an_item_of_its_own_and_a_gift_card_is_called_one() -> None:
    typed, card = data_of(sample("orders-paid.guest"), "orders/paid")["lines"]
    assert (typed["item_id"], typed["category"]) == ("line:13000000000000000011", "unknown")
    assert (card["item_id"], card["category"]) == ("8101112131499", "gift_card")


def test_a_test_order_is_marked_as_one() -> None:
    assert data_of(sample("orders-paid.guest"), "orders/paid")["flags"] == ["test"]


def test_an_order_seen_in_another_currency_is_counted_in_the_shops() -> None:
    content = sample("orders-paid", presentment_currency="EUR")
    content["total_price_set"]["presentment_money"] = {"amount": "73.20", "currency_code": "EUR"}
    assert data_of(content, "orders/paid")["amount"] == usd("79.58")


def test_an_older_body_without_money_sets_is_read_from_its_plain_amounts() -> None:
    content = sample("orders-paid")
    whole = data_of(content, "orders/paid")

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(each) for name, each in value.items() if not name.endswith("_set")}
        return [bare(each) for each in value] if isinstance(value, list) else value

    assert data_of(bare(content), "orders/paid") == {name: each for name, each in whole.items() if name != "postage"}


@pytest.mark.parametrize("status", ["pending", "authorized", "partially_paid", "voided", None])
def test_a_body_that_does_not_say_paid_is_not_believed_for_its_topic(status: str | None) -> None:
    assert "does not say" in parked(sample("orders-paid", financial_status=status), "orders/paid")


@pytest.mark.parametrize("field", ["id", "currency", "updated_at", "total_price"])
def test_a_paid_order_without_what_it_must_have_is_refused_by_the_fields_name(field: str) -> None:
    content = sample("orders-paid")
    content.pop(field)
    content.pop(f"{field}_set", None)
    assert field in refused(content, "orders/paid")


def test_amounts_of_two_currencies_in_one_order_are_refused() -> None:
    content = sample("orders-paid")
    content["line_items"][0]["price_set"]["shop_money"]["currency_code"] = "CAD"
    assert "currency" in refused(content, "orders/paid")


def test_a_refusal_never_repeats_what_was_read() -> None:
    content = sample("orders-paid", updated_at="Maren Okafor")
    assert "Maren" not in refused(content, "orders/paid")


# ---------------------------------------------------------------- orders/cancelled


@pytest.mark.parametrize(
    ("reason", "by"),
    [
        ("customer", "buyer"),
        ("inventory", "seller"),
        ("fraud", "seller"),
        ("staff", "seller"),
        ("declined", "system"),
        ("other", "unknown"),
        ("something new", "unknown"),
        (None, None),
    ],
)
def test_who_called_an_order_off_follows_from_the_reason(reason: str | None, by: str | None) -> None:
    data = data_of(sample("orders-cancelled", cancel_reason=reason), "orders/cancelled")
    assert (data["order_id"], data["at"], data.get("by")) == (ORDER, "2026-11-02T10:41:00Z", by)


def test_a_live_orders_body_under_the_topic_of_cancellation_cancels_nothing() -> None:
    assert "does not say" in parked(sample("orders-paid"), "orders/cancelled")


# ---------------------------------------------------------------- parcels


def test_every_number_of_a_fulfillment_is_a_parcel_and_an_event_of_its_own() -> None:
    facts = facts_of(sample("fulfillments-create"), "fulfillments/create")
    data = [fact.event.detail()["data"] for fact in facts]
    assert [each["parcel"] for each in data] == [
        {"carrier": "other:Hill Couriers", "number": "HC-1"},
        {"carrier": "other:Hill Couriers", "number": "HC-2"},
    ]
    assert {each["uploaded_at"] for each in data} == {"2026-11-03T14:12:44Z"}
    assert len({fact.event.metadata.event_id for fact in facts}) == 2


def test_a_number_in_the_older_single_field_alone_is_a_parcel_too() -> None:
    content = sample("fulfillments-create", tracking_numbers=None)
    assert data_of(content, "fulfillments/create")["parcel"]["number"] == "HC-1"


@pytest.mark.parametrize("numbers", [[], [""], [" "], None])
def test_a_fulfillment_without_a_number_is_parked(numbers: object) -> None:
    content = sample("fulfillments-create", tracking_numbers=numbers, tracking_number=None)
    assert parked(content, "fulfillments/create") == "the fulfillment has no tracking number"


@pytest.mark.parametrize("status", ["cancelled", "error", "failure"])
def test_a_fulfillment_that_was_called_off_ships_nothing(status: str) -> None:
    assert "called off" in parked(sample("fulfillments-update", status=status), "fulfillments/update")
    order = sample("orders-fulfilled")
    order["fulfillments"][0]["status"] = status
    assert "no tracking number" in parked(order, "orders/fulfilled")


def test_a_fulfilled_order_ships_the_same_parcel_as_its_fulfillment_says() -> None:
    of_order = data_of(sample("orders-fulfilled"), "orders/fulfilled")
    assert of_order == data_of(sample("orders-fulfilled")["fulfillments"][0], "fulfillments/create")
    assert of_order == data_of(sample("orders-fulfilled"), "orders/partially_fulfilled")


def test_a_delivered_fulfillment_proves_the_delivery_of_its_parcel() -> None:
    _, scan = facts_of(sample("fulfillments-update"), "fulfillments/update")
    assert scan.event.detail()["data"] == {
        "parcel": {"carrier": "canada_post", "number": "7035114477138472"},
        "order_id": ORDER,
        "scanned_at": "2026-11-06T20:20:03Z",
        "status": "delivered",
        "raw": {"code": "delivered", "text": ""},
    }


@pytest.mark.parametrize("status", [*(status for status in STATUSES if status != "delivered"), None, "new"])
def test_any_other_status_of_a_fulfillment_is_no_scan_as_it_has_no_time(status: str | None) -> None:
    content = sample("fulfillments-update", shipment_status=status)
    assert [fact.event.data.name for fact in facts_of(content, "fulfillments/update")] == ["OrderShipped"]


def test_of_several_parcels_delivered_does_not_say_which() -> None:
    content = sample("fulfillments-update", tracking_numbers=["A", "B"], tracking_number="A")
    assert [fact.event.data.name for fact in facts_of(content, "fulfillments/update")] == ["OrderShipped"] * 2


def test_a_carriers_scan_has_its_own_time_and_the_order() -> None:
    assert data_of(sample("fulfillment_events-create"), "fulfillment_events/create") == {
        "order_id": ORDER,
        "scanned_at": "2026-11-05T03:05:00Z",
        "status": "in_transit",
        "region": {"country": "US", "province": "NY", "city": "Albany"},
        "raw": {"code": "in_transit", "text": "Departed the sorting centre"},
    }


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_the_table_is_told_as_it_says_there(status: str) -> None:
    data = data_of(sample("fulfillment_events-create", status=status), "fulfillment_events/create")
    assert (data["status"], data.get("reason")) == (STATUSES[status].status, STATUSES[status].reason)


@pytest.mark.parametrize("status", ["picked_up", "returning_to_sender", "DELIVERED", "new"])
def test_a_status_that_nobody_knows_is_unknown_and_kept_as_it_came(status: str) -> None:
    data = data_of(sample("fulfillment_events-create", status=status), "fulfillment_events/create")
    assert (data["status"], data["raw"]["code"]) == (ScanStatus.UNKNOWN, status)


@pytest.mark.parametrize("country", ["United States", "us", "", None])
def test_a_place_without_a_countrys_code_is_left_out(country: str | None) -> None:
    data = data_of(sample("fulfillment_events-create", country=country), "fulfillment_events/create")
    assert "region" not in data


@pytest.mark.parametrize(
    ("company", "carrier"),
    [
        ("DHL Express", "dhl"),
        ("dhl  express", "dhl"),
        ("Royal Mail", "royal_mail"),
        ("SF Express", "sf"),
        ("顺丰速运", "sf"),
        ("Hill Couriers", "other:Hill Couriers"),
        ("DHL Express by Ann", "other:DHL Express by Ann"),
        ("-", "other:-"),
        (None, "other:unnamed"),
    ],
)
def test_a_carrier_has_the_tables_name_or_its_own_behind_other(company: str | None, carrier: str) -> None:
    assert carrier_of(company) == carrier


def test_the_rows_of_the_carriers_are_written_as_they_are_looked_up() -> None:
    assert [name for name in CARRIERS if carrier_of(name) != CARRIERS[name]] == []


# ---------------------------------------------------------------- refunds


def test_a_refund_is_what_its_transactions_moved() -> None:
    assert data_of(sample("refunds-create"), "refunds/create") == {
        "refund_id": "931122334455667788",
        "order_id": ORDER,
        "kind": "refund_only",
        "outcome": "refunded",
        "by": "seller",
        "decided_at": "2026-11-09T16:00:00Z",
        "amount": usd("20.50"),
        "revision": 1,
    }


def cap_after(content: dict[str, Any]) -> Money | None:
    """What may still be refunded of the sample's order, after the refund came twice."""
    [paid] = facts_of(sample("orders-paid"), "orders/paid")
    [refund] = facts_of(content, "refunds/create")
    assert isinstance(paid.event.data, OrderPaid)
    assert isinstance(refund.event.data, RefundDecided)
    order = Order(shop=SHOP, order_id=ORDER, purchase=Purchase.of(paid.event.data))
    return order.with_decision(refund.event.data).with_decision(refund.event.data).remaining


def test_a_refund_made_at_shopify_lowers_the_orders_cap_once() -> None:
    assert cap_after(sample("refunds-create")) == money_of("59.08", "USD")


def test_a_refund_of_nobodys_hand_was_the_shops_system() -> None:
    assert data_of(sample("refunds-create", user_id=None), "refunds/create")["by"] == "system"


def with_restock(restock_type: str) -> dict[str, Any]:
    content = sample("refunds-create")
    content["refund_line_items"][0]["restock_type"] = restock_type
    return content


@pytest.mark.parametrize("content", [with_restock("return"), sample("refunds-create", **{"return": {"id": 640011}})])
def test_a_refund_with_goods_back_is_of_a_return(content: dict[str, Any]) -> None:
    assert data_of(content, "refunds/create")["kind"] == "return_and_refund"


def with_transactions(*changes: Mapping[str, Any]) -> dict[str, Any]:
    content = sample("refunds-create")
    first = content["transactions"][0]
    content["transactions"] = [first | change for change in changes]
    return content


def test_money_on_its_way_counts_and_a_failed_attempt_does_not() -> None:
    content = with_transactions({"status": "pending"}, {"status": "error"}, {"amount": "1.25"}, {"kind": "void"})
    assert data_of(content, "refunds/create")["amount"] == usd("21.75")


@pytest.mark.parametrize("changes", [(), ({"status": "failure"},), ({"kind": "capture"},)])
def test_a_refund_that_moved_no_money_is_parked(changes: tuple[Mapping[str, Any], ...]) -> None:
    assert parked(with_transactions(*changes), "refunds/create") == "the refund moved no money"


def seen_in_euro(content: dict[str, Any]) -> dict[str, Any]:
    content = deepcopy(content)
    for both in (content["total_duties_set"], content["refund_line_items"][0]["subtotal_set"]):
        both["presentment_money"]["currency_code"] = "EUR"
    content["refund_line_items"][0].pop("total_tax_set")
    return content


@pytest.mark.parametrize("currency", ["EUR", None])
def test_money_in_the_buyers_currency_alone_is_told_without_an_amount(currency: str | None) -> None:
    content = seen_in_euro(with_transactions({"currency": currency}))
    data = data_of(content, "refunds/create")
    assert ("amount" in data, data["outcome"]) == (False, "refunded")


def test_a_refund_of_an_unknown_sum_leaves_nothing_of_the_orders_cap() -> None:
    content = seen_in_euro(with_transactions({"currency": "EUR"}))
    assert cap_after(content) == Money.zero("USD")


def test_a_transaction_that_states_both_currencies_counts_in_the_shops() -> None:
    both = {
        "shop_money": {"amount": "22.10", "currency_code": "USD"},
        "presentment_money": {"amount": "20.50", "currency_code": "EUR"},
    }
    content = seen_in_euro(with_transactions({"currency": "EUR", "amount_set": both}))
    assert data_of(content, "refunds/create")["amount"] == usd("22.10")


def test_a_transaction_without_a_currency_is_in_the_only_one_there_is() -> None:
    assert data_of(with_transactions({"currency": None}), "refunds/create")["amount"] == usd("20.50")


def test_a_refund_that_names_no_currency_of_the_shop_is_told_without_an_amount() -> None:
    content = sample("refunds-create", total_duties_set=None, refund_line_items=[])
    assert "amount" not in data_of(content, "refunds/create")


# ---------------------------------------------------------------- app/uninstalled


def test_the_right_to_act_ended_when_the_webhook_was_triggered() -> None:
    assert data_of(sample("app-uninstalled"), UNINSTALLED) == {"at": "2026-11-30T22:00:00Z"}


def test_without_a_stated_time_it_ended_when_we_heard_of_it() -> None:
    [fact] = read(json.dumps(sample("app-uninstalled")).encode(), UNINSTALLED, None) or []
    assert fact.event.detail()["data"] == {"at": "2026-12-01T08:00:00Z"}


def test_a_shop_without_its_domain_in_the_body_is_the_paths() -> None:
    assert data_of(sample("app-uninstalled", myshopify_domain=None), UNINSTALLED)


def test_another_shops_body_takes_no_right_away() -> None:
    assert "another shop" in refused(sample("app-uninstalled", myshopify_domain="mill.myshopify.com"), UNINSTALLED)


# ---------------------------------------------------------------- the door


def test_the_door_listens_and_takes_no_action() -> None:
    assert doors.CAPABILITIES["shopify"] == Capabilities(actions=frozenset(), deduplicates_keys=False)
    assert doors.actions_of(SHOP) == frozenset[ActionType]()
    assert doors.verifier("shopify") is not None
    assert doors.translation("shopify") is translate


@pytest.mark.parametrize("connect", [doors.spender, doors.speaker])
def test_whoever_wants_to_act_for_a_shop_of_the_door_is_told_that_it_cannot(connect: Any) -> None:
    with pytest.raises(doors.CannotAct):
        connect("shopify", None, None, {"secrets": ["shpss_x"]})
