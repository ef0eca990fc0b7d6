"""The document, put together: what the code says of every route, what the table adds, what the town was answered."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aftercare.intake.limits import TooManyRequests
from aftercare.kernel.errors import MalformedInput, Transient
from aftercare.kernel.fields import InvalidFields
from aftercare.negotiation.model.plans import Plan
from aftercare.serving import PROBLEM_JSON, PROBLEMS, NoShop
from sandbox import resources
from sandbox.http_gateway import route_of
from tools.openapi.answers.shared import GatewayMessage, InvalidFieldsProblem, Problem
from tools.openapi.routes import IDS, ROOMS, Refusals, Route
from tools.openapi.schemas import Schema, name_of, parameters_of, plain, reference, schemas_of
from tools.openapi.town import NotAsTold, Recorded

APP = Path(__file__).parents[2] / "functions" / "merchant_api" / "app.py"
JSON = "application/json"
BEARER = "merchant"
LONG, SHOWN = 8, 3
"""Of a list with more entries than ``LONG`` an example shows the first ``SHOWN``."""
DESCRIPTION = f"""\
What the people of a shop, and the marketplace's operators, ask and decide. The shop is the token's claim
`aftercare:shop`.

Money is integer minor units with a currency, ratios and points are decimal text, times are RFC 3339 in UTC. Answers may
get more fields: ignore those that you do not know. In a body or a query a field that is not listed is refused.

