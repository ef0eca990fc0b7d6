"""``Bus`` on Amazon EventBridge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from aftercare.aws.faults import error_code, http_status, transient_faults

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

ENTRIES_A_CALL = 10
CONTENT_TOO_LARGE = 413


class EventBridgeBus:
    """Implements ``Bus``. ``Transient`` may leave a part of the entries published: all of them are to be sent again."""

    def __init__(self, client: EventBridgeClient, bus_name: str) -> None:
        self._client = client
        self._bus_name = bus_name

    def publish(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
        wire = [self._entry(entry) for entry in entries]
        answers: list[str | None] = []
        for start in range(0, len(wire), ENTRIES_A_CALL):
            answers += self._put(wire[start : start + ENTRIES_A_CALL])
        return answers

    def _put(self, entries: Sequence[dict[str, str]]) -> list[str | None]:
        try:
            with transient_faults():
                answer = self._client.put_events(Entries=entries)  # type: ignore[arg-type]  # wants its own TypedDict
        except ClientError as error:
            # the size limit is one for the whole call: the entries that fit alone must not share the fate of the one
            # that does not
            if not _blames_content(error):
                raise
            if len(entries) == 1:
                return [error_code(error)]
            middle = len(entries) // 2
            return self._put(entries[:middle]) + self._put(entries[middle:])
        return [entry.get("ErrorCode") for entry in answer["Entries"]]

    def _entry(self, entry: Mapping[str, Any]) -> dict[str, str]:
        # without ``Time`` the bus stamps the arrival; when the fact happened is in the metadata
        return {
            "EventBusName": self._bus_name,
            "Source": entry["source"],
            "DetailType": entry["detail-type"],
            "Detail": json.dumps(entry["detail"], ensure_ascii=False, separators=(",", ":")),
        }


def _blames_content(error: ClientError) -> bool:
    return error_code(error) == "ValidationException" or http_status(error) == CONTENT_TOO_LARGE
