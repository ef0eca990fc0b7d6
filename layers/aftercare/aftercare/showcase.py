"""A shop's tags in a buyer's words and on its public pages: hands the pages to the tags as ports."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote

from aftercare.events.tags import Evidence
from aftercare.events.vocabulary import Words
from aftercare.pages.tag_texts import Unit, measure_text
from aftercare.pages.tags import PublicEvidence, PublicObject, PublicShop, PublicTag, as_of, objects
from aftercare.pages.texts import language_of
from aftercare.rulepacks.tags import TagDefinition
from aftercare.tags.model.public import ShopView, TagView, is_ratio
from aftercare.tags.model.states import SHOWN

SECONDS_AN_HOUR = 3600
TOO_THIN = frozenset({"no_evidence"})
"""Nobody can tell whether the tag is still earned."""
_HUNDREDTH, _TEN_THOUSANDTH = Decimal("0.01"), Decimal("0.0001")


class TagWords:
    def words(self, tag: TagDefinition, value: str | None) -> Words:
        """The tag's name, with the number that it shows."""
        if value is None or tag.value is None:
            return Words(zh=tag.name.zh, en=tag.name.en)
        shown, unit = _shown(tag, value)
        return Words(
            zh=f"{tag.name.zh} {measure_text('zh', shown, unit)}", en=f"{tag.name.en} {measure_text('en', shown, unit)}"
        )


class TagPages:
    """``files_url`` is where files are read from; the other two say how tags work, and take reports of mistakes."""

    def __init__(self, files_url: str, method_url: str, report_url: str) -> None:
        self._files_url = files_url.rstrip("/")
        self._method_url = method_url
        self._report_url = report_url

    def files(self, view: ShopView) -> Mapping[str, PublicObject]:
        """By path below ``files_url``; what was not checked in time is shown as run out."""
        folder = folder_of(view.shop)
        shop = PublicShop(
            shop=view.shop,
            name=view.name or view.shop,
            zone=view.zone,
            language=language_of(view.locale),
            evaluated_at=view.checked_at,
            tags=[_public(tag) for tag in view.tags],
            base_url=f"{self._files_url}/{quote(folder)}",
            method_url=self._method_url,
            report_url=self._report_url,
        )
        return {folder + path: file for path, file in objects(as_of(shop, view.seen_at)).items()}


def folder_of(shop: str) -> str:
    """Where a shop's files stand: ``shops/taobao/12345/``. A bucket takes an address as it is without its percents."""
    marketplace, _, shop_id = shop.partition(":")
    return f"shops/{marketplace}/{shop_id}/"


def _public(tag: TagView) -> PublicTag:
    definition = tag.definition
    value, unit = (None, None) if tag.value is None else _shown(definition, tag.value)
    held = None if tag.reason in TOO_THIN else tag.state in SHOWN
    return PublicTag(
        code=definition.id,
        kind=definition.kind,
        name=Words(zh=definition.name.zh, en=definition.name.en),
        rule=Words(zh=definition.rule.zh, en=definition.rule.en),
        held=held,
        reason=tag.reason if held is None else None,
        value=value,
        unit=unit,
        since=tag.shown_since,
        valid_until=tag.valid_until,
        rule_version=tag.rule,
        evidence=None if tag.evidence is None else _evidence(definition, tag.evidence),
    )


def _shown(definition: TagDefinition, value: str) -> tuple[str, Unit | None]:
    """The number as pages write it: a ratio from 0 to 1."""
    unit = definition.value.unit if definition.value else None
    if unit == "percent":
        return f"{Decimal(value) / 100:f}", "ratio"
    return value, unit


def _evidence(definition: TagDefinition, found: Evidence) -> PublicEvidence:
    unit: Unit = "ratio" if is_ratio(definition, found.metric) else "seconds"
    value: Decimal | None = None
    if found.denominator:
        value = Decimal(found.numerator) / found.denominator
        if unit != "ratio" and definition.value is not None and definition.value.unit == "hours":
            value, unit = value / SECONDS_AN_HOUR, "hours"
        value = value.quantize(_TEN_THOUSANDTH if unit == "ratio" else _HUNDREDTH)
    return PublicEvidence(
        metric=found.metric,
        n=found.denominator,
        window=found.window,
        value=None if value is None else f"{value:f}",
        interval=found.interval,
        unit=unit,
    )
