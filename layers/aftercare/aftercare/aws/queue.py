"""``Queue`` on Amazon SQS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aftercare.aws.faults import transient_faults
from aftercare.kernel.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MESSAGES_A_CALL = 10


class SqsQueue:
    """Implements ``Queue``. ``Transient`` may leave a part of the texts queued: all of them are to be sent again."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, bodies: Sequence[str]) -> None:
        if len(bodies) == 1:
            with transient_faults():
                self._client.send_message(QueueUrl=self._url, MessageBody=bodies[0])
            return
        for start in range(0, len(bodies), MESSAGES_A_CALL):
            self._send_batch(bodies[start : start + MESSAGES_A_CALL])

    def _send_batch(self, bodies: Sequence[str]) -> None:
        with transient_faults():
            answer = self._client.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)],
            )
        failed = answer.get("Failed")
        if failed:
            codes = sorted({failure["Code"] for failure in failed})
            raise Transient(f"SendMessageBatch: {len(failed)} of {len(bodies)} not taken ({', '.join(codes)})")

    def depth(self) -> int:
        with transient_faults():
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])
