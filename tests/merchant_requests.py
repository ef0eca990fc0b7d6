"""Asks the merchants' API as API Gateway does: the request that it sends, and the answer that it expects."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from documented import assert_documented

APP = Path(__file__).parents[1] / "functions" / "merchant_api" / "app.py"


def _load() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("functions_merchant_api", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = module.handler
    return handler


HANDLER = _load()


class NoLimit:
    def count(self, shop: str, *, by_operators: bool = False) -> None: ...


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: dict[str, Any]

    @property
    def content_type(self) -> str:
        return self.headers["content-type"]

    @property
    def problem(self) -> tuple[int, str]:
        assert self.content_type == "application/problem+json"
        assert self.json["status"] == self.status
        return self.status, self.json["type"].removeprefix("urn:aftercare:problem:")


def request(method: str, path: str, body: Any, query: Mapping[str, str], claims: Mapping[str, str]) -> dict[str, Any]:
    """Payload format 2.0; a ``body`` that is text is sent as it is."""
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "headers": {},
        "requestContext": {
            "http": {"method": method, "path": path},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": claims, "scopes": ["aftercare/write"]}},
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


def ask(event: dict[str, Any]) -> Answer:
    reply = HANDLER(event, None)
    headers = {name.lower(): values for name, values in reply["headers"].items()}
    answer = Answer(reply["statusCode"], headers, json.loads(reply["body"]))
    method = event["requestContext"]["http"]["method"]
    assert_documented(method, event["rawPath"], answer.status, answer.content_type, answer.json)
    return answer
