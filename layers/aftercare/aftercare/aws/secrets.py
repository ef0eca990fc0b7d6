"""``Secrets`` on AWS Secrets Manager. No value of a secret ever stands in a log or in an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aftercare.aws.faults import error_code, transient_faults
from aftercare.kernel.ports import Clock, SecretForbidden, UnknownSecret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE = timedelta(minutes=5)
MAX_NAMES = 1000
# Beside "not found": a secret that waits for its deletion, and names that no secret can have. A name may hold what a
# stranger wrote into a webhook's path.
NOTHING_THERE = frozenset(
    {"ResourceNotFoundException", "InvalidRequestException", "InvalidParameterException", "ValidationException"}
)


@dataclass(frozen=True, slots=True)
class _Answer:
    read_at: datetime
    value: Mapping[str, Any] | None
    """None where no secret stands under the name."""


class SecretsManagerSecrets:
    """Implements ``Secrets``. Remembers the answers for the names asked for last, "there is none" among them."""

    def __init__(self, client: SecretsManagerClient, clock: Clock, max_names: int = MAX_NAMES) -> None:
        self._client = client
        self._clock = clock
        self._max_names = max_names
        self._answers: dict[str, _Answer] = {}

    def get(self, name: str) -> Mapping[str, Any]:
        """Raises ``ValueError`` for a secret that is not a JSON object, which only its owner can mend."""
        now = self._clock.now()
        answer = self._answers.pop(name, None)
        if answer is None or now - answer.read_at > MAX_AGE:
            answer = _Answer(now, self._read(name))
        self._answers[name] = answer  # goes last: the first of the dict is the one asked for longest ago
        if len(self._answers) > self._max_names:
            del self._answers[next(iter(self._answers))]
        if answer.value is None:
            raise UnknownSecret(name)
        return answer.value

    def _read(self, name: str) -> Mapping[str, Any] | None:
        try:
            with transient_faults():
                answer = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            if error_code(error) in NOTHING_THERE:
                return None
            if error_code(error) == "AccessDeniedException":
                raise SecretForbidden(name) from error
            raise
        return _json_object(name, answer.get("SecretString", ""))


def _json_object(name: str, text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None  # the decoder's own error carries the text
    if not isinstance(value, dict):
        raise ValueError(f"secret {name} is not a JSON object")  # noqa: TRY004  a wrong value, not a wrong call
    return value
