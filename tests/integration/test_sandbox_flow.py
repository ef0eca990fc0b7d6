"""The offline cloud carries what the template connects, and nothing that the template does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from fixtures.sandbox.small_system import START, altered, at, published, see, small_system

from aftercare.kernel.table import Key, Put
from sandbox.cloud import Published, Sandbox
from sandbox.pump import NeverQuiet, failed_items
from sandbox.services import Backend

KEY = Key("p", "x")
QUARTER_HOUR = timedelta(minutes=15)


@pytest.fixture(params=get_args(Backend))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Whoever plays AWS, the same is carried."""
    played_by: Backend = request.param
    return played_by


@pytest.fixture
def sandbox(backend: Backend) -> Iterator[Sandbox]:
    with small_system(backend=backend) as sandbox:
        yield sandbox


def functions(sandbox: Sandbox) -> list[str]:
    return [invocation.function for invocation in sandbox.invocations]


def times(sandbox: Sandbox, function: str) -> list[str]:
    """When the function was invoked, as times of the day."""
    return [f"{call.started_at:%H:%M:%S}" for call in sandbox.invocations if call.function == function]


# ---------------------------------------------------------------- what is connected


def test_news_go_from_the_door_to_the_bus_and_back(sandbox: Sandbox) -> None:
    assert see(sandbox, "p1").status == 202
    assert published(sandbox) == [("ParcelSeen", "p1")]
    sandbox.run_until_quiet()
    assert sandbox.published == [
        Published("test.door", "ParcelSeen", {"id": "p1", "shop": "demo"}, START, "door"),
        Published("test.relay", "ParcelNoted", {"id": "p1"}, START, "relay"),
    ]
    assert functions(sandbox) == ["door", "ledger", "relay"]


def test_a_timer_fires_when_it_is_due_and_not_before(sandbox: Sandbox) -> None:
    see(sandbox, "p1", due_at="2026-11-02T09:30:10Z")
    sandbox.advance_to(at("09:30:09"))
    assert ("ParcelWoken", "p1") not in published(sandbox)
    assert sandbox.next_wake() == at("09:30:10")
    sandbox.advance_to(at("09:30:10"))
    assert published(sandbox)[-1] == ("ParcelWoken", "p1")
    assert sandbox.next_wake() is None


def test_timers_fire_in_the_order_in_which_they_are_due(sandbox: Sandbox) -> None:
    for parcel, due_at in (("late", "11:00:00"), ("early", "09:00:00"), ("middle", "10:00:00")):
        see(sandbox, parcel, due_at=f"2026-11-02T{due_at}Z")
    sandbox.advance_to(START + timedelta(days=1))
    woken = [(event.detail["id"], f"{event.at:%H:%M}") for event in sandbox.published if "Woken" in event.detail_type]
    assert woken == [("early", "09:00"), ("middle", "10:00"), ("late", "11:00")]


def test_a_moved_timer_fires_at_its_new_time_only(sandbox: Sandbox) -> None:
    see(sandbox, "p1", due_at="2026-11-02T09:00:00Z")
    sandbox.run_until_quiet()
    see(sandbox, "p1", due_at="2026-11-02T10:00:00Z", say="Moved")
    sandbox.advance_to(at("12:00:00"))
    assert times(sandbox, "sweep") == ["10:00:00"]


def test_months_of_quiet_cost_no_invocation(sandbox: Sandbox) -> None:
    see(sandbox, "p1", due_at="2027-03-01T00:00:00Z")
    sandbox.advance_to(START + timedelta(days=365))
    assert times(sandbox, "sweep") == ["00:00:00"]
    assert sandbox.clock.now() == START + timedelta(days=365)


def test_a_sweep_that_leaves_something_standing_runs_again_at_its_rate(sandbox: Sandbox) -> None:
    # in a shard that the sweep does not look at
    sandbox.table("Parcels").write(Put(KEY, {"due_shard": "9", "due_at": "2026-11-02T08:00:30Z"}, ()))
    sandbox.advance_to(at("08:03:00"))
    assert times(sandbox, "sweep") == ["08:00:30", "08:01:30", "08:02:30"]


