"""The emulator is no AWS. Where it is other, it still is so; else a way around has had its day."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from emulator.deployment import LAYERS, Deployed
from emulator.gaps import GAPS
from emulator.machine import Emulator

pytestmark = pytest.mark.emulator

PACKAGES = ("aws_lambda_powertools", "botocore", "jinja2", "pydantic", "tzdata", "urllib3")
WHERE = f"""
import importlib

def handler(event, context):
    return {{name: importlib.import_module(name).__file__ for name in {("aftercare", *PACKAGES)!r}}}
"""


@pytest.mark.parametrize("gap", [name for name, gap in GAPS.items() if gap.stands is not None])
def test_a_gap_still_stands(whole: Deployed, running: Emulator, gap: str) -> None:
    stands = GAPS[gap].stands
    assert stands is not None
    assert stands(running), f"the emulator has mended it: {GAPS[gap].emulator} Take the way around out of the tests."


def test_functions_import_from_the_layers_and_not_what_the_emulator_has_itself(whole: Deployed) -> None:
    like = whole.configuration("offer_page")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as archived:
        archived.writestr("app.py", WHERE)
    whole.client("lambda").create_function(
        FunctionName="where",
        Runtime=like["Runtime"],
        Handler="app.handler",
        Role=like["Role"],
        Layers=[layer["Arn"] for layer in like["Layers"]],
        Code={"ZipFile": archive.getvalue()},
    )
    found = json.loads(whole.client("lambda").invoke(FunctionName="where")["Payload"].read())
    layers = {name: Path(path).relative_to(LAYERS).parts[0] for name, path in found.items()}
    assert layers == {"aftercare": "AftercareLayer"} | dict.fromkeys(PACKAGES, "DependenciesLayer")
