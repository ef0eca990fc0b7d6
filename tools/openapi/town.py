"""Two weeks and a few days of one invented shop in the offline cloud, and what its merchant was answered meanwhile.

Everything happens in memory and on a virtual clock: the same calls get the same answers, byte for byte, on every run.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from aftercare.kernel.ports import Http
from aftercare.serving import PROBLEM_JSON
from sandbox.cloud import Sandbox
from sandbox.http_gateway import HttpResponse
from sandbox.jwt_issuer import SHOP_CLAIM
from sandbox.shops import read_shops, register
from sandbox.twins.signing import sign_delivery
from sandbox.twins.standard import ACTIONS_PATH, StandardTwin
from tools.openapi.routes import OPERATE

START = datetime(2026, 11, 2, 2, tzinfo=UTC)
"""A Monday, ten in the morning where the shop is."""
SHOP_ID = "tea-house"
SHOP = f"standard:{SHOP_ID}"
STRANGER = "standard:stranger"
"""A shop of which nothing was ever told."""
REQUESTS_PER_MINUTE = 100
MARKETPLACE = "http://marketplace.invalid"
SAMPLES = Path(__file__).parents[2] / "events" / "webhooks" / "standard"
TAG = "ships_24h"
VALUE_TAG = "experience_score"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FORM = {"content-type": "application/x-www-form-urlencoded"}
NOTHING: Mapping[str, str] = MappingProxyType({})
OK, ACCEPTED, SEE_OTHER = 200, 202, 303


class Recorded(NamedTuple):
    """One call: its route as the code names it, what it was called with, and what was answered."""

    method: str
    path: str
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    status: int
    content_type: str
    answer: Any

    @property
    def kind(self) -> str | None:
        """Of a problem, as its type names it."""
        if self.content_type != PROBLEM_JSON:
            return None
        return str(self.answer["type"]).removeprefix("urn:aftercare:problem:")


class NotAsTold(Exception):
    """The town does not behave as its story says."""


@dataclass
class Town:
    sandbox: Sandbox
    twin: StandardTwin
    secret: str
    """What the marketplace signs with."""
    calls: list[Recorded] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.sandbox.clock.now()

    def wait(self, by: timedelta) -> None:
        self.sandbox.advance_to(self.now + by)
        self.settle_down()

    def settle_down(self) -> None:
        """Lets the system work, and the marketplace tell what it did in turn, until nothing more happens."""
        self.sandbox.run_until_quiet()
        while told := self.twin.deliveries():
            for delivery in told:
                self._post(delivery.path, delivery.headers, delivery.body, ACCEPTED)
            self.sandbox.run_until_quiet()

    # ------------------------------------------------------------ the marketplace and its buyers

    def hear(self, sample: str, **changed: Any) -> None:
        """A sample delivery with the town's own names in it arrives; the system gets to work with ``settle_down``."""
        content = json.loads((SAMPLES / f"{sample}.json").read_text(encoding="utf-8"))
        delivery = self.twin.say(SHOP_ID, content["type"], {**content["data"], **changed})
        self._post(delivery.path, delivery.headers, delivery.body, ACCEPTED)

    def hear_broken(self, body: bytes) -> None:
        """A genuine delivery that cannot be understood."""
        broken = sign_delivery(SHOP_ID, self.secret, f"msg_broken_{len(self.calls)}", self.now, body)
        self._post(broken.path, broken.headers, broken.body, ACCEPTED)

    def choose(self, choice: str) -> None:
        """The buyer opens the link that was sent last, and chooses."""
        link = urlsplit(str(self.twin.books(SHOP_ID).offers[-1]["data"]["link"])).path
        page = html.unescape(self.sandbox.request("GET", link).body.decode())
        if not re.search(rf'value="{choice}"', page):
            raise NotAsTold(f"the offer has no {choice}")
        self._post(link, FORM, urlencode({"choice": choice}).encode(), SEE_OTHER)
        self.settle_down()

    def _post(self, path: str, headers: Mapping[str, str], body: bytes, expected: int) -> None:
        answer = self.sandbox.request("POST", path, headers, body)
        if answer.status != expected:
            raise NotAsTold(f"POST {path} is answered {answer.status}, not {expected}")

    # ------------------------------------------------------------ the merchant

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int = OK,
        shop: str | None = SHOP,
        scopes: Sequence[str] | None = None,
        ids: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> Any:
        """Asks the merchants' API as the shop's own people, or as the marketplace's where the path is theirs.

        A ``body`` that is text is sent as it is; without any ``scopes`` there is no token. Raises ``NotAsTold`` for
        another status than the expected one.
        """
        scope = "operate" if path.startswith(OPERATE) else "read" if method == "GET" else "write"
        claims: dict[str, Any] = {"sub": "op-7" if scope == "operate" else "ann", SHOP_CLAIM: shop}
        token = self.sandbox.issuer.token("", [f"aftercare/{scope}"] if scopes is None else scopes, **claims)
        target = re.sub("<([a-z_]+)>", lambda name: quote(ids[name[1]], safe=""), path)
        sent = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        reply: HttpResponse = self.sandbox.request(
            method,
            f"{target}?{urlencode(query)}" if query else target,
            {"content-type": "application/json"} | ({} if scopes == () else {"authorization": f"Bearer {token}"}),
            sent,
        )
        if reply.status != expect:
            raise NotAsTold(f"{method} {target} is answered {reply.status}, not {expect}: {reply.body.decode()}")
        answer, kind = reply.json(), reply.headers["content-type"]
        self.calls.append(Recorded(method, path, ids, query, body, reply.status, kind, answer))
        self.settle_down()
        return answer


@contextmanager
def opened(requests_per_minute: int = REQUESTS_PER_MINUTE) -> Iterator[Town]:
    """The cloud in memory, its functions' HTTP going to the marketplace's twin in this process, the shop registered."""
    [shop] = [each for each in read_shops() if each.shop_id == SHOP_ID]
    if shop.credentials is None:
        raise NotAsTold(f"{SHOP} has no credentials")
    twins: list[StandardTwin] = []

    def http() -> Http:
        return twins[0]

    parameters = {"LogLevel": "CRITICAL", "MerchantRequestsPerMinute": str(requests_per_minute)}
    with Sandbox(START, parameters=parameters, http=http, backend="memory") as sandbox:
        twins.append(StandardTwin(sandbox.clock, sandbox.clock.advance))
        twins[0].open_shop(SHOP_ID, read=shop.credentials.secrets, act=shop.credentials.act)
        register(sandbox, [shop], lambda one: f"{MARKETPLACE}/{ACTIONS_PATH}/{one.shop_id}")
        yield Town(sandbox, twins[0], shop.credentials.secrets[0])
