"""Functions are called as Lambda calls them, and can be killed or interrupted at any of their calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from fixtures.sandbox.small_system import START, altered, at, published, see, small_system

from aftercare.kernel.ports import HttpReply, NoReply
from aftercare.kernel.table import Key
from sandbox.clock import VirtualClock
from sandbox.cloud import Sandbox
from sandbox.faults import Faults, Killed, Moment
from sandbox.functions import Call, CallCount, InvocationFailed
from sandbox.services import Backend

SEEN = {"Records": [{"messageId": "1", "body": '{"detail": {"id": "p1"}}'}]}


@pytest.fixture(params=get_args(Backend))
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with small_system(backend=request.param) as sandbox:
        yield sandbox


def add_function(folder: Path, name: str, code: str) -> Path:
    """The small system's template with one function more."""
    home = folder / name
    home.mkdir()
    (home / "app.py").write_text(code, encoding="utf-8")
    resource = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"CodeUri": name, "Timeout": 7, "MemorySize": 256, "Environment": {"Variables": {"MINE": "1"}}},
    }
    return altered(folder, lambda resources: resources.update({name: resource}))


# ---------------------------------------------------------------- the clock


def test_the_clock_goes_on_and_never_back() -> None:
    clock = VirtualClock(START)
    clock.advance(timedelta(minutes=1))
    clock.advance_to(START + timedelta(minutes=1))
    assert clock.now() == START + timedelta(minutes=1)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(START)
    with pytest.raises(ValueError, match="without an offset"):
        clock.advance_to(datetime(2026, 12, 1))  # noqa: DTZ001  the point of the test


def test_the_clock_speaks_utc() -> None:
    assert VirtualClock(datetime.fromisoformat("2026-11-02T16:00:00+08:00")).now().tzinfo is UTC


# ---------------------------------------------------------------- the call


def test_a_handler_gets_a_context_and_its_own_environment(tmp_path: Path) -> None:
    path = add_function(
        tmp_path,
        "look",
        "import os\n"
        "AT_IMPORT = os.environ['MINE']\n"
        "def handler(event, context):\n"
        "    return [context.function_name, context.memory_limit_in_mb, context.aws_request_id,\n"
        "            context.get_remaining_time_in_millis(), AT_IMPORT, os.environ.get('TABLE'), event]\n",
    )
    with small_system(path) as sandbox:
        assert sandbox.invoke("look", {"a": (1, 2)}) == [
            "aftercare-look",
            256,
            "00000000-0000-4000-8000-000000000001",
            7000,
            "1",
            None,
            {"a": [1, 2]},
        ]
        assert sandbox.invoke("look", {})[2] == "00000000-0000-4000-8000-000000000002"
        assert "MINE" not in os.environ


def test_functions_share_no_assembled_parts(tmp_path: Path) -> None:
    code = (
        "from aftercare import bootstrap\n"
        "import aftercare.bootstrap as same\n"
        "def handler(event, context):\n"
        "    from aftercare.bootstrap import Parts\n"
        "    assert same is bootstrap and Parts is bootstrap.Parts\n"
        "    bootstrap.remembered = getattr(bootstrap, 'remembered', 0) + 1\n"
        "    return bootstrap.remembered\n"
    )
    (tmp_path / "second").mkdir()
    path = add_function(tmp_path, "first", code)
    (tmp_path / "second" / "app.py").write_text(code, encoding="utf-8")
    path.write_text(
        path.read_text().replace('"first"', '"second"', 1).replace('"CodeUri": "first"', '"CodeUri": "second"')
    )
    with small_system(path) as sandbox:
        assert [sandbox.invoke("second", {}), sandbox.invoke("second", {})] == [1, 2]
    import aftercare.bootstrap

    assert sys.modules["aftercare.bootstrap"] is aftercare.bootstrap
    assert not hasattr(aftercare.bootstrap, "remembered")


def test_an_answer_that_is_not_json_fails(tmp_path: Path) -> None:
    with small_system(add_function(tmp_path, "odd", "def handler(event, context):\n    return {1, 2}\n")) as sandbox:
        with pytest.raises(InvocationFailed, match="not JSON serializable"):
            sandbox.invoke("odd", {})
        assert [invocation.function for invocation in sandbox.failures] == ["odd"]


def test_what_a_function_prints_is_its_log_and_not_the_sandbox_s_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "print('imported')\ndef handler(event, context):\n    print('called')\n"
    with small_system(add_function(tmp_path, "loud", code)) as sandbox:
        sandbox.invoke("loud", {})
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "imported\ncalled\n")


def test_a_function_that_cannot_be_imported_fails_at_every_call(tmp_path: Path) -> None:
    with small_system(add_function(tmp_path, "broken", "import nobody_has_this\n")) as sandbox:
        for _ in range(2):
            with pytest.raises(InvocationFailed, match="nobody_has_this"):
                sandbox.invoke("broken", {})


def test_an_unknown_function_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(KeyError, match="nobody"):
        sandbox.invoke("nobody", {})


