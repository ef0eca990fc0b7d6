"""Dead letters go back to where they came from, none is lost, and what nobody could read stays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from aftercare.intake.model import Delivery
from aftercare.kernel.due import to_message
from aftercare.kernel.table import Key
from sandbox.template import TEMPLATE
from tools import redrive

ROOT = Path(__file__).parents[2]
STACK = "aftercare-dev"
REGION = "eu-central-1"
EXAMPLES = ROOT / "events" / "catalogue"


def event(name: str) -> str:
    """As a queue gets it from the bus."""
    return min((EXAMPLES / name / "v1").glob("good-*.json")).read_text(encoding="utf-8")


def delivery(number: int = 1) -> str:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    return Delivery("standard", "tea-house", f"msg_{number}", at, b'{"type": "order.paid"}').to_message()


TIMER = to_message(Key("ORDER#standard:tea-house#A1", "ORDER"))


class Clock:
    """Tells and passes time; nobody waits for it. It begins when all that a test sends has been sent."""

    def __init__(self) -> None:
        self.began = self.seconds = time.time() + 3600

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@cache
def template_of_queues() -> str:
    document = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    queues = {name: found for name, found in document["Resources"].items() if found["Type"] == "AWS::SQS::Queue"}
    return json.dumps({"Resources": queues})


@cache
def clients() -> tuple[Any, Any]:
    return boto3.client("sqs", region_name=REGION), boto3.client("cloudformation", region_name=REGION)


class Town:
    """The queues of template.yaml, made by CloudFormation as a part of a stack."""

    def __init__(self) -> None:
        self.sqs, cloudformation = clients()
        cloudformation.create_stack(StackName=STACK, TemplateBody=template_of_queues())
        self.queues: dict[str, str] = redrive.queues_of(cloudformation, STACK)
        self.clock = Clock()

    def put(self, queue: str, *bodies: str, **attributes: str) -> None:
        stated = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        for body in bodies:
            self.sqs.send_message(
                QueueUrl=self.queues[queue],
                MessageBody=body,
                MessageAttributes=stated,
            )

    def arn(self, queue: str) -> str:
        url = self.queues[queue]
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def waiting(self, queue: str) -> list[str]:
        """What others can receive now; it is hidden for no time."""
        url, found = self.queues[queue], {}
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        found = {message["MessageId"]: message["Body"] for message in answer.get("Messages", [])}
        return list(found.values())

    def count(self, queue: str) -> int:
        """All messages there are, the hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queues[queue], AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))

    def redrive(self, queue: str, sqs: Any = None, **options: Any) -> Any:
        route = redrive.route_of(self.sqs, self.queues, queue)
        options = {"now": self.clock.now, "sleep": self.clock.sleep, **options}
        return redrive.Redrive(sqs or self.sqs, route, **options)


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(redrive, "LISTENS_SECONDS", 0)
    with mock_aws():
        yield Town()


class Intercepted:
    """A client of which one call does something else first."""

    def __init__(self, client: Any, call: str, before: Callable[[], object]) -> None:
        self._client, self._call, self._before = client, call, before

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            self._before()
        return getattr(self._client, name)


# ---------------------------------------------------------------- where to


@pytest.mark.parametrize(
    ("dead_letters", "queue", "body"),
    [
        ("IngressDeadLetters", "IngressQueue", delivery()),
        ("NegotiationDeadLetters", "NegotiationQueue", event("RefundRequested")),
        ("NegotiationDeadLetters", "NegotiationQueue", TIMER),
        ("SettlementDeadLetters", "SettlementQueue", event("OfferAccepted")),
        ("ShipmentsDeadLetters", "ShipmentsQueue", event("ParcelScanned")),
        ("FactsDeadLetters", "FactsQueue", event("ReviewPosted")),
        ("RollupDeadLetters", "RollupQueue", TIMER),
        ("NoticeDeadLetters", "NoticeQueue", event("OffersPresented")),
        ("TagsDeadLetters", "TagsQueue", event("DayMeasured")),
        ("PublicationDeadLetters", "PublicationQueue", event("TagChanged")),
    ],
)
def test_a_message_goes_back_to_the_queue_that_it_came_from(
    town: Town, dead_letters: str, queue: str, body: str
) -> None:
    town.put(dead_letters, body)
    run = town.redrive(dead_letters)
    run.run()
    assert town.waiting(queue) == [body]
    assert town.count(dead_letters) == 0
    assert list(run.report()) == [f"{dead_letters}: sent 1 ({queue}: 1), kept 0"]


def test_every_dead_letter_queue_of_the_template_leads_somewhere(town: Town) -> None:
    dead = {name for name in town.queues if name.endswith("DeadLetters")}
    routes = {name: redrive.route_of(town.sqs, town.queues, name).back_to for name in dead}
    assert routes.pop("BusDeadLetters") is None
    assert set(routes.values()) == town.queues.keys() - dead