An example is what the code answered about one invented shop, played in memory for three weeks; of lists with more than
{LONG} entries it shows the first {SHOWN}. Values are no promise, the schema is."""


class NotInTable(Exception):
    """The function and the table do not have the same routes."""


class Common(NamedTuple):
    """A refusal that many routes share: of ours by ``kind``, None for one that only the gateway makes."""

    name: str
    description: str
    kind: type[BaseException] | None = None
    by_gateway: bool = False
    headers: Mapping[str, Any] = {}


UNAUTHORIZED, TOO_LARGE = 401, 413
COMMON: Mapping[int, Common] = {
    400: Common("MalformedBody", "The body is not JSON.", MalformedInput),
    UNAUTHORIZED: Common("Unauthorized", "There is no token, or none that is valid now.", by_gateway=True),
    403: Common("Forbidden", "The token has none of the scopes, or names no shop.", NoShop, by_gateway=True),
    TOO_LARGE: Common("PayloadTooLarge", "The body is larger than 10 MB.", by_gateway=True),
    422: Common("InvalidFields", "What was sent cannot be taken; every wrong field is named.", InvalidFields),
    429: Common(
        "TooManyRequests",
        "The shop has used up its requests of this clock minute, or the whole API its own.",
        TooManyRequests,
        by_gateway=True,
        headers={
            "Retry-After": {
                "description": "Seconds until the next minute; absent where the whole API is asked too much.",
                "schema": {"type": "integer", "minimum": 1, "maximum": 60},
            }
        },
    ),
    500: Common("InternalError", "Something went wrong inside, and is in the log.", BaseException, by_gateway=True),
    503: Common("TryAgain", "The same request may succeed in a while.", Transient, by_gateway=True),
}
EVERYWHERE: Refusals = (NoShop, TooManyRequests, BaseException, Transient)
"""Who asks may have no shop, or ask too often; every answer needs a table; and any code can be wrong."""


def refusals_of(route: Route) -> Refusals:
    """All that a route may refuse a request with, once the gateway has let it in."""
    reads = (*((MalformedInput,) if route.body else ()), *((InvalidFields,) if route.body or route.query else ()))
    return (*reads, *route.refusals, *EVERYWHERE)


def kind_of(refusal: type[BaseException]) -> str:
    """As ``type`` names it, behind ``urn:aftercare:problem:``."""
    return PROBLEMS[refusal][1].lower().replace(" ", "-")


def answered_routes() -> list[tuple[str, str]]:
    """Method and path of every route of the function, in its order."""
    spec = importlib.util.spec_from_file_location("functions_merchant_api", APP)
    if spec is None or spec.loader is None:
        raise ImportError(f"{APP} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [(method, path) for method, path, _ in module.ROUTES]


def document(
    answered: Sequence[tuple[str, str]], template: resources.Template, calls: Sequence[Recorded]
) -> dict[str, Any]:
    """``answered`` are the routes of the function, ``calls`` what the town was answered.

    Raises ``NotInTable``, and ``NotAsTold`` for an answer that was never given.
    """
    table = {key: (room, route) for room, routes in ROOMS.items() for key, route in routes.items()}
    if differing := table.keys() ^ set(answered):
        named = ", ".join(sorted(f"{method} {path}" for method, path in differing))
        raise NotInTable(f"of these either the function or tools/openapi/routes.py knows nothing: {named}")
    routes = {key: table[key] for key in answered}
    schemas, components = _schemas([route for _, route in routes.values()])
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), (room, route) in routes.items():
        known = [call for call in calls if (call.method, call.path) == (method, path)]
        paths.setdefault(_braced(path), {})[method.lower()] = {
            "operationId": route.id,
            "summary": route.summary,
            "tags": [room],
            "security": [{BEARER: [scope]} for scope in _scopes(template, method, path)],
            **_asked(path, route, known, schemas),
            "responses": _responses(route, known, schemas),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Aftercare, the merchants' API", "version": "1", "description": DESCRIPTION},
        "servers": [
            {
                "url": "{api}",
                "variables": {
                    "api": {
                        "default": "http://127.0.0.1:8000",
                        "description": "The stack's output ApiUrl; `make up` listens on the default.",
                    }
                },
            }
        ],
        "tags": [{"name": room} for room in ROOMS],
        "paths": paths,
        "components": {
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of the stack's issuer and audience, with one of the scopes named.",
                }
            },
            "responses": {common.name: _common(status, common, calls) for status, common in COMMON.items()},
            "schemas": components,
        },
    }


# ---------------------------------------------------------------- what is asked


def _schemas(routes: Sequence[Route]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """The schemas of the routes' shapes, and the components; a query's own shape is none of these."""
    shapes = [shape for route in routes for shape in (route.answer, route.body, route.query) if shape is not None]
    schemas, components = schemas_of([*shapes, Plan, Problem, InvalidFieldsProblem, GatewayMessage])
    # the plans of a body are read one by one, so that the errors of all are found
    components["PlansToSave"]["properties"]["plans"]["items"] = schemas[Plan]
    kinds = sorted({kind_of(refusal) for route in routes for refusal in refusals_of(route)})
    components["Problem"]["properties"]["type"]["enum"] = [f"urn:aftercare:problem:{kind}" for kind in kinds]
    for query in {route.query for route in routes if route.query is not None}:
        schemas[query] = components.pop(name_of(schemas[query]))
    return schemas, components


def _asked(path: str, route: Route, known: Sequence[Recorded], schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": IDS[name][0],
            "schema": {"type": "string", **IDS[name][1]},
        }
        for name in re.findall("<([a-z_]+)>", path)
    ]
    if route.query is not None:
        parameters += parameters_of(schemas[route.query])
    about = "" if route.query is None else plain(inspect.cleandoc(route.query.__doc__ or ""))
    asked: dict[str, Any] = {"description": about} if about else {}
    if parameters:
        asked["parameters"] = parameters
    if route.body is not None:
        content = {"schema": schemas[route.body], "example": _first(known, 200).body}
        asked["requestBody"] = {"required": True, "content": {JSON: content}}
    return asked


def _scopes(template: resources.Template, method: str, path: str) -> tuple[str, ...]:
    """Any one of them is enough."""
    found = route_of(template.routes, method, path)
    if found is None or found[0].authorizer is None:
        raise NotAsTold(f"the template lets nobody with a token ask {method} {path}")
    return found[0].scopes


def _braced(path: str) -> str:
    return path.replace("<", "{").replace(">", "}")


# ---------------------------------------------------------------- what is answered


def _responses(route: Route, known: Sequence[Recorded], schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    answer = {"schema": schemas[route.answer], "example": shortened(_first(known, 200).answer)}
    refusals = refusals_of(route)
    statuses = {PROBLEMS[refusal][0] for refusal in refusals} | {UNAUTHORIZED} | ({TOO_LARGE} if route.body else set())
    responses: dict[str, Any] = {"200": {"description": "Done, or as it stands now.", "content": {JSON: answer}}}
    for status in sorted(statuses):
        if status in COMMON:
            responses[str(status)] = {"$ref": f"#/components/responses/{COMMON[status].name}"}
        else:
            own = [refusal for refusal in refusals if PROBLEMS[refusal][0] == status]
            responses[str(status)] = {
                "description": "\n".join(f"- `{kind_of(one)}`: {plain(inspect.getdoc(one) or '')}" for one in own),
                "content": {PROBLEM_JSON: _problems(own, known)},
            }
    return responses


def _problems(refusals: Sequence[type[BaseException]], calls: Sequence[Recorded]) -> dict[str, Any]:
    shape = "InvalidFieldsProblem" if InvalidFields in refusals else "Problem"
    examples = {kind_of(one): {"value": _first(calls, PROBLEMS[one][0], kind_of(one)).answer} for one in refusals}
    return {"schema": reference(shape), "examples": examples}


def _common(status: int, common: Common, calls: Sequence[Recorded]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if common.kind is not None:
        content[PROBLEM_JSON] = _problems([common.kind], calls)
    if common.by_gateway:
        said = [call.answer for call in calls if call.status == status and call.content_type == JSON]
        content[JSON] = {"schema": reference("GatewayMessage"), **({"example": said[0]} if said else {})}
    headers = {"headers": dict(common.headers)} if common.headers else {}
    return {"description": common.description, **headers, "content": content}


def _first(calls: Sequence[Recorded], status: int, kind: str | None = None) -> Recorded:
    for call in calls:
        if call.status == status and (kind is None or call.kind == kind):
            return call
    raise NotAsTold(f"nobody was answered {status} {kind or ''}: see the story")


def shortened(value: Any) -> Any:
    """Of long lists, wherever they stand, the first entries."""
    if isinstance(value, list):
        return [shortened(each) for each in (value[:SHOWN] if len(value) > LONG else value)]
    if isinstance(value, dict):
        return {key: shortened(each) for key, each in value.items()}
    return value
