"""What every page of ours is made with: the templates, the style, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from aftercare.pages.texts import Language

if TYPE_CHECKING:
    from jinja2 import Environment

HTML_LANGUAGES: Mapping[Language, str] = {"zh": "zh-Hans", "en": "en"}
"""The catalogues' languages as BCP 47 tags."""


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@functools.cache
def environment() -> Environment:
    """The templates; whatever is put into one is escaped, and a name that is missing is an error."""
    # an answer without a body needs no templates
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("aftercare.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def style_sheet(name: str) -> str:
    """A style sheet that stands beside the templates."""
    return resources.files("aftercare.pages").joinpath("templates", name).read_text(encoding="utf-8")


def content_policy(style: str, *, form_action: str) -> str:
    """A Content-Security-Policy under which a page has this very style, sends forms only there, and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; form-action {form_action}; base-uri 'none'"
