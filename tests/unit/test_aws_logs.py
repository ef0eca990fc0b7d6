from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aftercare.aws.logs import correlated, log

Lines = Callable[[], list[dict[str, Any]]]


def test_a_line_carries_its_message_level_and_fields(log_lines: Lines) -> None:
    log("offer presented", level="WARNING", order_id="123", count=2)
    [line] = log_lines()
    assert (line["message"], line["level"]) == ("offer presented", "WARNING")
    assert (line["order_id"], line["count"]) == ("123", 2)


def test_a_line_names_the_code_that_wrote_it(log_lines: Lines) -> None:
    log("here")
    [line] = log_lines()
    assert line["location"].startswith("test_a_line_names_the_code_that_wrote_it:")


@pytest.mark.parametrize("field", ["buyer", "text", "phone", "body"])
def test_a_field_that_is_not_allowed_is_a_programming_error(log_lines: Lines, field: str) -> None:
    fields: dict[str, Any] = {field: "personal"}
    with pytest.raises(TypeError, match=field):
        log("refund requested", **fields)
    with pytest.raises(TypeError, match=field), correlated(**fields):
        log("never")
    assert log_lines() == []


def test_correlated_lines_say_what_they_are_about_and_later_ones_do_not(log_lines: Lines) -> None:
    with correlated(event_id="e1", shop="taobao:1"):
        log("inside", reason="stale")
    log("outside")
    inside, outside = log_lines()
    assert (inside["event_id"], inside["shop"], inside["reason"]) == ("e1", "taobao:1", "stale")
    assert not {"event_id", "shop", "reason"} & outside.keys()


def test_correlation_ends_with_an_error_too(log_lines: Lines) -> None:
    with pytest.raises(ValueError, match="broken"), correlated(event_id="e1"):
        raise ValueError("broken")
    log("outside")
    assert "event_id" not in log_lines()[0]
