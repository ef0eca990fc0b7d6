"""Requests that are nearly right: one thing of a good one is odd, or anything at all."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

from hypothesis import strategies as st


class Asked(NamedTuple):
    """What a request has beside its method and its route."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any


LONG = "茶" * 500
TEXTS = (
    *("", " ", "\0", "\x7f", "~", "#", "..", "%", "nothing", "*", "null", "0", "-1", "1e9", "１", LONG, "x" * 3000),
    *("2026-11-16T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"),
    *("2026-11-16", "9999-12-31", "9999-W52", "0001-W01", "2026-W99", "2026-W46", "2026-11-16T00" + "0" * 1100),
)
PLACES = (*TEXTS, *(json.dumps(["A1", text]) for text in TEXTS), *(json.dumps([text, "0" * 12]) for text in TEXTS))
"""What a cursor may hide."""
NUMBERS = 0, -1, 1, 2**63, 10**50, 10**400, 1.5, float("inf")
VALUES = (*TEXTS, *NUMBERS, None, True, [], {}, [None], {"": None})

texts = st.sampled_from(TEXTS) | st.text(max_size=30)
scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers() | texts
values = scalars | st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5)


def cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode()


def in_path(text: str) -> str:
    """As a part of a path can bring it: not empty, and without a slash."""
    return unquote(text).replace("/", "") or "-"


def one_thing_odd(good: Asked, parameters: Sequence[str]) -> Iterator[Asked]:
    """Every id, every parameter and every field of the body in turn is every odd value."""
    for name in good.ids:
        for text in TEXTS:
            yield good._replace(ids={**good.ids, name: in_path(text)})
    for name in parameters:
        for text in (*TEXTS, *(map(cursor, PLACES) if name == "cursor" else ())):
            yield good._replace(query={**good.query, name: text})
    if good.body is not None:
        for name in good.body:
            for value in VALUES:
                yield good._replace(body={**good.body, name: value})


def anything(good: Sequence[Asked], parameters: Sequence[str]) -> st.SearchStrategy[Asked]:
    """Around one of the good ones, in several places at once."""
    cursors = st.sampled_from(PLACES).map(cursor)
    more = st.dictionaries(st.sampled_from([*parameters, *parameters, "nothing"]), texts | cursors, max_size=2)

    def around(one: Asked) -> st.SearchStrategy[Asked]:
        ids = st.fixed_dictionaries({name: st.just(given) | texts.map(in_path) for name, given in one.ids.items()})
        no_body = st.none() | st.sampled_from(["", "{", "[" * 9999]) | values.map(json.dumps)
        body = no_body if one.body is None else changed(one.body) | changed(one.body) | no_body
        return st.builds(Asked, ids, more.map(lambda query: {**one.query, **query}), body)

    return st.sampled_from(good).flatmap(around)


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    """The body with one thing in it replaced, added or taken away, however deep."""
    if isinstance(body, dict) and body and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(body)))
        return {**body, key: draw(changed(body[key]))}
    if isinstance(body, list) and body and draw(st.integers(0, 3)):
        index = draw(st.integers(0, len(body) - 1))
        return [*body[:index], draw(changed(body[index])), *body[index + 1 :]]
    match draw(st.integers(0, 2)):
        case 0 if isinstance(body, dict):
            return {**body, draw(texts): draw(values)}
        case 1 if isinstance(body, dict) and body:
            gone = draw(st.sampled_from(sorted(body)))
            return {key: value for key, value in body.items() if key != gone}
    return draw(values)
