"""The two handlers of the way in: from the events that AWS sends to the answers that AWS expects."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aftercare import bootstrap
from aftercare.intake.model import SetAside, Shelf
from aftercare.intake.receiving import Answer, Request
from aftercare.intake.service import BatchOutcome
from aftercare.kernel.errors import Transient
from aftercare.marketplaces import doors

FUNCTIONS = Path(__file__).parents[2] / "functions"
Handler = Callable[[Mapping[str, Any], object], dict[str, Any]]


def handler_of(name: str) -> Handler:
    spec = importlib.util.spec_from_file_location(f"functions_{name}", FUNCTIONS / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler


@dataclass
class Intake:
    answer: Answer
    asked: Request | None = None

    def receive(self, request: Request) -> Answer:
        self.asked = request
        return self.answer


def post(answer: Answer, event: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], Intake]:
    intake = Intake(answer)
    monkeypatch.setattr(bootstrap, "webhook_intake", lambda: intake, raising=False)
    return handler_of("webhook_intake")(event, None), intake


def test_an_http_request_reaches_the_service_and_its_answer_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    event = {
        "version": "2.0",
        "headers": {"webhook-id": "msg_1"},
        "pathParameters": {"door": "standard", "shop_id": "tea-house"},
        "body": "e30=",
        "isBase64Encoded": True,
    }
    reply, intake = post(Answer(202, '{"status":"accepted"}', "accepted"), event, monkeypatch)
    assert intake.asked == Request("standard", "tea-house", {"webhook-id": "msg_1"}, "e30=", True)
    assert (reply["statusCode"], reply["body"]) == (202, '{"status":"accepted"}')


def test_an_empty_request_is_a_request_too(monkeypatch: pytest.MonkeyPatch) -> None:
    reply, intake = post(Answer(401, "{}", "unknown door"), {}, monkeypatch)
    assert intake.asked == Request("", "", {}, "", False)
    assert reply["statusCode"] == 401


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (Answer(202, "", "accepted", "standard:tea-house"), 0),
        (Answer(401, "", "unknown shop"), 0),
        (Answer(401, "", "its time is too far from ours", "standard:tea-house"), 1),
        (Answer(503, "", "throttled"), 1),
    ],
)
def test_a_stranger_cannot_fill_the_log(
    answer: Answer, lines: int, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    post(answer, {}, monkeypatch)
    assert len(log_lines()) == lines


def test_failed_messages_come_again_and_what_was_set_aside_is_logged_without_its_content(
    monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    entry = SetAside(
        Shelf.QUARANTINE, "standard:tea-house", "msg_7", datetime(2026, 11, 5, tzinfo=UTC), "not UTF-8", "PRIVATE"
    )

    class Translator:
        def translate(self, messages: Mapping[str, str]) -> BatchOutcome:
            assert messages == {"a": "first", "b": "second"}
            return BatchOutcome(errors={"b": Transient("no connection")}, set_aside=[entry])

    monkeypatch.setattr(bootstrap, "notification_translator", Translator, raising=False)
    records = [{"messageId": "a", "body": "first"}, {"messageId": "b", "body": "second"}]
    answer = handler_of("notification_translate")({"Records": records}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert "PRIVATE" not in json.dumps(log_lines())
    assert [line["reason"] for line in log_lines() if "reason" in line] == ["not UTF-8"]


@pytest.mark.parametrize("door", sorted(doors.CAPABILITIES))
def test_the_front_door_loads_no_models(door: str) -> None:
    code = (
        f"import sys, aftercare.intake.receiving; from aftercare.marketplaces import doors; doors.verifier('{door}');"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  our own text