def test_calls_are_counted_by_function(sandbox: Sandbox) -> None:
    see(sandbox, "p1")
    sandbox.run_until_quiet()
    ledger = next(invocation for invocation in sandbox.invocations if invocation.function == "ledger")
    assert ledger.calls == [Call("dynamodb", "PutItem", writes=True), Call("dynamodb", "GetItem", writes=False)]
    assert sandbox.calls["ledger"] == CallCount(invocations=1, reads=1, writes=1)
    assert sandbox.calls["relay"] == CallCount(invocations=1, writes=1)
    assert sandbox.faults.count_calls("ledger") == 2
    assert sandbox.faults.count_calls("sweep") == 0


def test_http_requests_are_calls_too(tmp_path: Path) -> None:
    class Answering:
        def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
            if method == "PUT":
                raise NoReply("silence")
            return HttpReply(200, method.encode())

    path = add_function(
        tmp_path,
        "caller",
        "from aftercare import bootstrap\n"
        "def handler(event, context):\n"
        "    http = bootstrap._parts().http()\n"
        "    return [http.request(method, 'http://twin', {}, b'').body.decode() for method in event['methods']]\n",
    )
    with small_system(path, http=Answering) as sandbox:
        assert sandbox.invoke("caller", {"methods": ["GET", "POST"]}) == ["GET", "POST"]
        assert sandbox.calls["caller"].http == 2
        with pytest.raises(InvocationFailed, match="silence"):
            sandbox.invoke("caller", {"methods": ["GET", "PUT"]})
        with sandbox.faults.kill(function="caller", call=2, moment="after") as fault:
            with pytest.raises(InvocationFailed):
                sandbox.invoke("caller", {"methods": ["GET", "POST", "GET"]})
            assert fault.fired


# ---------------------------------------------------------------- kills


@pytest.mark.parametrize(("call", "moment", "stands"), [(1, "before", False), (1, "after", True), (2, "before", True)])
def test_a_kill_comes_before_or_after_the_call_was_carried_out(
    sandbox: Sandbox, call: int, moment: Moment, stands: bool
) -> None:
    see(sandbox, "p1")
    with sandbox.faults.kill(function="ledger", call=call, moment=moment) as fault:
        sandbox.run_until_quiet()
    assert fault.fired
    assert isinstance(sandbox.failures[0].error, Killed)
    assert (sandbox.table("Parcels").get(Key("p1", "parcel")) is not None) == stands
    assert len(sandbox.waiting("Facts")) == 1
    sandbox.advance_to(at("08:03:00"))
    assert published(sandbox)[-1] == ("ParcelNoted", "p1")
    assert sandbox.waiting("Facts") == []


def test_a_kill_after_publishing_shows_the_event_published_twice(sandbox: Sandbox) -> None:
    see(sandbox, "p1")
    with sandbox.faults.kill(function="relay", call=1, moment="after"):
        sandbox.advance_to(at("08:01:00"))
    assert published(sandbox) == [("ParcelSeen", "p1"), ("ParcelNoted", "p1"), ("ParcelNoted", "p1")]


def test_a_fault_at_a_call_that_is_never_made_does_not_fire(sandbox: Sandbox) -> None:
    see(sandbox, "p1")
    with sandbox.faults.kill(function="ledger", call=3) as fault:
        sandbox.run_until_quiet()
    assert not fault.fired
    assert sandbox.failures == []


def test_a_fault_is_over_with_its_block() -> None:
    faults = Faults()
    with faults.kill(function="f", call=1) as fault:
        pass
    faults.reached("f", 1, "before", {})
    assert not fault.fired


# ---------------------------------------------------------------- two at once


def test_a_second_delivery_runs_in_the_midst_of_the_first(sandbox: Sandbox) -> None:
    with sandbox.faults.nest(
        function="ledger", call=2, callback=lambda event: sandbox.invoke("ledger", event)
    ) as fault:
        sandbox.invoke("ledger", SEEN)
    assert fault.fired
    first, second = sandbox.invocations
    assert [call.operation for call in first.calls] == [call.operation for call in second.calls]
    assert first.event == second.event
    assert first.request_id != second.request_id


def test_what_the_interruption_raises_is_what_the_call_raises(sandbox: Sandbox) -> None:
    def lose_the_network(_event: Mapping[str, Any]) -> None:
        raise ConnectionError("gone")

    with (
        sandbox.faults.nest(function="ledger", call=1, callback=lose_the_network),
        pytest.raises(InvocationFailed) as failed,
    ):
        sandbox.invoke("ledger", SEEN)
    assert repr(failed.value.__cause__) == "ConnectionError('gone')"


def test_time_that_passes_in_the_midst_shortens_what_remains(tmp_path: Path) -> None:
    path = add_function(
        tmp_path,
        "slow",
        "import os\n"
        "from aftercare import bootstrap\n"
        "def handler(event, context):\n"
        "    bootstrap._parts().clients('sqs').list_queues()\n"
        "    return context.get_remaining_time_in_millis()\n",
    )
    with (
        small_system(path) as sandbox,
        sandbox.faults.nest(function="slow", call=1, callback=lambda _: sandbox.clock.advance(timedelta(seconds=3))),
    ):
        assert sandbox.invoke("slow", {}) == 4000
