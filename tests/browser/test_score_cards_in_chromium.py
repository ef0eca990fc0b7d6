"""A shop's weekly card, as a browser shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Browser, Served, Site
from score_cards import TREND, full

from aftercare.pages.score_card import score_card, style
from aftercare.pages.texts import Language

LONG = "Averyveryverylongnameofametric" * 3


def publish(site: Site, language: Language, **changed: str) -> str:
    card = full()
    card["metrics"] = [{**each, **changed} for each in card["metrics"]]
    grounds = ":root{color-scheme:light dark}body{background:Canvas;color:CanvasText}"
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{grounds}{style()}</style>"
        f"<main><h1>A shop</h1><h2>Its week</h2>{score_card(card, TREND, language)}</main></html>"
    )
    site.files["card.html"] = Served({"content-type": "text/html; charset=utf-8"}, page.encode())
    return site.address + "card.html"


@pytest.mark.parametrize("width", [320, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_card_fits_its_window_has_no_barrier_and_asks_for_nothing_else(
    browser: Browser, site: Site, tmp_path: Path, language: Language, scheme: str, width: int
) -> None:
    address = publish(site, language)
    browser.open(address, scheme=scheme, width=width)
    browser.picture(tmp_path / "card.png")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.requests() == [address]
    assert browser.complaints() == []
    assert browser.barriers() == []


def test_a_long_name_does_not_burst_a_telephone(browser: Browser, site: Site) -> None:
    browser.open(publish(site, "en", title=LONG, id="unheard_of"), width=320)
    assert browser.run("return document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_line_of_the_picture_leaves_it(browser: Browser, site: Site, language: Language) -> None:
    browser.open(publish(site, language), width=1200)
    outside = browser.run(
        "const picture = document.querySelector('.score-picture'); const width = picture.viewBox.baseVal.width;"
        "return [...picture.querySelectorAll('text')].filter(line => { const box = line.getBBox();"
        " return box.x < -1 || box.x + box.width > width + 1; }).map(line => line.textContent)"
    )
    assert outside == []
