"""An event bus in plain memory: its rules hand what they match to queues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from aftercare.aws.bus import ENTRIES_A_CALL
from aftercare.kernel.ports import Clock
from aftercare.kernel.times import to_text
from sandbox import moto_seams
from sandbox.intrinsics import ACCOUNT, REGION, TemplateError
from sandbox.memory_queue import LARGEST_MESSAGE_BYTES, MemoryQueue
from sandbox.resources import Rule
from sandbox.services import Witness, call

EVENTS = "events"
TRANSFORMED = frozenset({"Input", "InputPath", "InputTransformer"})
INVALID_ARGUMENT = "InvalidArgument"
TOO_LARGE = "ValidationException"
"""What EventBridge answers to an entry without a name, and to one that is too large."""


@dataclass(frozen=True)
class MemoryRule:
    """``names_only``: the pattern asks for nothing but source and name, so that equal ones are matched once."""

    pattern: str
    targets: tuple[MemoryQueue, ...]
    names_only: bool

    @classmethod
    def of(cls, rule: Rule, queues_by_arn: Mapping[str, MemoryQueue]) -> MemoryRule:
        """Raises ``TemplateError`` for a rule that changes what its target gets."""
        for target in rule.targets:
            if TRANSFORMED & target.keys():
                raise TemplateError(f"{rule.name}: what is changed on its way to a target is not played in memory")
        targets = tuple(queues_by_arn[target["Arn"]] for target in rule.targets)
        return cls(rule.pattern, targets, json.loads(rule.pattern).keys() <= {"source", "detail-type"})

    def matches(self, event: dict[str, Any]) -> bool:
        if self.names_only:
            return _matches_names(self.pattern, event["source"], event["detail-type"])
        return moto_seams.matches(self.pattern, event)


@lru_cache(maxsize=4096)
def _matches_names(pattern: str, source: str, detail_type: str) -> bool:
    return moto_seams.matches(pattern, {"source": source, "detail-type": detail_type})


class MemoryBus:
    """Implements ``Bus``."""

    def __init__(self, rules: Sequence[MemoryRule], clock: Clock, witness: Witness) -> None:
        self._rules = rules
        self._clock = clock
        self._witness = witness
        self._numbers = count(1)

    def publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
        answers: list[str | None] = []
        for start in range(0, len(entries), ENTRIES_A_CALL):
            with call(self._witness, EVENTS, "PutEvents"):
                answers += [self._put(entry) for entry in entries[start : start + ENTRIES_A_CALL]]
        return answers

    def _put(self, entry: Mapping[str, Any]) -> str | None:
        source, detail_type, detail = entry["source"], entry["detail-type"], entry["detail"]
        if not source or not detail_type:
            return INVALID_ARGUMENT
        envelope = {
            "version": "0",
            "id": f"00000000-0000-4000-8000-{next(self._numbers):012d}",
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": to_text(self._clock.now().replace(microsecond=0)),
            "region": REGION,
            "resources": [],
        }
        event = envelope | {"detail": detail}
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        if len(body.encode()) > LARGEST_MESSAGE_BYTES:
            return TOO_LARGE
        self._witness.taken_by_bus(source, detail_type, detail)
        for rule in self._rules:
            if rule.matches(event):
                for queue in rule.targets:
                    queue.send(body)
        return None
