"""A handler measured against its bare calls: a slow one shows, and one that calls otherwise is not measured at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.cases import Played
from benchmarks.handlers import Effort, HandlerTime, NotAsRecorded, StepTime, interleaved, measure
from benchmarks.recording import Exchange, Heard
from benchmarks.run import cpu_figures
from sandbox.resources import Function

NOW = datetime(2026, 11, 5, 8, 0, tzinfo=UTC)
EFFORT = Effort(blocks=3, block_seconds=0.002)
QUEUE = "https://sqs.eu-central-1.amazonaws.com/1/q"
SEND = f"bootstrap._parts().clients('sqs').send_message(QueueUrl={QUEUE!r}, MessageBody='{{}}')"
SENT = Exchange(
    "sqs",
    "SendMessage",
    {"QueueUrl": QUEUE, "MessageBody": "{}"},
    200,
    {"content-type": "application/x-amz-json-1.0"},
    b'{"MessageId": "1", "MD5OfMessageBody": "99914b932bd37a50b983c5e7c90ae93b"}',
)
EVENT = {"requestContext": {"http": {"method": "POST"}}, "pathParameters": {"door": "standard"}}
RECORDED = Played("any", (Heard("webhook_intake", EVENT, NOW, [SENT]),), ())


@pytest.fixture
def function(tmp_path: Path) -> Callable[..., dict[str, Function]]:
    """A function whose handler has these lines."""

    def make(*lines: str) -> dict[str, Function]:
        body = "".join(f"    {line}\n" for line in lines)
        source = f"from aftercare import bootstrap\n\n\ndef handler(event, context):\n{body}"
        (tmp_path / "app.py").write_text(source, encoding="utf-8")
        made = Function(
            "F", "webhook_intake", "arn", tmp_path, "app.handler", timedelta(seconds=10), 512, {}, frozenset()
        )
        return {"webhook_intake": made}

    return make


def test_a_handler_that_only_makes_its_calls_meets_the_target(function: Callable[..., dict[str, Function]]) -> None:
    [time] = measure([RECORDED], function(SEND, "return {'statusCode': 202}"), EFFORT)
    assert [(step.function, step.heard, step.calls) for step in time.steps] == [("webhook_intake", "delivery", 1)]
    assert not any(figure.far_off for figure in cpu_figures([time]))


def test_a_handler_that_works_as_long_as_its_calls_take_misses_the_target(
    function: Callable[..., dict[str, Function]],
) -> None:
    busy = "sum(len(str(number)) for number in range(20_000))"
    times = measure([RECORDED], function(SEND, busy, "return {'statusCode': 202}"), EFFORT)
    assert [figure.far_off for figure in cpu_figures(times)] == [True]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ((SEND, SEND), "call 2 is SendMessage"),
        (("pass",), "0 of 1 calls were made"),
        ((SEND, "return {'statusCode': 503}"), "503"),
        ((SEND, "return {'batchItemFailures': [{'itemIdentifier': '1'}]}"), "itemIdentifier"),
    ],
    ids=["one call more", "one call less", "an error", "a failed record"],
)
def test_a_handler_that_does_otherwise_than_recorded_is_not_measured(
    function: Callable[..., dict[str, Function]], lines: tuple[str, ...], what: str
) -> None:
    ending = () if lines[-1].startswith("return") else ("return {}",)
    with pytest.raises(NotAsRecorded, match=what):
        measure([RECORDED], function(*lines, *ending), EFFORT)


def test_both_sides_get_as_many_blocks() -> None:
    first, second = interleaved(lambda: sum(range(2000)), lambda: sum(range(1000)), EFFORT)
    assert (len(first), len(second)) == (3, 3)
    assert min(first) > min(second)


def test_the_ratio_of_a_handler_is_that_of_all_it_hears_together() -> None:
    cheap = StepTime("f", "a", 1, handler=(30, 20), bare=(20, 10))
    dear = StepTime("f", "b", 3, handler=(110, 90), bare=(70, 80))
    time = HandlerTime("f", (cheap, dear))
    assert time.best == (20 + 90) / (10 + 70)
    assert time.median == pytest.approx(((30 + 110) / (20 + 70) + (20 + 90) / (10 + 80)) / 2)


def test_the_buyers_page_is_shown_and_not_judged() -> None:
    slow = HandlerTime("offer_page", (StepTime("offer_page", "GET", 1, (300,), (100,)),))
    assert cpu_figures([slow]) == []
    assert len(cpu_figures([replace(slow, function="buyer_notice")])) == 1
