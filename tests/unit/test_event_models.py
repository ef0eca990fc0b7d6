"""How events are read and written: open when we read, closed when we write, exact in between."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aftercare.events.catalogue import INCOMING, entries, model_of, parse, read_json
from aftercare.events.negotiation import Coupon, OfferAccepted, OfferOption, OffersPresented
from aftercare.events.orders import OrderPaid
from aftercare.events.parcels import ParcelScanned, ParcelTraced, Scan
from aftercare.events.refunds import Reason, RefundDecided, RefundLine, RefundRequested
from aftercare.events.scores import DayMeasured, Measure
from aftercare.events.shop import ShopAuthorizationRevoked
from aftercare.events.vocabulary import (
    PICKED_UP_STATUSES,
    AcceptedVia,
    Hub,
    Line,
    OpenEnum,
    OptionKind,
    Parcel,
    Party,
    Promise,
    Raw,
    RefundKind,
    RefundOutcome,
    RefundReason,
    RefundStage,
    Region,
    ScanReason,
    ScanStatus,
    SignedBy,
    TextRef,
    Window,
)
from aftercare.kernel.envelope import Event, EventData, Metadata
from aftercare.kernel.errors import MalformedInput
from aftercare.kernel.money import Money

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
METADATA = {"event_id": "e1", "version": 1, "occurred_at": "2026-11-02T12:00:00Z", "shop": "taobao:1"}
REFUND = {
    "refund_id": "r1",
    "order_id": "o1",
    "buyer": "b_1",
    "kind": "refund_only",
    "stage": "delivered",
    "reason": {"code": "quality", "raw": "质量问题"},
    "amount": {"minor": 2990, "currency": "CNY"},
    "requested_at": "2026-11-02T12:00:00Z",
    "revision": 1,
}


def _parse(name: str, data: dict[str, Any], source: str = "aftercare.marketplaces") -> Any:
    return parse(source, name, {"metadata": METADATA, "data": data}).data


def _message(name: str, data: dict[str, Any]) -> str:
    with pytest.raises(MalformedInput) as refused:
        _parse(name, data)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    return str(refused.value)


# ---------------------------------------------------------------- there and back

ids = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
times = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  it adds the zone
money = st.builds(Money, minor=st.integers(0, 10**15), currency=st.sampled_from(["CNY", "JPY", "KWD"]))
flags = st.booleans()
regions = st.builds(Region, country=st.just("CN"), province=st.none() | ids, city=st.none() | ids)
parcels = st.builds(Parcel, carrier=ids, number=ids)
raws = st.builds(Raw, code=ids, text=ids)
text_refs = st.builds(TextRef, ref=ids, sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True))
revisions = st.integers(0, 2**63)
scan_fields: dict[str, st.SearchStrategy[Any]] = {
    "scanned_at": times,
    "status": st.sampled_from(ScanStatus),
    "reason": st.none() | st.sampled_from(ScanReason),
    "region": st.none() | regions,
    "hub": st.none() | st.builds(Hub, code=st.none() | ids, name=st.none() | ids),
    "signed_by": st.none() | st.sampled_from(SignedBy),
    "raw": raws,
}
scans = st.builds(Scan, **scan_fields)
some_events: st.SearchStrategy[EventData] = st.one_of(
    st.builds(
        OrderPaid,
        order_id=ids,
        buyer=ids,
        paid_at=times,
        amount=money,
        postage=st.none() | money,
        lines=st.lists(
            st.builds(Line, line_id=ids, item_id=ids, category=ids, quantity=st.integers(1, 999), amount=money),
            max_size=3,
        ).map(tuple),
        promise=st.builds(Promise, ship_by=st.none() | times, deliver_by=st.none() | times, door_delivery=flags),
        destination=st.none() | regions,
        insured=st.none() | flags,
        flags=st.none() | st.lists(ids, max_size=3).map(tuple),
    ),
    st.builds(
        RefundRequested,
        refund_id=ids,
        order_id=ids,
        buyer=ids,
        kind=st.sampled_from(RefundKind),
        stage=st.sampled_from(RefundStage),
        reason=st.builds(Reason, code=st.sampled_from(RefundReason), raw=ids | raws, note=st.none() | text_refs),
        lines=st.none()
        | st.lists(st.builds(RefundLine, line_id=ids, quantity=st.integers(0, 9), amount=money), max_size=3).map(tuple),
        amount=money,
        requested_at=times,
        respond_by=st.none() | times,
        revision=revisions,
    ),
    st.builds(
        RefundDecided,
        refund_id=ids,
        order_id=ids,
        kind=st.sampled_from(RefundKind),
        outcome=st.sampled_from(RefundOutcome),
        by=st.sampled_from(Party),
        decided_at=times,
        amount=st.none() | money,
        payout_key=st.none() | ids,
        justified=st.none() | flags,
        revision=revisions,
    ),
    st.builds(ParcelScanned, parcel=parcels, order_id=st.none() | ids, **scan_fields),
    st.builds(
        ParcelTraced,
        parcel=parcels,
        order_id=st.none() | ids,
        complete=flags,
        scans=st.lists(scans, max_size=4).map(tuple),
    ),
    st.builds(
        OffersPresented,
        negotiation_id=ids,
        order_id=ids,
        round=st.integers(1, 3),
        options=st.lists(
            st.builds(
                OfferOption,
                option_id=ids,
                kind=st.sampled_from(OptionKind),
                amount=st.none() | money,
                coupon=st.none() | st.builds(Coupon, face_value=money, valid_days=st.integers(1, 365)),
            ),
            max_size=3,
        ).map(tuple),
        answer_by=times,
        text_sha256=st.just("0" * 64),
    ),
    st.builds(
        DayMeasured,
        day=st.dates(),
        metrics=st.lists(st.builds(Measure, id=ids, numerator=revisions, denominator=revisions), max_size=3).map(tuple),
        revision=revisions,
    ),
)


@given(data=some_events, occurred_at=times, received_at=st.none() | times, sequence=st.none() | revisions)
def test_an_event_comes_back_from_its_json_as_it_was(
    data: EventData, occurred_at: datetime, received_at: datetime | None, sequence: int | None
) -> None:
    metadata = Metadata(
        event_id="e1",
        version=data.version,
        occurred_at=occurred_at,
        received_at=received_at,
        shop="taobao:1",
        sequence=sequence,
    )
    event = Event(source=data.sources[0], metadata=metadata, data=data)
    text = json.dumps(event.entry(), ensure_ascii=False)
    assert read_json(text) == event
    assert read_json(text.encode()) == event


def test_an_optional_field_without_a_value_is_absent_from_the_json() -> None:
    accepted = OfferAccepted(
        negotiation_id="n1",
        order_id="o1",
        round=1,
        option_id="1",
        kind=OptionKind.REISSUE,
        via=AcceptedVia.PAGE,
        accepted_at=NOON,
    )
    written = Event("aftercare.negotiation", Metadata.model_validate(METADATA), accepted).detail()
    assert written["data"] == {
        "negotiation_id": "n1",
        "order_id": "o1",
        "round": 1,
        "option_id": "1",
        "kind": "reissue",
        "via": "page",
        "accepted_at": "2026-11-02T12:00:00Z",
    }


def test_null_and_absent_mean_the_same() -> None:
    assert _parse("RefundRequested", {**REFUND, "lines": None, "respond_by": None}) == _parse("RefundRequested", REFUND)


def test_a_window_is_from_and_to_in_json() -> None:
    window = Window(from_=NOON, to=NOON + timedelta(days=30))
    assert window.model_dump(mode="json") == {"from": "2026-11-02T12:00:00Z", "to": "2026-12-02T12:00:00Z"}


# ---------------------------------------------------------------- open when we read


@pytest.mark.parametrize("closed_list", OpenEnum.__subclasses__(), ids=lambda enum: enum.__name__)
def test_every_closed_list_reads_a_text_it_does_not_know_as_unknown(closed_list: type[OpenEnum]) -> None:
    assert closed_list("a value of next year") == "unknown"
    with pytest.raises(ValueError, match="is not a valid"):
        closed_list(7)  # type: ignore[arg-type]


def test_an_unknown_value_deep_in_an_event_becomes_unknown() -> None:
    refund = _parse("RefundRequested", {**REFUND, "kind": "swap", "reason": {"code": "smells", "raw": "异味"}})
    assert refund.kind is RefundKind.UNKNOWN
    assert refund.reason.code is RefundReason.UNKNOWN
    assert refund.reason.raw == "异味"


def test_a_number_is_no_value_of_a_closed_list() -> None:
    assert _message("RefundRequested", {**REFUND, "kind": 3}) == "RefundRequested v1 data: kind (enum)"


def test_an_unknown_field_is_ignored_at_every_depth() -> None:
    newer = {**REFUND, "mood": "angry", "reason": {**REFUND["reason"], "sub_code": "zip"}}  # type: ignore[dict-item]
    assert _parse("RefundRequested", newer) == _parse("RefundRequested", REFUND)


def test_a_64_bit_integer_id_becomes_text_with_every_digit() -> None:
    body = {
        "source": "aftercare.marketplaces",
        "detail-type": "RefundRequested",
        "detail": {"metadata": METADATA, "data": {**REFUND, "order_id": 2**63 - 1}},
    }
    data = read_json(json.dumps(body)).data
    assert isinstance(data, RefundRequested)
    assert data.order_id == "9223372036854775807"


def test_an_order_of_an_unknown_buyer_has_an_empty_one() -> None:
    assert _parse("RefundRequested", {**REFUND, "buyer": ""}).buyer == ""
    assert _parse("RefundRequested", {**REFUND, "buyer": 2**62}).buyer == str(2**62)
    assert "buyer (string_type)" in _message("RefundRequested", {**REFUND, "buyer": None})


def test_a_foreign_status_code_may_be_a_number() -> None:
    assert Raw.model_validate({"code": 40102, "text": ""}).code == "40102"


def test_a_foreign_word_is_kept_as_a_text_or_as_a_code_with_its_text() -> None:
    assert Reason.model_validate({"code": "late", "raw": {"code": "9", "text": "太慢"}}).raw == Raw(
        code="9", text="太慢"
    )
    assert Reason.model_validate({"code": "late", "raw": "太慢"}).raw == "太慢"


# ---------------------------------------------------------------- refused, and said without repeating it


@pytest.mark.parametrize("minor", [29.9, 2990.0, "2990", True])
def test_an_amount_that_is_not_an_integer_is_refused(minor: object) -> None:
    amount = {"minor": minor, "currency": "CNY"}
    assert _message("RefundRequested", {**REFUND, "amount": amount}) == (
        "RefundRequested v1 data: amount.minor (int_type)"
    )


def test_an_amount_below_zero_is_refused() -> None:
    assert "amount (value_error)" in _message("RefundRequested", {**REFUND, "amount": {"minor": -1, "currency": "CNY"}})


@pytest.mark.parametrize("moment", [1793620800, 1793620800.5, "1793620800", "2026-11-02T12:00:00", "2026-11-02", None])
def test_a_time_that_is_a_number_or_has_no_offset_is_refused(moment: object) -> None:
    assert "requested_at" in _message("RefundRequested", {**REFUND, "requested_at": moment})


def test_a_day_is_read_from_text_alone() -> None:
    for day in (1793577600, "1793577600", "2026-11-02T00:00:00Z", NOON):
        with pytest.raises(ValidationError):
            DayMeasured.model_validate({"day": day, "metrics": [], "revision": 1})


def test_plain_text_of_a_buyer_does_not_pass_and_is_not_repeated() -> None:
    plain = "我叫王小明，电话13800000000"
    message = _message("RefundRequested", {**REFUND, "reason": {"code": "late", "raw": "x", "note": plain}})
    assert message == "RefundRequested v1 data: reason.note (model_type)"
    with pytest.raises(ValidationError) as refused:
        RefundRequested.model_validate({**REFUND, "buyer": {"name": plain}})
    assert plain not in str(refused.value)


def test_many_faults_are_told_in_one_short_line() -> None:
    message = _message("RefundRequested", {})
    assert message.endswith("and 4 more")
    assert "\n" not in message


def test_a_scan_of_nothing_is_refused() -> None:
    scan = {"scanned_at": "2026-11-02T12:00:00Z", "status": "delivered", "raw": {"code": "", "text": "signed"}}
    assert _message("ParcelScanned", scan) == "ParcelScanned v1 data: it (value_error)"
    assert isinstance(_parse("ParcelScanned", {**scan, "order_id": "o1"}, "aftercare.carriers"), Scan)


@pytest.mark.parametrize(
    ("source", "name", "version", "message"),
    [
        ("aftercare.marketplaces", "RefundWished", 1, "unknown event 'RefundWished'"),
        ("aftercare.marketplaces", "RefundRequested", 2, "RefundRequested has no version 2"),
        ("aftercare.scores", "RefundRequested", 1, "RefundRequested is not said by 'aftercare.scores'"),
    ],
)
def test_an_event_outside_the_catalogue_is_refused(source: str, name: str, version: int, message: str) -> None:
    with pytest.raises(MalformedInput, match=message):
        parse(source, name, {"metadata": {**METADATA, "version": version}, "data": REFUND})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        b"\xff\xfe",
        "[]",
        "null",
        '{"source": "aftercare.marketplaces"}',
        '{"source": 1, "detail-type": "OrderPaid", "detail": {}}',
        '{"source": "aftercare.marketplaces", "detail-type": ["OrderPaid"], "detail": {}}',
        '{"source": "aftercare.marketplaces", "detail-type": "OrderPaid", "detail": "{}"}',
        '{"source": "aftercare.marketplaces", "detail-type": "OrderPaid", "detail": {"metadata": {}}}',
        '{"source": "aftercare.marketplaces", "detail-type": "OrderPaid", "detail": {"metadata": [], "data": 1}}',
        "[" * 100_000,
        "9" * 5_000,
    ],
    ids=range(13),
)
def test_a_text_that_is_no_event_is_malformed_and_never_another_error(text: str | bytes) -> None:
    with pytest.raises(MalformedInput):
        read_json(text)


# ---------------------------------------------------------------- the catalogue itself


def test_a_model_is_found_under_its_own_name_and_version_and_is_frozen() -> None:
    for name, version in entries():
        model = model_of(name, version)
        assert (model.name, model.version, model.__name__) == (name, version, name)
        assert model.model_config.get("frozen") is True
    with pytest.raises(ValidationError, match="frozen"):
        ShopAuthorizationRevoked(at=NOON).at = NOON  # type: ignore[misc]


def test_incoming_events_are_those_that_marketplaces_or_carriers_say() -> None:
    outside = {"aftercare.marketplaces", "aftercare.carriers"}
    assert {name for name, version in entries() if outside & set(model_of(name, version).sources)} == INCOMING


def test_picked_up_is_every_status_that_proves_the_parcel_left() -> None:
    assert ScanStatus.LABEL_CREATED not in PICKED_UP_STATUSES
    assert ScanStatus.UNKNOWN not in PICKED_UP_STATUSES
    assert set(ScanStatus) - PICKED_UP_STATUSES == {"label_created", "on_hold", "lost", "cancelled", "unknown"}


def test_reading_one_event_imports_its_family_alone() -> None:
    script = (
        "import sys; from aftercare.events import catalogue; catalogue.model_of('ChatRated', 1);"
        "print(sorted(m for m in sys.modules if m.startswith('aftercare.events.')))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert answer.stdout.strip() == str(
        ["aftercare.events.catalogue", "aftercare.events.support", "aftercare.events.vocabulary"]
    )
