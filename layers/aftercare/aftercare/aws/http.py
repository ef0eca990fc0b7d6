"""``Http`` on urllib3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aftercare.kernel.ports import HttpReply, NoReply

if TYPE_CHECKING:
    from urllib3 import PoolManager

CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 8
MAX_BODY_BYTES = 1024 * 1024


class Urllib3Http:
    """Implements ``Http``. ``timeout_seconds`` bounds each wait for bytes, after at most 2 s for the connection.

    An answer of more than 1 MiB counts as none: half of it would be misread.
    """

    def __init__(self, timeout_seconds: float = READ_TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._pool: PoolManager | None = None

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpReply:
        from urllib3 import PoolManager, Timeout
        from urllib3.exceptions import HTTPError

        if self._pool is None:
            self._pool = PoolManager()
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=self._timeout_seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = response.read(MAX_BODY_BYTES + 1)
        except HTTPError as error:
            raise NoReply(type(error).__name__) from error
        if len(content) > MAX_BODY_BYTES:
            response.close()
            raise NoReply(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        response.release_conn()
        return HttpReply(status=response.status, body=content)
