"""How long a cold function takes until it can handle its first event, beside the least that such a function loads.

Every figure is the wall time inside a fresh process, from its first line to the last, with bytecode cached: what the
interpreter itself needs to start is in neither.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.guard import FAKE_SETTINGS, FORBIDDEN_PREFIXES
from sandbox.resources import Function

BASELINE = "baseline"
TIMED = """
import time
started = time.perf_counter()
{program}
print(time.perf_counter() - started)
"""
LEAST = """
import boto3
boto3.client("dynamodb")
from pydantic import BaseModel
class Model(BaseModel):
    text: str
from aws_lambda_powertools import Logger
Logger(service="baseline")
"""
"""The SDK with one client, one model, one logger."""
COLD = """
import importlib.util
spec = importlib.util.spec_from_file_location("app", {path!r})
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
from aftercare import bootstrap
bootstrap.{assembler}()
"""
"""Lambda imports ``app``; the first event assembles what the handler asks for."""
PROCESS_SECONDS = 60
IMPORT_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class StartTime:
    """Milliseconds of every run, of a function and of the baseline in the same rounds."""

    function: str
    runs: tuple[float, ...]
    baseline: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.runs) / min(self.baseline)

    @property
    def median(self) -> float:
        return statistics.median(self.runs) / statistics.median(self.baseline)


def measure(functions: Iterable[Function], rounds: int) -> list[StartTime]:
    """One process each a round, in turn. Whoever calls has loaded the same code, so that its bytecode is cached."""
    programs = {BASELINE: LEAST} | {each.name: program_of(each) for each in functions}
    environments = {BASELINE: environment({})} | {each.name: environment(each.environment) for each in functions}
    runs: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            runs[name].append(1000 * float(_run(TIMED.format(program=program), environments[name]).stdout))
    baseline = tuple(runs.pop(BASELINE))
    return [StartTime(name, tuple(times), baseline) for name, times in runs.items()]


def dearest_imports(function: Function, count: int = 8) -> list[tuple[str, float]]:
    """The packages (of ours: the modules) that the baseline does not load and that cost most, in milliseconds.

    Python's own tracing of imports slows them down: the order says more than the figures.
    """
    loaded = _loaded_anyway()
    costs: dict[str, float] = {}
    for module, milliseconds in _imports(program_of(function), environment(function.environment)).items():
        if module not in loaded:
            parts = module.split(".")
            package = module if parts[0] == "aftercare" else parts[0]
            costs[package] = costs.get(package, 0) + milliseconds
    return sorted(costs.items(), key=lambda cost: -cost[1])[:count]


def program_of(function: Function) -> str:
    """What a cold start of the function does; raises ``ValueError`` for a handler that asks for nothing to assemble."""
    path = function.folder / "app.py"
    found = re.search(r"\bbootstrap\.(\w+)\(", path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{path} assembles nothing")
    return COLD.format(path=str(path), assembler=found[1])


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What the process may see: nothing of AWS but the sandbox's fake settings, and the function's own variables."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FORBIDDEN_PREFIXES)}
    return {**own, **FAKE_SETTINGS, **variables}


@cache
def _loaded_anyway() -> frozenset[str]:
    return frozenset(_imports(LEAST, environment({})))


def _imports(program: str, variables: Mapping[str, str]) -> dict[str, float]:
    traced = _run(program, variables, "-X", "importtime").stderr
    return {module: int(own) / 1000 for own, _, module in IMPORT_LINE.findall(traced)}


def _run(program: str, variables: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", program],
        env=dict(variables),
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=PROCESS_SECONDS,
    )