def test_a_schedule_that_sweeps_nothing_runs_at_its_rate(tmp_path: Path, backend: Backend) -> None:
    def forget_the_index(resources: dict[str, Any]) -> None:
        del resources["SweepFunction"]["Properties"]["Policies"]

    with small_system(altered(tmp_path, forget_the_index), backend=backend) as sandbox:
        sandbox.advance_to(at("08:02:30"))
        assert times(sandbox, "sweep") == ["08:01:00", "08:02:00"]
        assert sandbox.invocations[0].event["source"] == "aws.scheduler"
        sandbox.clock.advance(timedelta(hours=1))
        sandbox.run_until_quiet()
        assert times(sandbox, "sweep")[2:] == ["09:02:30"]
        assert sandbox.next_wake() == at("09:03:00")


def test_a_scheduled_rule_is_a_schedule_too(tmp_path: Path, backend: Backend) -> None:
    def as_rule(resources: dict[str, Any]) -> None:
        sweep = resources["SweepFunction"]["Properties"]
        del sweep["Policies"]
        sweep["Events"] = {"Often": {"Type": "Schedule", "Properties": {"Schedule": "rate(5 minutes)"}}}

    with small_system(altered(tmp_path, as_rule), backend=backend) as sandbox:
        sandbox.advance_to(at("08:05:00"))
        assert times(sandbox, "sweep") == ["08:05:00"]
        assert sandbox.invocations[0].event["source"] == "aws.events"
        assert sandbox.invocations[0].event["time"] == "2026-11-02T08:05:00Z"


# ---------------------------------------------------------------- what is not connected


def remove_event(function: str, name: str) -> Callable[[dict[str, Any]], None]:
    def change(resources: dict[str, Any]) -> None:
        del resources[function]["Properties"]["Events"][name]

    return change


def remove_resource(name: str) -> Callable[[dict[str, Any]], None]:
    def change(resources: dict[str, Any]) -> None:
        del resources[name]

    return change


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        (remove_event("DoorFunction", "See"), []),
        (remove_resource("FactsRule"), ["door"]),
        (remove_event("LedgerFunction", "Facts"), ["door"]),
        (remove_event("RelayFunction", "Outbox"), ["door", "ledger", "sweep", "ledger"]),
        (remove_event("SweepFunction", "EveryMinute"), ["door", "ledger", "relay"]),
        (lambda _: None, ["door", "ledger", "relay", "sweep", "ledger", "relay"]),
    ],
    ids=["no route", "no rule", "no queue mapping", "no stream mapping", "no schedule", "all of them"],
)
def test_what_the_template_lacks_is_not_carried(
    tmp_path: Path, backend: Backend, change: Callable[[dict[str, Any]], None], reached: list[str]
) -> None:
    with small_system(altered(tmp_path, change), backend=backend) as sandbox:
        see(sandbox, "p1", due_at="2026-11-02T08:10:00Z")
        sandbox.advance_to(START + QUARTER_HOUR)
        assert functions(sandbox) == reached


def test_a_variable_that_the_template_lacks_is_missing_in_its_function_alone(tmp_path: Path, backend: Backend) -> None:
    def forget_the_bus(resources: dict[str, Any]) -> None:
        del resources["RelayFunction"]["Properties"]["Environment"]

    with small_system(altered(tmp_path, forget_the_bus), backend=backend) as sandbox:
        see(sandbox, "p1")
        sandbox.run_until_quiet()
        assert published(sandbox) == [("ParcelSeen", "p1")]
        assert "the environment variable BUS_NAME is not set" in repr(sandbox.failures[0].error)


# ---------------------------------------------------------------- queues


def test_a_failing_message_is_tried_again_and_ends_among_the_dead_letters(sandbox: Sandbox) -> None:
    see(sandbox, "p1", trouble="raise")
    sandbox.advance_to(at("08:05:59"))
    assert times(sandbox, "ledger") == ["08:00:00", "08:03:00"]
    sandbox.advance_to(at("09:00:00"))
    assert times(sandbox, "ledger") == ["08:00:00", "08:03:00", "08:06:00"]
    assert sandbox.waiting("Facts") == []
    (dead,) = sandbox.waiting("FactsDeadLetters")
    assert json.loads(dead)["detail"]["id"] == "p1"
    assert len(sandbox.failures) == 3


