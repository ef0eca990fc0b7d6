from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from aftercare.aws.batch import process_batch
from aftercare.kernel.errors import Conflict, MalformedInput, Transient

Lines = Callable[[], list[dict[str, Any]]]


def event_of(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m{index}", "body": body, "attributes": {"ApproximateReceiveCount": "3"}}
            for index, body in enumerate(bodies)
        ]
    }


def failing(errors: Mapping[str, BaseException]) -> Callable[[Mapping[str, Any]], None]:
    def each(record: Mapping[str, Any]) -> None:
        done.append(record["body"])
        if record["body"] in errors:
            raise errors[record["body"]]

    done: list[str] = []
    each.done = done  # type: ignore[attr-defined]
    return each


def test_a_batch_without_failures_is_acknowledged_whole() -> None:
    assert process_batch(event_of("a", "b"), failing({})) == {"batchItemFailures": []}


def test_only_what_failed_is_delivered_again_and_the_rest_is_done(log_lines: Lines) -> None:
    each = failing({"b": Transient("busy"), "c": Conflict("changed"), "d": KeyError("x"), "e": MalformedInput("bad")})
    answer = process_batch(event_of("a", "b", "c", "d", "e", "f"), each)
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m1", "m2", "m3", "m4"]
    assert each.done == ["a", "b", "c", "d", "e", "f"]  # type: ignore[attr-defined]
    assert [line["level"] for line in log_lines()] == ["WARNING", "WARNING", "ERROR", "ERROR"]


def test_a_batch_that_fails_whole_is_answered_too(log_lines: Lines) -> None:
    answer = process_batch(event_of("a", "b"), failing({"a": Transient("busy"), "b": Transient("busy")}))
    assert len(answer["batchItemFailures"]) == 2


def test_our_own_error_is_logged_with_its_message(log_lines: Lines) -> None:
    process_batch(event_of("a"), failing({"a": Transient("PutItem: ThrottlingException")}))
    [line] = log_lines()
    assert (line["error"], line["error_message"]) == ("Transient", "PutItem: ThrottlingException")
    assert (line["message_id"], line["receive_count"]) == ("m0", "3")


def test_an_unexpected_error_shows_where_it_came_from_but_not_what_it_was_about(log_lines: Lines) -> None:
    def parse(record: Mapping[str, Any]) -> None:
        secret = record["body"]
        try:
            int(secret)
        except ValueError as error:
            raise KeyError(f"cannot read {secret}") from error

    process_batch(event_of("call me on 13800138000"), parse)
    [line] = log_lines()
    assert line["error"] == "KeyError"
    assert "int(secret)" in line["trace"]
    assert line["trace"].count("ValueError") == 1
    assert "13800138000" not in str(line)


def test_the_end_of_the_process_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        process_batch(event_of("a"), failing({"a": KeyboardInterrupt()}))