def test_a_queue_that_is_worked_on_is_not_touched(town: Town) -> None:
    town.put("SettlementQueue", event("OfferAccepted"))
    with pytest.raises(redrive.CannotRedrive, match="are not dead"):
        town.redrive("SettlementQueue")
    assert len(town.waiting("SettlementQueue")) == 1


def test_dead_letters_of_several_queues_are_left_to_a_person(town: Town) -> None:
    policy = json.dumps({"deadLetterTargetArn": town.arn("FactsDeadLetters"), "maxReceiveCount": 6})
    town.sqs.set_queue_attributes(QueueUrl=town.queues["TagsQueue"], Attributes={"RedrivePolicy": policy})
    with pytest.raises(redrive.CannotRedrive, match="may come from any of"):
        town.redrive("FactsDeadLetters")


def test_a_queue_that_the_stack_does_not_have_is_answered_with_those_it_has(town: Town) -> None:
    with pytest.raises(redrive.CannotRedrive, match=r"no queue Facts; it has .*FactsDeadLetters"):
        town.redrive("Facts")


# ---------------------------------------------------------------- what the bus could not deliver


def test_what_the_bus_could_not_deliver_goes_to_the_queue_that_it_was_for(town: Town) -> None:
    for queue, name in (("FactsQueue", "OrderPaid"), ("TagsQueue", "OrderPaid"), ("NoticeQueue", "OffersPresented")):
        town.put("BusDeadLetters", event(name), TARGET_ARN=town.arn(queue), ERROR_CODE="NO_PERMISSIONS")
    run = town.redrive("BusDeadLetters")
    run.run()
    assert town.waiting("FactsQueue") == town.waiting("TagsQueue") == [event("OrderPaid")]
    assert town.waiting("NoticeQueue") == [event("OffersPresented")]
    assert town.count("BusDeadLetters") == 0
    assert run.sent.total() == 3


def test_an_event_that_does_not_say_whom_it_was_for_stays(town: Town) -> None:
    town.put("BusDeadLetters", event("OrderPaid"))
    town.put("BusDeadLetters", event("OrderPaid"), TARGET_ARN=f"arn:aws:sqs:{REGION}:123456789012:strangers")
    run = town.redrive("BusDeadLetters")
    run.run()
    assert sorted(run.kept.values()) == [
        "has no TARGET_ARN: nobody can say which queue it was for",
        "its TARGET_ARN is no queue of this stack",
    ]
    assert town.count("BusDeadLetters") == 2


# ---------------------------------------------------------------- what nobody could read


@pytest.mark.parametrize(
    ("dead_letters", "body", "reason"),
    [
        ("IngressDeadLetters", '{"door": "standard"}', "not a delivery of ours: KeyError"),
        ("IngressDeadLetters", event("OrderPaid"), "not a delivery of ours: KeyError"),
        ("FactsDeadLetters", "not JSON", "the text is not JSON"),
        ("FactsDeadLetters", delivery(), "an event of the bus is an object with source, detail-type and detail"),
        ("NegotiationDeadLetters", '{"due": {}}', "not a timer's message"),
    ],
)
def test_a_message_that_its_consumer_could_not_read_stays_and_is_named(
    town: Town, dead_letters: str, body: str, reason: str
) -> None:
    town.put(dead_letters, body)
    run = town.redrive(dead_letters)
    run.run()
    [message_id] = run.kept
    assert list(run.report()) == [
        f"kept {message_id}: {reason}",
        f"{dead_letters}: sent 0, kept 1 ({reason}: 1)",
    ]
    # others see it again at once
    assert town.waiting(dead_letters) == [body]


def test_a_bad_message_keeps_no_good_one_back(town: Town) -> None:
    town.put("IngressDeadLetters", *(delivery(number) for number in range(12)), "broken", "broken too")
    run = town.redrive("IngressDeadLetters")
    run.run()
    assert run.sent == {"IngressQueue": 12}
    assert len(run.kept) == town.count("IngressDeadLetters") == 2


def test_nothing_of_what_a_buyer_wrote_is_printed(town: Town) -> None:
    town.put("IngressDeadLetters", delivery().replace("received_at", "at").replace("order.paid", "secret words"))
    run = town.redrive("IngressDeadLetters")
    run.run()
    assert "secret words" not in "\n".join(run.report())


# ---------------------------------------------------------------- how fast, and how often


def test_no_more_than_so_many_messages_a_second_are_sent(town: Town) -> None:
    town.put("IngressDeadLetters", *(delivery(number) for number in range(21)))
    sent_at: list[float] = []
    watched = Intercepted(town.sqs, "send_message", lambda: sent_at.append(town.clock.now()))
    town.redrive("IngressDeadLetters", watched, rate=4).run()
    passed = [after - before for before, after in pairwise(sent_at)]
    assert passed == pytest.approx([0.25] * 20)