def test_only_the_failed_items_of_a_batch_come_again(sandbox: Sandbox) -> None:
    see(sandbox, "good")
    see(sandbox, "bad", trouble="fail")
    see(sandbox, "fine")
    sandbox.advance_to(at("08:03:00"))
    batches = [len(call.event["Records"]) for call in sandbox.invocations if call.function == "ledger"]
    assert batches == [3, 1]
    assert [name for name in published(sandbox) if name[0] == "ParcelNoted"] == [
        ("ParcelNoted", "good"),
        ("ParcelNoted", "fine"),
    ]


def test_a_malformed_answer_fails_the_whole_batch(sandbox: Sandbox) -> None:
    see(sandbox, "good")
    see(sandbox, "odd", trouble="malformed")
    sandbox.run_until_quiet()
    assert len(sandbox.waiting("Facts")) == 2


def test_a_batch_holds_no_more_than_the_mapping_says(sandbox: Sandbox) -> None:
    for number in range(7):
        see(sandbox, f"p{number}")
    sandbox.run_until_quiet()
    assert [len(call.event["Records"]) for call in sandbox.invocations if call.function == "ledger"] == [5, 2]


def test_without_partial_failures_an_answer_changes_nothing(tmp_path: Path, backend: Backend) -> None:
    def answer_ignored(resources: dict[str, Any]) -> None:
        del resources["LedgerFunction"]["Properties"]["Events"]["Facts"]["Properties"]["FunctionResponseTypes"]

    with small_system(altered(tmp_path, answer_ignored), backend=backend) as sandbox:
        see(sandbox, "p1", trouble="fail")
        sandbox.run_until_quiet()
        assert sandbox.waiting("Facts") == []


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ["a"]}]}, {"a", "b"}),
        ({"batchItemFailures": [{"id": "a"}]}, {"a", "b"}),
        ({"batchItemFailures": "a"}, {"a", "b"}),
        ({"batchItemFailures": ["a"]}, {"a", "b"}),
        ("nonsense", {"a", "b"}),
        ([], {"a", "b"}),
    ],
)
def test_a_partial_batch_answer_is_read_as_lambda_reads_it(answer: Any, failed: set[str]) -> None:
    assert failed_items(answer, {"a", "b"}) == failed


