"""What a genuine delivery at the standard door becomes: catalogue events without personal data, or a clear reason."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercare.events import catalogue
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.ids import pseudonym, stable_id
from aftercare.marketplaces.standard.translate import TOPICS, Fact, translate

SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "standard"
SHOP = "standard:tea-house"
KEY = b"a key for pseudonyms"
ARRIVED = datetime(2026, 12, 1, 8, 0, 0, tzinfo=UTC)


def read(body: bytes, delivery_id: str = "msg_1") -> list[Fact] | None:
    facts = translate(
        body,
        shop=SHOP,
        delivery_id=delivery_id,
        received_at=ARRIVED,
        pseudonym_key=KEY,
        ref_of=lambda shop, buyer, key: f"{shop}/{buyer}/{key}",
    )
    return None if facts is None else list(facts)


def fact_of(content: Any) -> Fact:
    facts = read(json.dumps(content).encode())
    assert facts is not None
    [fact] = facts
    return fact


def sample(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_bytes())
    return content


def reason(body: bytes) -> str:
    with pytest.raises(MalformedInput) as raised:
        read(body)
    return str(raised.value)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_delivery_becomes_an_event_that_the_catalogue_reads(path: Path) -> None:
    [fact] = read(path.read_bytes()) or []
    entry = json.loads(json.dumps(fact.event.entry()))
    assert catalogue.parse(entry["source"], entry["detail-type"], entry["detail"]) == fact.event
    assert fact.event.source == "aftercare.marketplaces"
    assert fact.event.metadata.shop == SHOP


def test_there_is_a_sample_for_every_event_and_a_type_for_every_incoming_event() -> None:
    told = {TOPICS[json.loads(path.read_bytes())["type"]].event for path in SAMPLES.glob("*.json")}
    assert told == {topic.event for topic in TOPICS.values()} == catalogue.INCOMING


@pytest.mark.parametrize(
    ("type_", "event"),
    [
        ("order.paid", "OrderPaid"),
        ("parcel.scanned", "ParcelScanned"),
        ("chat.round_closed", "ChatRoundClosed"),
        ("refund.requested", "RefundRequested"),
        ("platform.stepped_in", "PlatformSteppedIn"),
        ("out_of_stock.declared", "OutOfStockDeclared"),
        ("out.of_stock_declared", "OutOfStockDeclared"),
    ],
)
def test_a_type_is_the_events_name_in_dotted_lower_case(type_: str, event: str) -> None:
    assert TOPICS[type_].event == event


def test_the_same_delivery_always_has_the_same_event_id() -> None:
    body = (SAMPLES / "order_paid_tea_set.json").read_bytes()
    [first], [again], [other] = read(body) or [], read(body) or [], read(body, "msg_2") or []
    assert first.event.metadata.event_id == again.event.metadata.event_id == stable_id(SHOP, "msg_1", 0, "OrderPaid")
    assert other.event.metadata.event_id != first.event.metadata.event_id


def test_it_happened_at_the_facts_own_time_and_arrived_later() -> None:
    metadata = fact_of(sample("refund_requested_damaged")).event.metadata
    assert metadata.occurred_at == datetime(2026, 11, 5, 11, 20, 15, tzinfo=UTC)
    assert metadata.received_at == ARRIVED


@pytest.mark.parametrize("name", ["parcel_traced", "refund_updated"])
def test_a_fact_without_a_time_of_its_own_happened_at_the_bodys_timestamp(name: str) -> None:
    content = sample(name)
    assert fact_of(content).event.metadata.occurred_at == datetime.fromisoformat(content["timestamp"])


def test_an_unanswered_round_was_closed_at_the_bodys_timestamp() -> None:
    content = sample("chat_round_closed")
    del content["data"]["answered_at"]
    assert fact_of(content).event.metadata.occurred_at == datetime.fromisoformat(content["timestamp"])


def test_without_any_time_it_happened_when_it_arrived() -> None:
    content = sample("parcel_traced")
    del content["timestamp"]
    metadata = fact_of(content).event.metadata
    assert (metadata.occurred_at, metadata.received_at) == (ARRIVED, None)


def test_the_buyer_becomes_a_pseudonym_and_the_raw_id_goes_to_the_erasable_item() -> None:
    fact = fact_of(sample("order_paid_tea_set"))
    hidden = pseudonym(KEY, SHOP, "lin.xiaoyu.3391")
    assert fact.event.detail()["data"]["buyer"] == fact.buyer == hidden
    assert (fact.key, fact.private) == ("OrderPaid#202611020001", {"buyer": "lin.xiaoyu.3391"})


def test_one_buyer_has_one_pseudonym_in_every_event_of_the_shop() -> None:
    names = ("order_paid_tea_set", "refund_requested_damaged", "refund_updated")
    assert len({fact_of(sample(name)).buyer for name in names}) == 1


def test_a_note_travels_as_a_reference_to_the_erasable_item() -> None:
    content = sample("refund_requested_damaged")
    fact = fact_of(content)
    note = content["data"]["reason"]["note"]
    assert fact.event.detail()["data"]["reason"]["note"] == {
        "ref": f"{SHOP}/{fact.buyer}/RefundRequested#R-88001",
        "sha256": hashlib.sha256(note.encode()).hexdigest(),
    }
    assert fact.private == {"buyer": "lin.xiaoyu.3391", "note": note}


def test_a_reviews_text_is_erasable_though_it_names_no_buyer() -> None:
    fact = fact_of(sample("review_posted"))
    assert (fact.buyer, fact.key, list(fact.private)) == (None, "ReviewPosted#V-90210", ["text"])


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_no_raw_buyer_and_no_free_text_is_on_the_bus(path: Path) -> None:
    [fact] = read(path.read_bytes()) or []
    on_the_bus = json.dumps(fact.event.entry(), ensure_ascii=False)
    assert not [value for value in fact.private.values() if value in on_the_bus]


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_note_is_no_note(nothing: str | None) -> None:
    content = sample("refund_requested_damaged")
    content["data"]["reason"]["note"] = nothing
    fact = fact_of(content)
    assert "note" not in fact.event.detail()["data"]["reason"]
    assert list(fact.private) == ["buyer"]


def test_a_sender_cannot_smuggle_in_a_reference() -> None:
    content = sample("refund_requested_damaged")
    content["data"]["reason"]["note"] = {"ref": "BUYER#x|y", "sha256": "0" * 64}
    assert reason(json.dumps(content).encode()) == "reason.note is not text"


def test_ids_of_more_than_53_bits_keep_every_digit() -> None:
    content = sample("order_paid_tea_set")
    content["data"] |= {"order_id": 9007199254740993, "buyer": 9223372036854775809}
    fact = fact_of(content)
    assert fact.event.detail()["data"]["order_id"] == "9007199254740993"
    assert fact.private["buyer"] == "9223372036854775809"


def test_a_long_id_still_gives_a_reference_that_the_catalogue_takes() -> None:
    content = sample("refund_requested_damaged")
    content["data"]["refund_id"] = "退" * 256
    assert len(fact_of(content).key) < 60


def test_unknown_fields_are_ignored_even_with_fractions_in_them() -> None:
    content = sample("order_paid_tea_set")
    content["data"]["weight_kg"] = 1.25
    assert "weight_kg" not in fact_of(content).event.detail()["data"]


def test_an_unknown_word_of_a_closed_list_becomes_unknown() -> None:
    content = sample("refund_requested_damaged")
    content["data"]["reason"]["code"] = "wrong_colour"
    assert fact_of(content).event.detail()["data"]["reason"]["code"] == "unknown"


@pytest.mark.parametrize("type_", ["order.archived", "OrderPaid", "order.paid ", "ORDER.PAID", ""])
def test_an_unknown_type_is_neither_read_nor_refused(type_: str) -> None:
    assert read(json.dumps({"type": type_, "data": 7}).encode()) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        ('\ufeff{"type": "order.paid"}'.encode(), "not JSON"),
        (b'{"type": "order.paid", } // comment', "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"{}", "type is not text"),
        (b'{"type": 1, "data": {}}', "type is not text"),
        (b'{"type": ["order.paid"], "data": {}}', "type is not text"),
        (b'{"type": "order.paid"}', "data is not an object"),
        (b'{"type": "order.paid", "data": []}', "data is not an object"),
        (b'{"type": "order.paid", "type": "order.paid"}', "twice"),
        (b'{"type": "order.paid", "data": {"x": {"a": 1, "a": 2}}}', "twice"),
        (b'{"type": "order.paid", "data": {"x": NaN}}', "NaN"),
        (b'{"type": "order.paid", "data": {"x": -Infinity}}', "NaN"),
        (b'{"type": "order.paid", "data": {}, "timestamp": 1614265330}', "timestamp"),
        (b'{"type": "order.paid", "data": {}, "timestamp": "2026-11-02 08:00"}', "timestamp"),
        (b'{"type": "order.paid", "data": {}}', "order_id is not an id"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", "nested"),
        (b'{"x": ' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
def test_what_is_not_the_contract_is_refused_with_a_reason(body: bytes, why: str) -> None:
    assert why in reason(body)


@pytest.mark.parametrize("minor", ["447.00", "44700.0", "4.47e4", "1e999999999", '"44700"', "true", "null", "-1"])
def test_an_amount_that_is_not_a_whole_number_of_minor_units_is_refused(minor: str) -> None:
    content = sample("order_paid_tea_set")
    content["data"]["amount"]["minor"] = 44700
    body = json.dumps(content).replace('"minor": 44700', f'"minor": {minor}', 1)
    assert reason(body.encode()).startswith("OrderPaid v1 data: amount")


@pytest.mark.parametrize("field", ["buyer", "refund_id"])
@pytest.mark.parametrize("value", [None, "", "x" * 257, 1.5, True, ["x"], {"id": "x"}])
def test_a_buyer_or_fact_without_a_usable_id_is_refused(field: str, value: object) -> None:
    content = sample("refund_requested_damaged")
    content["data"][field] = value
    assert reason(json.dumps(content).encode()) == f"{field} is not an id of 1 to 256 characters"


@pytest.mark.parametrize("path", [("buyer",), ("reason", "note"), ("refund_id",), ("order_id",)])
def test_half_of_a_character_is_refused_since_no_store_takes_it(path: tuple[str, ...]) -> None:
    content = sample("refund_requested_damaged")
    holder = content["data"]
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = "cut \ud83d"
    assert "half of a character" in reason(json.dumps(content).encode())


def test_a_reason_never_repeats_what_was_read() -> None:
    content = sample("refund_requested_damaged")
    content["data"] |= {"requested_at": "PRIVATE", "amount": "PRIVATE", "lines": "PRIVATE", "reason": "PRIVATE"}
    assert "PRIVATE" not in reason(json.dumps(content).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(sorted(path.stem for path in SAMPLES.glob("*.json"))), data=st.data())
def test_any_field_may_hold_anything_and_it_is_read_or_refused_but_never_crashes(
    name: str, data: st.DataObject
) -> None:
    content = sample(name)
    field = data.draw(st.sampled_from(sorted(content["data"])))
    content["data"][field] = data.draw(JSON)
    try:
        facts = read(json.dumps(content).encode())
    except MalformedInput:
        return
    assert facts is not None
    json.dumps(facts[0].event.entry(), ensure_ascii=False).encode()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_parked_or_refused(body: bytes) -> None:
    try:
        facts = read(body)
    except MalformedInput:
        return
    assert facts is None