def test_a_message_stays_hidden_while_its_batch_is_worked_on(town: Town) -> None:
    town.put("IngressDeadLetters", *(delivery(number) for number in range(3)))
    seen_by_others: list[str] = []
    watched = Intercepted(town.sqs, "send_message", lambda: seen_by_others.extend(town.waiting("IngressDeadLetters")))
    town.redrive("IngressDeadLetters", watched, rate=0.01).run()
    assert seen_by_others == []
    assert town.count("IngressQueue") == 3


def test_two_who_work_at_once_send_every_message_once(town: Town) -> None:
    town.put("IngressDeadLetters", *(delivery(number) for number in range(15)))
    other = town.redrive("IngressDeadLetters")

    def once() -> None:
        if not other.sent:
            other.run()

    watched = Intercepted(town.sqs, "send_message", once)
    first = town.redrive("IngressDeadLetters", watched)
    first.run()
    assert (first.sent.total(), other.sent.total()) == (10, 5)
    assert town.count("IngressQueue") == 15


def test_what_fails_again_is_sent_once_a_run(town: Town) -> None:
    town.put("IngressDeadLetters", delivery())
    failing = Intercepted(town.sqs, "delete_message", lambda: town.put("IngressDeadLetters", delivery()))
    run = town.redrive("IngressDeadLetters", failing, now=time.time)
    run.run()
    assert run.sent.total() == 1
    assert list(run.kept.values()) == ["came after this run began"]


class Killed(BaseException):
    """As by a signal."""


def test_killed_between_sending_and_deleting_a_message_is_sent_once_more_and_never_lost(town: Town) -> None:
    town.put("IngressDeadLetters", delivery(1), delivery(2))

    def die() -> None:
        raise Killed

    killed = town.redrive("IngressDeadLetters", Intercepted(town.sqs, "delete_message", die))
    with pytest.raises(Killed):
        killed.run()
    assert town.waiting("IngressQueue") == [delivery(1)]
    assert town.count("IngressDeadLetters") == 2
    town.redrive("IngressDeadLetters").run()
    assert sorted(town.waiting("IngressQueue")) == [delivery(1), delivery(1), delivery(2)]
    assert town.count("IngressDeadLetters") == 0


def test_a_queue_that_cannot_be_sent_to_costs_no_message(town: Town) -> None:
    town.put("IngressDeadLetters", delivery())
    run = town.redrive("IngressDeadLetters")
    town.sqs.delete_queue(QueueUrl=town.queues["IngressQueue"])
    with pytest.raises(town.sqs.exceptions.QueueDoesNotExist):
        run.run()
    assert town.waiting("IngressDeadLetters") == [delivery()]


def test_looking_alone_sends_and_deletes_nothing_and_hides_nothing_afterwards(town: Town) -> None:
    town.put("IngressDeadLetters", *(delivery(number) for number in range(9)), "broken")
    run = town.redrive("IngressDeadLetters", dry=True)
    run.run()
    assert list(run.report())[-1] == (
        "IngressDeadLetters: would send 9 (IngressQueue: 9), kept 1 (not a delivery of ours: JSONDecodeError: 1)"
    )
    assert town.count("IngressQueue") == 0
    assert len(town.waiting("IngressDeadLetters")) == 10
    assert town.clock.seconds == town.clock.began


# ---------------------------------------------------------------- the command


@pytest.fixture
def command(town: Town) -> Callable[..., int]:
    def run(*arguments: str) -> int:
        code: int = redrive.main([*arguments, "--region", REGION])
        return code

    return run


def test_the_command_finds_the_stack_by_its_stage_and_says_what_became_of_all(
    town: Town, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    town.put("FactsDeadLetters", event("OrderPaid"))
    assert command("FactsDeadLetters", "--stage", "dev", "--rate", "100") == 0
    assert capsys.readouterr().out == "FactsDeadLetters: sent 1 (FactsQueue: 1), kept 0\n"
    assert town.count("FactsQueue") == 1


def test_the_command_fails_where_something_stayed(town: Town, command: Callable[..., int]) -> None:
    town.put("FactsDeadLetters", "broken")
    assert command("FactsDeadLetters", "--dry") == 1
    assert command("FactsDeadLetters", "--stack", STACK) == 1


@pytest.mark.parametrize("arguments", [("FactsDeadLetters", "--stage", "none"), ("FactsQueue",), ("Nothing",)])
def test_the_command_says_in_one_line_why_it_cannot(
    arguments: tuple[str, ...], command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "many"])
def test_a_rate_that_is_none_is_refused(rate: str, command: Callable[..., int]) -> None:
    with pytest.raises(SystemExit):
        command("FactsDeadLetters", "--rate", rate)
