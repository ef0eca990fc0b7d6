"""The carriers' names at Shopify (``tracking_company``), which shops and apps may also type by hand.

A row a name: how it is written, without case, spaces and punctuation, and our name of the carrier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CARRIERS: Mapping[str, str] = {
    "4px": "4px",
    "australiapost": "australia_post",
    "bpost": "bpost",
    "canadapost": "canada_post",
    "chinapost": "china_post",
    "chronopost": "chronopost",
    "colissimo": "colissimo",
    "correos": "correos",
    "deutschepost": "deutsche_post",
    "dhl": "dhl",
    "dhlecommerce": "dhl_ecommerce",
    "dhlexpress": "dhl",
    "dhlparcel": "dhl_parcel",
    "dpd": "dpd",
    "ems": "ems",
    "evri": "evri",
    "fedex": "fedex",
    "gls": "gls",
    "hermes": "evri",  # renamed in the United Kingdom in 2022
    "japanpost": "japan_post",
    "jt": "jtexpress",
    "jtexpress": "jtexpress",
    "laposte": "la_poste",
    "ninjavan": "ninja_van",
    "postnl": "postnl",
    "postnord": "postnord",
    "purolator": "purolator",
    "royalmail": "royal_mail",
    "sagawa": "sagawa",
    "sf": "sf",
    "sfexpress": "sf",
    "shunfeng": "sf",
    "singaporepost": "singapore_post",
    "singpost": "singapore_post",
    "stoexpress": "sto",
    "swisspost": "swiss_post",
    "tnt": "tnt",
    "ups": "ups",
    "usps": "usps",
    "yamato": "yamato",
    "yanwen": "yanwen",
    "ytoexpress": "yto",
    "yundaexpress": "yunda",
    "yunexpress": "yunexpress",
    "ztoexpress": "zto",
    "中通快递": "zto",
    "圆通速递": "yto",
    "申通快递": "sto",
    "韵达快递": "yunda",
    "顺丰速运": "sf",
}

NAMELESS = "other:unnamed"
"""A number whose carrier nobody stated."""

LONGEST_NAME = 200


def carrier_of(company: str | None) -> str:
    """Our name of the carrier; ``other:`` and the name as it came where the table has none."""
    if company is None:
        return NAMELESS
    return CARRIERS.get(re.sub(r"[\W_]", "", company).casefold()) or f"other:{company[:LONGEST_NAME]}"
