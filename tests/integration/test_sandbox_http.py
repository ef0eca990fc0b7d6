"""The HTTP API of the offline cloud answers as API Gateway does."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
from fixtures.sandbox.small_system import JSON, START, see, small_system

from sandbox.cloud import Sandbox
from sandbox.http_gateway import MAX_PAYLOAD_BYTES, HttpResponse, MalformedAnswer, body_text, match_path, to_response

READ = ["parcels/read"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with small_system() as sandbox:
        yield sandbox


def echo(sandbox: Sandbox, **request: Any) -> dict[str, Any]:
    """The event that a request makes, as the function got it."""
    asked = {"method": "POST", "target": "/parcels/demo/echo", **request}
    event: dict[str, Any] = sandbox.request(**asked).json()
    return event


def read(sandbox: Sandbox, token: str | None) -> HttpResponse:
    return sandbox.request("GET", "/v1/orders/1", {} if token is None else {"Authorization": f"Bearer {token}"})


# ---------------------------------------------------------------- routes


@pytest.mark.parametrize(
    ("pattern", "path", "parameters"),
    [
        ("/a/{b}", "/a/1", {"b": "1"}),
        ("/a/{b}", "/a", None),
        ("/a/{b}", "/a/", None),
        ("/a/{b}", "/a/1/2", None),
        ("/a/{b}/c", "/a/1/c", {"b": "1"}),
        ("/a/{b}/c", "/a/1/d", None),
        ("/v1/{proxy+}", "/v1/orders/1", {"proxy": "orders/1"}),
        ("/v1/{proxy+}", "/v1/", None),
        ("/v1/{proxy+}", "/v1", None),
        ("$default", "/anything", {}),
        ("/", "/", {}),
    ],
)
def test_paths_match_as_their_patterns_say(pattern: str, path: str, parameters: dict[str, str] | None) -> None:
    assert match_path(pattern, path) == parameters


def test_the_most_specific_route_answers(sandbox: Sandbox) -> None:
    assert echo(sandbox)["routeKey"] == "ANY /parcels/{shop}/echo"


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/parcels/demo"), ("POST", "/v1/x")])
def test_an_unknown_path_or_method_is_not_found(sandbox: Sandbox, method: str, path: str) -> None:
    response = sandbox.request(method, path)
    assert (response.status, response.json()) == (404, {"message": "Not Found"})


# ---------------------------------------------------------------- the event


def test_the_event_has_payload_format_2(sandbox: Sandbox) -> None:
    event = echo(
        sandbox,
        target="/parcels/d%C3%A9mo/echo?a=1&b=x%20y&a=2",
        headers=[("X-Thing", "1"), ("x-thing", "2"), ("User-Agent", "tests"), ("Cookie", "one=1; two=2")],
        source_ip="127.0.0.9",
    )
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert (event["rawPath"], event["rawQueryString"]) == ("/parcels/démo/echo", "a=1&b=x%20y&a=2")
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert event["pathParameters"] == {"shop": "démo"}
    assert event["headers"]["x-thing"] == "1,2"
    assert event["cookies"] == ["one=1", "two=2"]
    assert "cookie" not in event["headers"]
    assert context["http"] == {
        "method": "POST",
        "path": "/parcels/démo/echo",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.9",
        "userAgent": "tests",
    }
    assert (context["time"], context["timeEpoch"]) == ("02/Nov/2026:08:00:00 +0000", int(START.timestamp() * 1000))
    assert (context["stage"], context["routeKey"]) == ("$default", event["routeKey"])


def test_what_a_request_lacks_is_absent_from_the_event(sandbox: Sandbox) -> None:
    event = echo(sandbox)
    assert not event.keys() & {"queryStringParameters", "cookies", "body"}
    assert event["isBase64Encoded"] is False
    assert "authorizer" not in event["requestContext"]


@pytest.mark.parametrize(
    ("content_type", "in_base64"),
    [
        ("application/json", False),
        ("application/json; charset=utf-8", False),
        ("text/html", False),
        ("application/xml", False),
        ("application/javascript", False),
        ("application/x-www-form-urlencoded", True),
        ("application/octet-stream", True),
        ("", True),
    ],
)
def test_few_content_types_are_handed_on_as_text(content_type: str, in_base64: bool) -> None:
    text = "körper=1"
    expected = base64.b64encode(text.encode()).decode() if in_base64 else text
    assert body_text(text.encode(), content_type) == (expected, in_base64)


def test_bytes_that_are_no_text_are_never_harmed() -> None:
    assert body_text(b"\xff\x00", "application/json") == (base64.b64encode(b"\xff\x00").decode(), True)


def test_ten_megabytes_pass_and_one_byte_more_does_not(sandbox: Sandbox) -> None:
    body = b"x" * (MAX_PAYLOAD_BYTES + 1)
    response = sandbox.request("POST", "/parcels/demo/echo", {"content-type": "text/plain"}, body)
    assert (response.status, response.json()) == (413, {"message": "Request Entity Too Large"})
    assert sandbox.request("POST", "/parcels/demo/echo", {"content-type": "text/plain"}, body[:-1]).status == 200


# ---------------------------------------------------------------- the authorizer


def test_a_good_token_is_let_through_with_its_claims(sandbox: Sandbox) -> None:
    token = sandbox.issuer.token("standard:demo", [*READ, "other"], groups=["a", "b"], level=3, admin=True)
    response = read(sandbox, token)
    jwt = response.json()["requestContext"]["authorizer"]["jwt"]
    assert jwt["scopes"] == ["parcels/read", "other"]
    assert jwt["claims"]["aftercare:shop"] == "standard:demo"
    # every claim is text
    assert (jwt["claims"]["groups"], jwt["claims"]["level"], jwt["claims"]["admin"]) == ("[a b]", "3", "true")


def test_a_token_without_its_scheme_is_taken_too(sandbox: Sandbox) -> None:
    token = sandbox.issuer.token("standard:demo", READ)
    assert sandbox.request("GET", "/v1/x", {"authorization": token}).status == 200


def test_the_client_id_stands_in_for_a_missing_audience(sandbox: Sandbox) -> None:
    assert read(sandbox, sandbox.issuer.token("s:1", READ, aud=None, client_id="parcels")).status == 200


def test_one_of_the_route_s_scopes_is_enough(sandbox: Sandbox) -> None:
    assert read(sandbox, sandbox.issuer.token("s:1", ["parcels/write"])).status == 200


def test_a_token_without_a_scope_of_the_route_is_forbidden(sandbox: Sandbox) -> None:
    response = read(sandbox, sandbox.issuer.token("s:1", ["parcels/admin"]))
    assert (response.status, response.json()) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": None},
        {"exp": int(START.timestamp())},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(START.timestamp()) + 1},
        {"iat": int(START.timestamp()) + 1},
    ],
    ids=lambda claims: next(f"{name}={value}" for name, value in claims.items()),
)
def test_a_token_that_says_something_else_is_refused(sandbox: Sandbox, claims: dict[str, Any]) -> None:
    response = read(sandbox, sandbox.issuer.token("s:1", READ, **claims))
    assert (response.status, response.json()) == (401, {"message": "Unauthorized"})


def test_a_missing_a_broken_and_a_foreign_token_are_refused(sandbox: Sandbox) -> None:
    import jwt

    good = sandbox.issuer.token("s:1", READ)
    head, payload, signature = good.split(".")
    unsigned = jwt.encode(jwt.decode(good, options={"verify_signature": False}), None, algorithm="none")
    with_secret = jwt.encode({"iss": "https://issuer.example"}, "x" * 32, headers={"kid": "offline-1"})
    other_key = jwt.encode({"iss": "https://issuer.example"}, "x" * 32, headers={"kid": "nobody"})
    tampered = f"{head}.{payload}.{signature[::-1]}"
    for token in (None, "", "nonsense", unsigned, with_secret, other_key, tampered):
        assert read(sandbox, token).status == 401


def test_a_token_ends_by_the_virtual_clock() -> None:
    with small_system() as sandbox:
        token = sandbox.issuer.token("s:1", READ, expires_in=timedelta(minutes=5))
        sandbox.clock.advance(timedelta(minutes=5) - timedelta(seconds=1))
        assert read(sandbox, token).status == 200
        sandbox.clock.advance(timedelta(seconds=1))
        assert read(sandbox, token).status == 401


# ---------------------------------------------------------------- the response


@pytest.mark.parametrize(
    ("answer", "response"),
    [
        ({"statusCode": 204}, HttpResponse(204, {"content-type": "text/plain;charset=UTF-8"}, b"")),
        (
            {"statusCode": "200", "headers": {"Content-Type": "text/html", "X-N": 1}, "body": "ö", "cookies": ["a=1"]},
            HttpResponse(200, {"content-type": "text/html", "x-n": "1"}, "ö".encode(), ("a=1",)),
        ),
        (
            {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True},
            HttpResponse(200, {"content-type": "text/plain;charset=UTF-8"}, b"\xff\x00"),
        ),
        ({"plain": "JSON"}, HttpResponse(200, {"content-type": "application/json"}, b'{"plain": "JSON"}')),
    ],
)
def test_an_answer_becomes_a_response(answer: Any, response: HttpResponse) -> None:
    assert to_response(answer) == response


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "headers": {"x": {}}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_malformed_answer_is_an_error(answer: Any) -> None:
    with pytest.raises(MalformedAnswer):
        to_response(answer)


def test_a_function_that_fails_is_an_internal_error(sandbox: Sandbox) -> None:
    response = sandbox.request("POST", "/parcels/demo", JSON, b"not JSON")
    assert (response.status, response.json()) == (500, {"message": "Internal Server Error"})


# ---------------------------------------------------------------- over HTTP


def test_the_api_answers_over_http_and_links_lead_to_it() -> None:
    with small_system() as sandbox, sandbox.serve() as url:
        request = urllib.request.Request(f"{url}/parcels/demo", data=b'{"id": "p1"}', headers=JSON)  # noqa: S310
        with urllib.request.urlopen(request) as response:  # noqa: S310
            assert response.status == 202
            assert response.headers.get_all("set-cookie") == ["seen=1", "shop=2"]
            assert response.read().decode() == url
        sandbox.run_until_quiet()
        assert [event.detail_type for event in sandbox.published] == ["ParcelSeen", "ParcelNoted"]


def test_an_address_that_was_given_stays() -> None:
    with small_system(parameters={"PublicBaseUrl": "https://shop.example"}) as sandbox, sandbox.serve():
        assert see(sandbox, "p1").body == b"https://shop.example"


def test_one_connection_carries_requests_of_all_methods() -> None:
    with small_system() as sandbox, sandbox.serve() as url:
        connection = HTTPConnection(url.removeprefix("http://"))
        for method, status in (("PATCH", 200), ("HEAD", 200), ("BREW", 200), ("POST", 200)):
            connection.request(method, "/parcels/demo/echo?x=1", body=b"{}", headers=JSON)
            response = connection.getresponse()
            body = response.read()
            assert response.status == status
            assert (body == b"") == (method == "HEAD")
        assert json.loads(body)["requestContext"]["http"]["method"] == "POST"
        connection.close()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("content-length", str(MAX_PAYLOAD_BYTES + 1), 413),
        ("content-length", "many", 411),
        ("transfer-encoding", "chunked", 411),
    ],
)
def test_a_body_of_the_wrong_size_is_refused_before_it_is_read(header: str, value: str, status: int) -> None:
    with small_system() as sandbox, sandbox.serve() as url:
        connection = HTTPConnection(url.removeprefix("http://"))
        connection.putrequest("POST", "/parcels/demo")
        connection.putheader(header, value)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()
