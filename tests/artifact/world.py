"""The offline cloud as a function finds it when its sample event comes: reached over HTTP, and at the real time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.cloud import Sandbox
from sandbox.commands.invoke import SAMPLES, Items, filled_in, history_of, items, without_triggers
from sandbox.commands.opened import opened, shops_of
from sandbox.commands.replay import Player, read_all

SAMPLED = datetime(2026, 11, 5, 9, 30, tzinfo=UTC)
"""When the sample events happen."""
DAY = re.compile(r"\b\d{4}-\d\d-\d\d(?=T|\b)")

State = tuple[Items, Mapping[str, list[str]], Mapping[str, int]]
"""What stands in the tables, waits in the queues and lies in the buckets, of which only the number of files."""


@dataclass(frozen=True)
class World:
    sandbox: Sandbox
    event: Mapping[str, Any]

    def state(self) -> State:
        queues = {name: sorted(self.sandbox.waiting(name)) for name in self.sandbox.template.queues}
        s3 = self.sandbox.client("s3")
        buckets = self.sandbox.template.buckets.values()
        return (
            items(self.sandbox),
            queues,
            {bucket: s3.list_objects_v2(Bucket=bucket)["KeyCount"] for bucket in buckets},
        )

    def put_back(self, before: State) -> None:
        """The tables as they were, so that the same event comes for the first time again."""
        client, tables = self.sandbox.client("dynamodb"), self.sandbox.template.tables
        for key, item in items(self.sandbox).items():
            if key not in before[0]:
                client.delete_item(TableName=tables[key[0]].name, Key={name: item[name] for name in ("pk", "sk")})
        for key, item in before[0].items():
            client.put_item(TableName=tables[key[0]].name, Item=item)


@contextmanager
def world_of(function: str, folder: Path) -> Iterator[World]:
    """After the function's sample history, moved to the days before now; ``folder`` is for its file."""
    now, shops = datetime.now(UTC), shops_of(None)
    days = (now - SAMPLED) // timedelta(days=1)
    history = folder / "history.jsonl"
    history.write_text(_moved(history_of(function), days), encoding="utf-8")
    events = read_all(history)
    sandbox = Sandbox(events[0].occurred_at)
    sandbox.template = without_triggers(sandbox.template, function)
    with opened(sandbox, shops) as marketplace:
        player = Player(sandbox, marketplace)
        for recorded in events:
            player.put(recorded)
        # the function has the real clock, and the marketplace must not find its signatures stale
        sandbox.clock.advance_to(now)
        sample = json.loads(_moved(SAMPLES / f"{function}.json", days))
        yield World(sandbox, filled_in(sample, shops, marketplace, now))


def _moved(path: Path, days: int) -> str:
    """The file's text with every date in it that many days later."""

    def later(match: re.Match[str]) -> str:
        return (date.fromisoformat(match[0]) + timedelta(days=days)).isoformat()

    return DAY.sub(later, path.read_text(encoding="utf-8"))
