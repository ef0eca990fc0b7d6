"""What a client sent, read into a model, or every error of it at its field. Pure."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from aftercare.kernel.errors import DomainError

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class FieldError:
    """``field`` is the way to it in the JSON that was sent, its steps joined by dots; empty for the whole."""

    field: str
    message: str


class InvalidFields(DomainError):
    """What was sent cannot be taken as it is; ``errors`` are all that is wrong with it."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} fields are not valid")
        self.errors = tuple(errors)


def read(model: type[ModelT], raw: Any) -> ModelT:
    """Raises ``InvalidFields``."""
    try:
        return model.model_validate(raw)
    except ValidationError as invalid:
        raise InvalidFields(errors_of(invalid, "")) from None


def errors_of(invalid: ValidationError, at: str, tags: Container[str] = ()) -> list[FieldError]:
    """``at`` is the place of what was validated; ``tags`` tell the members of a list ``options`` apart."""
    found = invalid.errors(include_url=False, include_input=False, include_context=False)
    places = [error["loc"] for error in found]
    return [
        FieldError(_field(at, error["loc"], error["type"], tags), error["msg"].removeprefix("Value error, "))
        for error in found
        # pydantic does not count the entries that are wrong, and then finds the list too short as well
        if error["type"] != "too_short" or not any(_is_within(place, error["loc"]) for place in places)
    ]


def _is_within(place: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(place) > len(other) and place[: len(other)] == other


def _field(at: str, location: Sequence[int | str], error_type: str, tags: Container[str]) -> str:
    """The place in the JSON that was sent: without the steps that only pydantic knows."""
    steps = [at] if at else []
    for index, step in enumerate(location):
        is_tag = index > 1 and location[index - 2] == "options" and step in tags
        if not is_tag and step != "[key]":
            steps.append(str(step))
    if error_type.startswith("union_tag"):
        steps.append("kind")
    return ".".join(steps)