def test_a_system_that_never_rests_is_stopped(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_for_ever(resources: dict[str, Any]) -> None:
        resources["Facts"]["Properties"] = {"VisibilityTimeout": 0}

    monkeypatch.setattr("sandbox.pump.MAX_PASSES", 20)
    with small_system(altered(tmp_path, try_for_ever), backend=backend) as sandbox:
        see(sandbox, "p1", trouble="raise")
        with pytest.raises(NeverQuiet, match="still busy after 20 rounds"):
            sandbox.run_until_quiet()


# ---------------------------------------------------------------- streams


def test_a_failing_record_holds_up_what_comes_after_it_but_not_what_came_before(sandbox: Sandbox) -> None:
    for parcel, say in (("a", "A"), ("b", "fail"), ("c", "C")):
        see(sandbox, parcel, say=say)
    sandbox.run_until_quiet()
    assert published(sandbox)[3:] == [("A", "a")]
    sandbox.advance_to(at("08:30:00"))
    assert published(sandbox)[3:] == [("A", "a")]


def test_an_expired_record_goes_whole_to_the_failure_queue_and_the_stream_moves_on(sandbox: Sandbox) -> None:
    for parcel, say in (("a", "fail"), ("b", "B")):
        see(sandbox, parcel, say=say)
    sandbox.run_until_quiet()
    sandbox.advance_to(at("09:02:00"))
    (lost,) = sandbox.waiting("RelayDeadLetters")
    document = json.loads(lost)
    # both are an hour old by then
    assert document["DDBStreamBatchInfo"]["batchSize"] == 2
    images = [record["dynamodb"]["NewImage"] for record in json.loads(document["payload"])["Records"]]
    assert [image["outbox"]["S"] for image in images] == ["fail", "B"]
    see(sandbox, "c", say="C")
    sandbox.run_until_quiet()
    assert published(sandbox)[-1] == ("C", "c")


def test_a_failing_batch_is_halved_until_the_failing_record_stands_alone(sandbox: Sandbox) -> None:
    for parcel, say in (("a", "A"), ("b", "B"), ("c", "raise"), ("d", "D")):
        see(sandbox, parcel, say=say)
    sandbox.advance_to(at("08:00:30"))
    sizes = [len(call.event["Records"]) for call in sandbox.invocations if call.function == "relay"]
    assert sizes[:4] == [4, 2, 2, 1]
    assert set(sizes[3:]) == {1}
    assert ("B", "b") in published(sandbox)
    assert ("D", "d") not in published(sandbox)


def test_records_that_the_filter_refuses_are_not_delivered(sandbox: Sandbox) -> None:
    sandbox.table("Parcels").write(Put(KEY, {}, ()))
    sandbox.run_until_quiet()
    assert functions(sandbox) == []


def test_retries_end_where_the_mapping_says_so(tmp_path: Path, backend: Backend) -> None:
    def few_retries(resources: dict[str, Any]) -> None:
        mapping = resources["RelayFunction"]["Properties"]["Events"]["Outbox"]["Properties"]
        mapping["MaximumRetryAttempts"] = 2
        mapping["BisectBatchOnFunctionError"] = False

    with small_system(altered(tmp_path, few_retries), backend=backend) as sandbox:
        see(sandbox, "a", say="raise")
        sandbox.advance_to(at("08:10:00"))
        assert len(times(sandbox, "relay")) == 3
        (lost,) = sandbox.waiting("RelayDeadLetters")
        assert json.loads(lost)["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_a_bucket_takes_expired_records_too(tmp_path: Path, backend: Backend) -> None:
    def to_a_bucket(resources: dict[str, Any]) -> None:
        resources["Lost"] = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "lost-records"}}
        mapping = resources["RelayFunction"]["Properties"]["Events"]["Outbox"]["Properties"]
        mapping["DestinationConfig"]["OnFailure"] = {"Type": "S3", "Destination": {"Fn::GetAtt": ["Lost", "Arn"]}}

    with small_system(altered(tmp_path, to_a_bucket), backend=backend) as sandbox:
        see(sandbox, "a", say="raise")
        sandbox.advance_to(at("09:30:00"))
        s3 = sandbox.client("s3")
        (lost,) = s3.list_objects_v2(Bucket="lost-records")["Contents"]
        document = json.loads(s3.get_object(Bucket="lost-records", Key=lost["Key"])["Body"].read())
        assert json.loads(document["payload"])["Records"][0]["dynamodb"]["Keys"]["pk"]["S"] == "a"


# ---------------------------------------------------------------- the whole


def test_the_same_input_gives_the_same_run(backend: Backend) -> None:
    def run() -> list[Any]:
        with small_system(seed=7, backend=backend) as sandbox:
            for parcel in ("a", "b"):
                see(sandbox, parcel, due_at="2026-11-02T09:00:00Z")
            sandbox.advance_to(at("10:00:00"))
            return [(call.function, call.started_at, call.event) for call in sandbox.invocations]

    assert run() == run()


def test_two_sandboxes_at_once_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="another sandbox"), small_system():
        pass
    see(sandbox, "p1")


def test_a_sandbox_is_of_no_use_after_its_block() -> None:
    with small_system() as sandbox:
        pass
    with pytest.raises(RuntimeError, match="with block"):
        sandbox.run_until_quiet()


def test_an_event_put_from_outside_has_no_function(sandbox: Sandbox) -> None:
    entry = {"source": "test.door", "detail-type": "ParcelSeen", "detail": {"id": "p"}}
    assert sandbox.bus.publish([entry | {"detail-type": ""}, entry]) == ["InvalidArgument", None]
    assert [(event.by, event.entry()) for event in sandbox.published] == [(None, entry)]
