"""The public page and the badges of a shop's tags, as a browser shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Browser, Served, Site
from public_tags import evidence, expired, gone, ship_time, shop, tag, too_few

from aftercare.events.vocabulary import Words
from aftercare.pages import tags
from aftercare.pages.badges import COLOURS, text_width

LANGUAGES = ["zh", "en"]
SCHEMES = ["light", "dark"]
NARROW, WIDE = 320, 1024
HOSTILE_NAME = "</title></script><img src='https://evil.example/x.png'>\u202eLotus \u2067שלום 🪷 " + "W" * 100
LONG = tag(
    code="long",
    name=Words(zh="很长的标签名称" * 6, en="Averyveryverylongnameofatag" * 3),
    evidence=evidence(n=10**15),
)


def publish(site: Site, shown: tags.PublicShop) -> None:
    for path, file in tags.objects(shown).items():
        site.files[path] = Served({"content-type": file.content_type}, file.body)


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


@pytest.mark.parametrize("name", ["莲花生活馆", HOSTILE_NAME])
@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_fits_its_window_has_no_barrier_and_asks_for_nothing_else(
    browser: Browser, site: Site, tmp_path: Path, language: str, scheme: str, width: int, name: str
) -> None:
    publish(site, shop(name=name, tags=(tag(), ship_time(), gone(), too_few(), expired(), LONG)))
    address = f"{site.address}{language}.html"
    browser.open(address, scheme=scheme, width=width)
    browser.picture(tmp_path / "page.png")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.requests() == [address]
    assert browser.complaints() == []
    ground = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 27)"}[scheme]
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == ground
    assert browser.barriers() == []


def test_the_page_keeps_its_style_under_the_headers_that_come_with_it(browser: Browser, site: Site) -> None:
    page = tags.detail_page(shop(), "zh")
    site.files["page"] = Served(page.headers, page.body.encode())
    browser.open(site.address + "page", scheme="dark")
    assert browser.complaints() == []
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"


def test_a_page_with_a_barrier_and_a_request_of_its_own_is_seen_through(browser: Browser, site: Site) -> None:
    body = (
        '<!doctype html><html lang="en"><title>t</title><main><h1>h</h1><img src="https://evil.example/x.png"></main>'
    )
    site.files["page"] = Served({"content-type": "text/html"}, body.encode())
    browser.open(site.address + "page")
    assert "https://evil.example/x.png" in browser.requests()
    assert [one.partition(":")[0] for one in browser.barriers()] == ["image-alt"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_badge_on_the_page_has_the_colours_of_the_scheme(browser: Browser, site: Site, scheme: str) -> None:
    publish(site, shop(tags=(tag(), ship_time(), gone())))
    browser.open(site.address + "zh.html", scheme=scheme)
    fills = browser.run(
        "return [...document.querySelectorAll('.badge')].map(badge =>"
        " ['.n', '.nt', '.m', '.mt'].map(part => getComputedStyle(badge.querySelector(part)).fill))"
    )
    colours = COLOURS["dark" if scheme == "dark" else "light"]
    assert fills == [[rgb(colour) for colour in colours[kind]] for kind in ("promise", "value", "grey")]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_embedded_badges_are_pictures_of_the_size_that_the_snippet_says(
    browser: Browser, site: Site, tmp_path: Path, scheme: str
) -> None:
    shown = shop(tags=(tag(), ship_time(), gone(), expired()), base_url=site.address)
    publish(site, shown)
    snippets = [tags.snippet(shown, one, language).html for one in shown.tags for language in tags.LANGUAGES]
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<title>A shop's own page</title><main><h1>Badges</h1><p>{'</p><p>'.join(snippets)}</p></main></html>"
    )
    site.files["own.html"] = Served({"content-type": "text/html; charset=utf-8"}, page.encode())
    browser.open(site.address + "own.html", scheme=scheme, width=WIDE)
    browser.picture(tmp_path / "own.html.png")
    sizes = browser.run(
        "return [...document.images].map(one => [one.complete, one.naturalWidth, one.naturalHeight,"
        " one.width, one.height, one.alt.length > 0])"
    )
    assert len(sizes) == 8
    for complete, natural_width, natural_height, width, height, described in sizes:
        assert complete
        assert described
        assert (natural_width, natural_height) == (width, height)
    assert [address for address in browser.requests() if not address.startswith(site.address)] == []
    assert browser.barriers() == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_text_of_a_badge_is_as_wide_as_was_reckoned(browser: Browser, site: Site, language: str) -> None:
    publish(site, shop())
    browser.open(f"{site.address}{language}.html")
    if not browser.has_font("Arial"):
        pytest.skip("neither Arial nor a font of the same widths is installed (Debian: fonts-liberation)")
    drawn = browser.run(
        "return [...document.querySelectorAll('.badge text')].map(line => {"
        " line.removeAttribute('textLength'); return [line.textContent, line.getComputedTextLength()]; })"
    )
    assert len(drawn) == 10
    for said, width in drawn:
        assert width == pytest.approx(text_width(said), abs=1)


def test_a_link_to_a_tag_leads_to_its_rule(browser: Browser, site: Site) -> None:
    publish(site, shop(tags=(tag(), ship_time(), gone(), too_few(), expired())))
    browser.open(site.address + "en.html#door_delivery")
    assert browser.run("return document.querySelector(':target h2').textContent").startswith("Delivered to the door")
    assert browser.run("return scrollY") > 0
