"""``python -m sandbox shops``, and what all commands share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.__main__ import main
from sandbox.shops import BadShops, read_shops

CapSys = pytest.CaptureFixture[str]


def test_the_table_names_every_shop_once(capsys: CapSys) -> None:
    assert main(["shops"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["shop", "zone"]
    assert [row.split()[0] for row in rows] == [shop.shop for shop in read_shops()]


def test_as_json_it_prints_the_array_and_nothing_else(capsys: CapSys) -> None:
    assert main(["shops", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["shop"] for entry in listed] == [shop.shop for shop in read_shops()]
    assert {name for entry in listed for name in entry} == {"shop", "zone", "door", "credentials"}
    assert all(set(entry["credentials"]) == {"secrets", "act"} for entry in listed)


def test_another_file_has_other_shops(tmp_path: Path, capsys: CapSys) -> None:
    path = tmp_path / "shops.toml"
    path.write_text('[[shop]]\nshop = "taobao:1"\naction_url = "http://127.0.0.1:1/x"\n', encoding="utf-8")
    assert main(["shops", "--shops", str(path)]) == 0
    assert "taobao:1  UTC" in capsys.readouterr().out
    assert main(["shops", "--json", "--shops", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"shop": "taobao:1", "zone": "UTC", "door": "taobao", "credentials": None}
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[shop", "shops.toml"),
        ('[[shop]]\nshop = "no colon"\n', "shop: "),
        ('[[shop]]\nshop = "a:1"\ncolour = "red"\n', "colour"),
        ('[[shop]]\nshop = "a:1"\n[[shop]]\nshop = "a:1"\n', "a:1 stands there more than once"),
    ],
    ids=["no TOML", "no shop", "unknown field", "twice"],
)
def test_a_file_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, text: str, complaint: str, capsys: CapSys
) -> None:
    path = tmp_path / "shops.toml"
    path.write_text(text, encoding="utf-8")
    assert main(["shops", "--shops", str(path)]) == 2
    assert complaint in capsys.readouterr().err


def test_whoever_reads_the_shops_is_told_of_one_that_stands_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    path.write_text('[[shop]]\nshop = "a:1"\n[[shop]]\nshop = "a:2"\n[[shop]]\nshop = "a:1"\n', encoding="utf-8")
    with pytest.raises(BadShops, match="a:1 stands there more than once"):
        read_shops(path)


def test_a_file_that_is_not_there_is_named(capsys: CapSys) -> None:
    assert main(["shops", "--shops", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["fly"], ["replay"], ["up", "--port", "70000"], ["up", "--at", "noon"]])
def test_what_cannot_be_understood_is_refused_with_the_way_to_say_it(arguments: list[str], capsys: CapSys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m sandbox" in capsys.readouterr().err


def test_the_demo_reads_its_own_options(capsys: CapSys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--help"])
    assert ended.value.code == 0
    assert "--report" in capsys.readouterr().out
