"""Request units by DynamoDB's rules, at their boundaries."""

from __future__ import annotations

import pytest

from benchmarks.units import KeysOnlyIndex, WireItem, item_bytes, query_units, read_units, write_units

DUE = KeysOnlyIndex(("due_shard", "due_at", "pk", "sk"))


def item(size: int, **attributes: str) -> WireItem:
    """An item of that many bytes, with these texts among its attributes."""
    texts: dict[str, dict[str, str]] = {"pk": {"S": "A"}, "sk": {"S": "B"}, "state": {"S": ""}}
    texts |= {name: {"S": text} for name, text in attributes.items()}
    texts["state"] = {"S": "x" * (size - item_bytes(texts))}
    return texts


def test_names_and_values_count_as_utf8() -> None:
    assert item_bytes({"pk": {"S": "订单"}, "sk": {"S": "B"}}) == 2 + 6 + 2 + 1


@pytest.mark.parametrize(("number", "size"), [("0", 2), ("7", 2), ("12", 2), ("123", 3), ("1000", 2), ("-12", 3)])
def test_a_number_takes_a_byte_for_two_digits_and_one_more(number: str, size: int) -> None:
    assert item_bytes({"n": {"N": number}}) == 1 + size


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="BOOL"):
        item_bytes({"flag": {"BOOL": "true"}})


@pytest.mark.parametrize(("size", "units"), [(100, 1), (1024, 1), (1025, 2), (2048, 2)])
def test_a_write_costs_a_unit_for_every_kb_begun(size: int, units: int) -> None:
    assert write_units(None, item(size), [], transactional=False) == units
    assert write_units(None, item(size), [], transactional=True) == 2 * units


def test_the_larger_of_before_and_after_is_billed() -> None:
    assert write_units(item(3000), item(100), [], transactional=False) == 3
    assert write_units(item(3000), None, [], transactional=False) == 3


def test_an_index_entry_costs_a_unit_when_it_comes_and_when_it_goes() -> None:
    plain, armed = item(100), item(100, due_shard="1", due_at="2026-11-02T08:00:00Z")
    assert write_units(plain, armed, [DUE], transactional=False) == 1 + 1
    assert write_units(armed, plain, [DUE], transactional=False) == 1 + 1


def test_an_index_entry_that_moves_costs_two_and_one_that_stays_nothing() -> None:
    armed = item(100, due_shard="1", due_at="2026-11-02T08:00:00Z")
    later = item(120, due_shard="1", due_at="2026-11-02T09:00:00Z")
    longer = item(140, due_shard="1", due_at="2026-11-02T08:00:00Z")
    assert write_units(armed, later, [DUE], transactional=False) == 1 + 2
    assert write_units(armed, longer, [DUE], transactional=False) == 1


def test_a_transaction_doubles_the_item_and_not_its_index_entries() -> None:
    armed = item(100, due_shard="1", due_at="2026-11-02T08:00:00Z")
    assert write_units(None, armed, [DUE], transactional=True) == 2 + 1


def test_a_read_costs_a_unit_for_every_4_kb_begun_also_for_what_is_absent() -> None:
    assert read_units([item(4096), item(4097), None], consistent=True) == 1 + 2 + 1
    assert read_units([item(4096)], consistent=False) == 0.5


def test_a_query_adds_up_before_it_counts() -> None:
    assert query_units([item(1000)] * 4, consistent=True) == 1
    assert query_units([item(1000)] * 5, consistent=True) == 2
    assert query_units([], consistent=False) == 0.5
