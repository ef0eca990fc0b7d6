"""The artifact that ``tools/build.py --host`` built for this machine, started as Lambda would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from artifact.runtime_api import Invocation, invoke

from sandbox.guard import FAKE_SETTINGS
from sandbox.resources import Function
from tools import build

ROOT = Path(__file__).parents[2]
LAMBDA_SETTINGS = {
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    # Lambda has no time zones of its own
    "PYTHONTZPATH": "",
    # what would leave this machine fails at once
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True)
class Artifact:
    """``built`` holds the functions' and layers' folders; ``runtime`` is what Lambda has beside Python."""

    python: Path
    runtime: Path
    built: Path

    def invoke(self, function: Function, event: Mapping[str, Any], aws: str) -> Invocation:
        """A cold start of its own; ``aws`` is the address of what plays AWS. Raises ``Failed``."""
        layers = [self.built / name / "python" for name in ("AftercareLayer", "DependenciesLayer")]
        own = {"AWS_LAMBDA_FUNCTION_NAME": function.name, "AWS_ENDPOINT_URL": aws}
        settings = {**LAMBDA_SETTINGS, **FAKE_SETTINGS, **function.environment, **own}
        folders = [self.runtime, self.built / function.logical_id, *layers]
        return invoke(self.python, function.handler, folders, settings, event)

    def without(self, missing: str, folder: Path) -> Artifact:
        """The same, by links, less every folder whose path ends so."""

        def ignored(parent: str, names: list[str]) -> set[str]:
            return {name for name in names if f"{parent}/{name}".endswith(f"/{missing}")}

        shutil.copytree(self.built, folder, ignore=ignored, copy_function=os.symlink)
        return replace(self, built=folder)


def artifact() -> Artifact:
    """Raises ``FileNotFoundError`` where nothing was built."""
    if not build.STARTED.is_dir():
        raise FileNotFoundError(f"{build.STARTED} is not there: run 'make bootstrap'")
    return Artifact(build.host_target().interpreter, build.RUNTIME, build.STARTED)
