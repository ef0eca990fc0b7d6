"""What a template deploys, as data: names, ARNs and settings are resolved."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Function:
    """``name`` is its folder's; ``due_tables`` are the tables whose due index its role may query."""

    logical_id: str
    name: str
    arn: str
    folder: Path
    handler: str
    timeout: timedelta
    memory_mb: int
    environment: Mapping[str, str]
    due_tables: frozenset[str]


@dataclass(frozen=True)
class Queue:
    logical_id: str
    name: str
    url: str
    arn: str
    attributes: Mapping[str, str]
    """As ``CreateQueue`` takes them."""
    dead_letter_arn: str | None


@dataclass(frozen=True)
class Table:
    logical_id: str
    name: str
    arn: str
    request: Mapping[str, Any]
    """As ``CreateTable`` takes it."""
    time_to_live: str | None
    stream_view: str | None


@dataclass(frozen=True)
class Rule:
    name: str
    bus: str
    pattern: str
    targets: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Secret:
    name: str
    generate: Mapping[str, Any] | None
    text: str | None

    def value(self, seed: int) -> str:
        """The secret's text; what AWS would generate at random follows from the seed."""
        if self.generate is None:
            return self.text or ""
        alphabet = string.ascii_letters + string.digits
        if not self.generate.get("ExcludePunctuation"):
            alphabet += string.punctuation
        alphabet = "".join(sorted(set(alphabet) - set(self.generate.get("ExcludeCharacters", ""))))
        source = random.Random(f"{seed}/{self.name}")  # noqa: S311  a test secret that must be the same every run
        password = "".join(source.choice(alphabet) for _ in range(int(self.generate.get("PasswordLength", 32))))
        if "GenerateStringKey" not in self.generate:
            return password
        document = json.loads(self.generate["SecretStringTemplate"])
        return json.dumps(document | {self.generate["GenerateStringKey"]: password})


@dataclass(frozen=True)
class QueueMapping:
    queue: Queue
    function: str
    batch_size: int
    partial_failures: bool


@dataclass(frozen=True)
class StreamMapping:
    table: Table
    function: str
    batch_size: int
    partial_failures: bool
    bisect: bool
    filters: tuple[str, ...]
    """Patterns as JSON; a record passes that matches one of them, and all pass where there is none."""
    maximum_age: timedelta | None
    maximum_retries: int | None
    on_failure_arn: str | None


@dataclass(frozen=True)
class Schedule:
    name: str
    function: str
    every: timedelta
    arn: str
    is_rule: bool
    """A scheduled EventBridge rule; else a schedule of EventBridge Scheduler, whose event looks different."""
    input: str | None


@dataclass(frozen=True)
class Authorizer:
    """A JWT authorizer of the HTTP API."""

    issuer: str
    audience: tuple[str, ...]
    header: str


@dataclass(frozen=True)
class Route:
    """``method`` may be ``ANY``, ``path`` may be ``$default``."""

    method: str
    path: str
    function: str
    authorizer: Authorizer | None
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """Everything by its logical id in the template's order; functions by the name of their folder."""

    functions: Mapping[str, Function]
    queues: Mapping[str, Queue]
    tables: Mapping[str, Table]
    buses: Mapping[str, str]
    buckets: Mapping[str, str]
    rules: Mapping[str, Rule]
    secrets: Mapping[str, Secret]
    queue_mappings: tuple[QueueMapping, ...]
    stream_mappings: tuple[StreamMapping, ...]
    schedules: tuple[Schedule, ...]
    routes: tuple[Route, ...]
