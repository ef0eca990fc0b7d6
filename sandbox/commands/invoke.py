"""``invoke``: one function is called with an event, and all that it did is shown."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aftercare.kernel.table import PARTITION, SORT
from aftercare.kernel.times import to_text
from aftercare.marketplaces.standard.signature import ID_HEADER, SIGNATURE_HEADER, signed_headers
from sandbox.cloud import Sandbox
from sandbox.commands import DONE, WENT_WRONG, CannotRun, add_shops_option, moment
from sandbox.commands.opened import Marketplace, opened, shops_of
from sandbox.commands.replay import NotTaken, Player, Recorded, read_all
from sandbox.functions import Invocation, InvocationFailed
from sandbox.resources import Template
from sandbox.shops import Shop

SAMPLES = Path(__file__).parents[2] / "events" / "functions"
HISTORY = SAMPLES / "history.jsonl"
SIGN = "SIGN"
"""As a webhook's signature: to be signed with the shop's newest secret, at the sandbox's time."""
LINK = "LINK"
"""As the token of a buyer's page: that of the link which was sent last."""
LONGEST_VALUE = 100

Items = Mapping[tuple[str, str, str], Mapping[str, Any]]
"""What stands in the tables, by table, partition and sort."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", metavar="FUNCTION", help="a folder of functions/")
    parser.add_argument("event", type=Path, metavar="EVENT.json", help="what Lambda hands over, see events/functions/")
    parser.add_argument("--history", type=Path, metavar="FILE", help="events that went before it")
    parser.add_argument("--at", type=moment, metavar="TIME", help="when it is called (default: after the last of them)")
    add_shops_option(parser)


def run(options: argparse.Namespace) -> int:
    """1 when the function failed. Raises ``CannotRun``."""
    shops, history = shops_of(options.shops), read_all(options.history or history_of(options.function))
    sandbox = Sandbox(history[0].occurred_at if history else options.at or datetime.now(UTC))
    functions = sandbox.template.functions
    if options.function not in functions:
        raise CannotRun(f"no function {options.function!r}; there are: {', '.join(sorted(functions))}")
    event = _event(options.event)
    # nobody else calls it: what the history has for it still waits in its queue
    sandbox.template = without_triggers(sandbox.template, options.function)
    with opened(sandbox, shops) as marketplace:
        _play(history, sandbox, marketplace, options.at)
        filled = filled_in(event, shops, marketplace, sandbox.clock.now())
        return _show(sandbox, options.function, filled)


def without_triggers(template: Template, function: str) -> Template:
    """The template without what would call the function by itself."""
    return replace(
        template,
        queue_mappings=tuple(each for each in template.queue_mappings if each.function != function),
        stream_mappings=tuple(each for each in template.stream_mappings if each.function != function),
        schedules=tuple(each for each in template.schedules if each.function != function),
    )


def filled_in(
    event: Mapping[str, Any], shops: Sequence[Shop], marketplace: Marketplace, now: datetime
) -> dict[str, Any]:
    """The event with what no file can hold: a signature that is fresh, a link that opens. Raises ``CannotRun``."""
    filled = dict(event)
    headers, path = event.get("headers") or {}, event.get("pathParameters") or {}
    if headers.get(SIGNATURE_HEADER) == SIGN:
        secrets = {shop.shop: shop.credentials.secrets for shop in shops if shop.credentials is not None}
        shop = f"{path.get('door')}:{path.get('shop_id')}"
        if shop not in secrets:
            raise CannotRun(f"the webhook cannot be signed: no shop {shop} with credentials, only {', '.join(secrets)}")
        body = str(event.get("body") or "").encode()
        signed = signed_headers(secrets[shop][0], headers.get(ID_HEADER, "msg_1"), int(now.timestamp()), body)
        filled["headers"] = {**headers, **signed}
    if path.get("token") == LINK:
        if not (links := marketplace.links()):
            raise CannotRun("no buyer was sent a link: name a --history in which an offer is presented")
        filled["pathParameters"] = {**path, "token": links[-1].rpartition("/")[2]}
    return filled


def _event(path: Path) -> Mapping[str, Any]:
    try:
        event = json.loads(path.read_bytes())
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}; samples stand in events/functions/") from error
    except (ValueError, RecursionError) as error:
        raise CannotRun(f"{path} is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise CannotRun(f"{path} is no event: a JSON object is needed")
    return event


def _play(history: Sequence[Recorded], sandbox: Sandbox, marketplace: Marketplace, at: datetime | None) -> None:
    player = Player(sandbox, marketplace)
    for recorded in history:
        try:
            player.put(recorded)
        except NotTaken as reason:
            raise CannotRun(f"line {recorded.line} of the history: {reason}") from reason
    if at is not None:
        player.go_on_to(at)


def history_of(function: str) -> Path:
    """The function's own sample history, or the one of all others."""
    own = SAMPLES / f"{function}.history.jsonl"
    return own if own.exists() else HISTORY


# ---------------------------------------------------------------- what it did


def _show(sandbox: Sandbox, function: str, event: Mapping[str, Any]) -> int:
    print(f"{function} at {to_text(sandbox.clock.now())}")
    before, published = items(sandbox), len(sandbox.published)
    try:
        answer = sandbox.invoke(function, event)
    except InvocationFailed as failed:
        invocation, code = failed.invocation, WENT_WRONG
        _section("FAILED", [repr(failed.invocation.error)])
    else:
        invocation, code = sandbox.invocations[-1], DONE
        _section("answer", json.dumps(answer, ensure_ascii=False, indent=2).splitlines())
    _section("writes", changes(before, items(sandbox)))
    _section("calls", _calls(invocation))
    sandbox.run_until_quiet()
    said = sandbox.published[published:]
    _section("events", [f"{each.source} {each.detail_type} {_json(each.detail['data'])}" for each in said])
    return code


def items(sandbox: Sandbox) -> Items:
    """All that stands in the tables, scanned: what a history leaves there is little."""
    client = sandbox.client("dynamodb")
    return {
        (logical_id, item[PARTITION]["S"], item[SORT]["S"]): item
        for logical_id, table in sandbox.template.tables.items()
        for page in client.get_paginator("scan").paginate(TableName=table.name)
        for item in page["Items"]
    }


def changes(before: Items, after: Items) -> Iterator[str]:
    """One line an item that was put, updated or deleted, then one an attribute that differs."""
    for key in {**before, **after}:
        was, is_ = before.get(key, {}), after.get(key, {})
        if was == is_:
            continue
        yield f"{'put' if not was else 'updated' if is_ else 'deleted'} {key[0]}: {key[1]} | {key[2]}"
        for name in sorted({**was, **is_} if is_ else ()):
            if name not in {PARTITION, SORT} and was.get(name) != is_.get(name):
                yield f"  {name}: {_change(was.get(name), is_.get(name))}"


def _change(was: Mapping[str, Any] | None, is_: Mapping[str, Any] | None) -> str:
    """What an attribute is now; of a number also what it was."""
    now = "removed" if is_ is None else _text(next(iter(is_.values())))
    return now if was is None or is_ is None or "S" in was else f"{_text(next(iter(was.values())))} -> {now}"


def _calls(invocation: Invocation) -> list[str]:
    counts = Counter((call.service, call.operation) for call in invocation.calls)
    return [f"{service} {operation} x {count}" for (service, operation), count in counts.items()]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> None:
    print(f"\n{title}")
    for line in list(lines) or ["none"]:
        print(f"  {line}")
