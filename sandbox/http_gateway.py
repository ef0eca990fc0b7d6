"""An HTTP API of Amazon API Gateway: the template's routes, its JWT authorizer and payload format 2.0.

``HttpGateway.request`` plays it without sockets, ``serve`` does so over HTTP on this machine.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote

import jwt

from aftercare.kernel.ports import Clock
from sandbox.functions import InvocationFailed
from sandbox.intrinsics import ACCOUNT, API_ID, REGION, URL_SUFFIX
from sandbox.jwt_issuer import ALGORITHM, JwtIssuer
from sandbox.resources import Authorizer, Route

MAX_PAYLOAD_BYTES = 10 * 1024 * 1024
TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})
JSON_TYPE = "application/json"
DEFAULT_TYPE = "text/plain;charset=UTF-8"
DEFAULT_ROUTE = "$default"
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.01

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class HttpResponse:
    """Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    def json(self) -> Any:
        return json.loads(self.body)


class _Refused(Exception):
    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.response = _message(status, message, **headers)


class HttpGateway:
    def __init__(
        self,
        routes: Sequence[Route],
        issuer: JwtIssuer,
        clock: Clock,
        invoke: Callable[[str, Mapping[str, Any]], Any],
    ) -> None:
        self._routes = routes
        self._issuer = issuer
        self._clock = clock
        self._invoke = invoke
        self._requests = 0

    def request(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", source_ip: str = LOOPBACK
    ) -> HttpResponse:
        """Answers as the API would. ``target`` is the path with its query, percent-encoded."""
        path, _, query = target.partition("?")
        try:
            return self._handle(_Received(method, unquote(path), query, _joined(headers), body, source_ip))
        except _Refused as refusal:
            return refusal.response
        except (InvocationFailed, MalformedAnswer):
            return _message(500, "Internal Server Error")

    def _handle(self, received: _Received) -> HttpResponse:
        if len(received.body) > MAX_PAYLOAD_BYTES:
            raise _Refused(413, "Request Entity Too Large")
        route, path_parameters = self._route(received.method, received.path)
        authorized = self._authorize(route, received.headers)
        event = self._event(route, path_parameters, received, authorized)
        return to_response(self._invoke(route.function, event))

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        found = route_of(self._routes, method, path)
        if found is None:
            raise _Refused(404, "Not Found")
        return found

    def _authorize(self, route: Route, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """The authorizer's part of the request context; None for an open route."""
        if route.authorizer is None:
            return None
        claims = self._claims(route.authorizer, headers.get(route.authorizer.header, ""))
        scopes = str(claims.get("scope") or claims.get("scp") or "").split()
        if route.scopes and not set(route.scopes) & set(scopes):
            challenge = f'Bearer scope="{" ".join(route.scopes)}" error="insufficient_scope"'
            raise _Refused(403, "Forbidden", **{"www-authenticate": challenge})
        said = {name: _claim_text(value) for name, value in claims.items()}
        return {"jwt": {"claims": said, "scopes": scopes if route.scopes else None}}

    def _claims(self, authorizer: Authorizer, header: str) -> dict[str, Any]:
        token = header.removeprefix("Bearer ").strip()
        try:
            key = self._issuer.public_key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise jwt.InvalidKeyError("unknown key")
            # the times are checked below, on the virtual clock
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=authorizer.issuer,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
            _check_times(claims, self._clock.now().timestamp())
            audience = claims.get("aud", claims.get("client_id"))
            if not set(authorizer.audience) & {*([audience] if isinstance(audience, str) else audience or [])}:
                raise jwt.InvalidAudienceError("another audience")
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            description = "Bearer" if not token else 'Bearer error="invalid_token"'
            raise _Refused(401, "Unauthorized", **{"www-authenticate": description}) from error
        return claims

    def _event(
        self,
        route: Route,
        path_parameters: Mapping[str, str],
        received: _Received,
        authorized: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """The Lambda event in payload format 2.0; what a request does not have is absent from it."""
        self._requests += 1
        now = self._clock.now()
        route_key = DEFAULT_ROUTE if route.path == DEFAULT_ROUTE else f"{route.method} {route.path}"
        domain = f"{API_ID}.execute-api.{REGION}.{URL_SUFFIX}"
        added = {"host": domain, "x-forwarded-for": received.source_ip, "x-forwarded-proto": "https"}
        headers = {name: value for name, value in (added | received.headers).items() if name != "cookie"}
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": received.path,
            "rawQueryString": received.query,
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": API_ID,
                "domainName": domain,
                "domainPrefix": API_ID,
                "http": {
                    "method": received.method,
                    "path": received.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": received.source_ip,
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": f"request-{self._requests}",
                "routeKey": route_key,
                "stage": DEFAULT_ROUTE,
                "time": _common_log_time(now),
                "timeEpoch": int(now.timestamp() * 1000),
            },
            "isBase64Encoded": False,
        }
        if authorized is not None:
            event["requestContext"]["authorizer"] = authorized
        if path_parameters:
            event["pathParameters"] = path_parameters
        if received.query:
            event["queryStringParameters"] = _joined(parse_qsl(received.query, keep_blank_values=True), lower=False)
        if cookie := received.headers.get("cookie"):
            event["cookies"] = [part.strip() for part in cookie.split(";")]
        if received.body:
            event["body"], event["isBase64Encoded"] = body_text(received.body, headers.get("content-type", ""))
        return event


@dataclass(frozen=True)
class _Received:
    """``path`` is percent-decoded, as HTTP APIs hand it on; ``query`` is not."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    source_ip: str


def route_of(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The most specific route that takes such a request, with its path parameters; None where none does."""
    found = [
        (_specificity(route), route, parameters)
        for route in routes
        if route.method in {method, "ANY"} and (parameters := match_path(route.path, path)) is not None
    ]
    if not found:
        return None
    _, route, parameters = max(found, key=lambda candidate: candidate[0])
    return route, parameters


def match_path(pattern: str, path: str) -> dict[str, str] | None:
    """The path parameters of a path under a route's pattern; None where it does not match."""
    if pattern == DEFAULT_ROUTE:
        return {}
    wanted, given = pattern.split("/"), path.split("/")
    parameters: dict[str, str] = {}
    for position, part in enumerate(wanted):
        if part.startswith("{") and part.endswith("+}"):
            rest = "/".join(given[position:])
            return {**parameters, part[1:-2]: rest} if rest else None
        if position >= len(given):
            return None
        if part.startswith("{"):
            if not given[position]:
                return None
            parameters[part[1:-1]] = given[position]
        elif part != given[position]:
            return None
    return parameters if len(wanted) == len(given) else None


def _specificity(route: Route) -> tuple[Any, ...]:
    """Greater is chosen first: literal parts before parameters before ``{proxy+}``, a method before ANY."""
    if route.path == DEFAULT_ROUTE:
        return ([], route.method != "ANY")
    parts = [0 if part.endswith("+}") else 1 if part.startswith("{") else 2 for part in route.path.split("/")]
    return (parts, route.method != "ANY")


def body_text(body: bytes, content_type: str) -> tuple[str, bool]:
    """How a body stands in the event, and whether in base64: text for a few content types, base64 for all others.

    A form (``application/x-www-form-urlencoded``) and a body without a content type are among the others.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in TEXT_TYPES:
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode("ascii"), True


class MalformedAnswer(Exception):
    """A function's answer that API Gateway cannot make a response of."""


def to_response(answer: Any) -> HttpResponse:
    """A function's answer as an HTTP response; raises ``MalformedAnswer``.

    An answer without ``statusCode`` is itself the JSON body of a 200.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return HttpResponse(200, {"content-type": JSON_TYPE}, json.dumps(answer, ensure_ascii=False).encode())
    status, headers = answer["statusCode"], answer.get("headers") or {}
    body, cookies = answer.get("body"), answer.get("cookies") or []
    try:
        status = int(status)
    except (TypeError, ValueError) as error:
        raise MalformedAnswer("statusCode") from error
    if not isinstance(headers, dict) or any(isinstance(value, dict | list) for value in headers.values()):
        raise MalformedAnswer("headers")
    if not isinstance(body, str | None) or not isinstance(cookies, list):
        raise MalformedAnswer("body or cookies")
    content = (body or "").encode()
    if answer.get("isBase64Encoded"):
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise MalformedAnswer("body is not base64") from error
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    return HttpResponse(status, {"content-type": DEFAULT_TYPE, **lowered}, content, tuple(map(str, cookies)))


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if float(claims.get("exp", 0)) <= now:
        raise jwt.ExpiredSignatureError("expired")
    if any(float(claims[name]) > now for name in ("nbf", "iat") if name in claims):
        raise jwt.ImmatureSignatureError("not valid yet")


def _claim_text(value: Any) -> str:
    """API Gateway hands every claim on as text."""
    if isinstance(value, list):
        return f"[{' '.join(map(_claim_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _common_log_time(moment: datetime) -> str:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{moment:%d}/{months[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def _joined(pairs: Headers, *, lower: bool = True) -> dict[str, str]:
    """Repeated names become one, their values with commas between them."""
    joined: dict[str, str] = {}
    for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
        key = name.lower() if lower else name
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return joined


def _message(status: int, message: str, **headers: str) -> HttpResponse:
    return HttpResponse(status, {"content-type": JSON_TYPE, **headers}, json.dumps({"message": message}).encode())


# ---------------------------------------------------------------- over HTTP


@contextmanager
def serve(request: Callable[..., HttpResponse], port: int) -> Iterator[ThreadingHTTPServer]:
    """Answers on 127.0.0.1 as long as the block lasts; port 0 takes a free one. ``request`` is called by threads."""

    class Handler(_Handler):
        answer = staticmethod(request)

    with ThreadingHTTPServer((LOOPBACK, port), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # headers and body are two writes: the second would wait 40 ms for the first to be acknowledged
    disable_nagle_algorithm = True
    answer: Callable[..., HttpResponse]

    def __getattr__(self, name: str) -> Any:
        # the base class looks for do_GET, do_POST and so on
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal():
            self._send(_message(411, "Length Required"), close=True)
        elif int(length) > MAX_PAYLOAD_BYTES:
            self._send(_message(413, "Request Entity Too Large"), close=True)
        else:
            body = self.rfile.read(int(length))
            headers = list(self.headers.items())
            self._send(self.answer(self.command, self.path, headers, body, self.client_address[0]))

    def _send(self, response: HttpResponse, *, close: bool = False) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        for cookie in response.cookies:
            self.send_header("set-cookie", cookie)
        self.send_header("content-length", str(len(response.body)))
        if close:
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Says nothing: whoever wants a log of requests asks the functions."""
