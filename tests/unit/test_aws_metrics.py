from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from aftercare.aws.metrics import METRICS, measure

CODE = Path(__file__).parents[2]


def written(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    [line] = capsys.readouterr().out.splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_metric_counts_in_all_and_by_each_of_its_dimensions(capsys: pytest.CaptureFixture[str]) -> None:
    measure("PayoutsStuck", by="held", shop="taobao:1")
    line = written(capsys)
    [set_of_metrics] = line["_aws"]["CloudWatchMetrics"]
    assert set_of_metrics["Namespace"] == "Aftercare/test"
    assert set_of_metrics["Metrics"] == [{"Name": "PayoutsStuck", "Unit": "Count"}]
    assert set_of_metrics["Dimensions"] == [[], ["state"], ["shop"]]
    assert (line["PayoutsStuck"], line["state"], line["shop"]) == ([1.0], "held", "taobao:1")


def test_a_shop_is_no_dimension_where_shops_are_many(capsys: pytest.CaptureFixture[str]) -> None:
    measure("PayoutStuckSeconds", 90, by="unknown", shop="taobao:1")
    line = written(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[], ["state"]]
    assert "shop" not in line


def test_what_is_not_on_the_list_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        measure("Refunds")


def measured_in(path: Path) -> set[str]:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "measure" and isinstance(call.args[0], ast.Constant)
    }


def test_every_metric_on_the_list_is_written_somewhere() -> None:
    files = [*(CODE / "functions").glob("*/app.py"), *(CODE / "layers/aftercare/aftercare").rglob("*.py")]
    assert set().union(*map(measured_in, files)) == set(METRICS)
