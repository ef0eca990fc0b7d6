"""How the artifact is built: by which Python, and what is said where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sandbox.template import TEMPLATE
from tools import build

FOUND = "#!/bin/sh\nprintf '%s\\n' {path} cpython {version} final\n"
SHIM = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return build


@pytest.fixture(autouse=True)
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which commands are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LAMBDA_PYTHON", raising=False)
    return tmp_path


def put(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def python(path: str, version: str) -> str:
    return FOUND.format(path=path, version=version.replace(".", " "))


def test_a_python_is_found_by_running_it(tool: ModuleType, commands: Path) -> None:
    assert tool.find_python("3.13") is None
    put(commands, "python3.13", python("/opt/python", "3.13"))
    assert tool.find_python("3.13") == Path("/opt/python")


def test_a_shim_without_a_python_behind_it_is_passed_over(tool: ModuleType, commands: Path) -> None:
    put(commands, "python3.13", SHIM)
    assert tool.find_python("3.13") is None
    put(commands, "pyenv", f"#!/bin/sh\necho {commands}\n")
    (commands / "versions" / "3.13.7" / "bin").mkdir(parents=True)
    put(commands / "versions" / "3.13.7" / "bin", "python3.13", python("/pyenv/python", "3.13"))
    assert tool.find_python("3.13") == Path("/pyenv/python")


def test_a_python_of_another_version_writes_no_bytecode_for_lambda(tool: ModuleType, commands: Path) -> None:
    put(commands, "python3", python("/opt/python", "3.14"))
    assert tool.lambda_target("arm64").interpreter is None


def test_the_python_that_is_named_goes_first(tool: ModuleType, commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(commands, "python3.13", python("/opt/python", "3.13"))
    monkeypatch.setenv("LAMBDA_PYTHON", put(commands, "mine", python("/my/python", "3.13")))
    assert tool.find_python("3.13") == Path("/my/python")


def test_that_there_is_no_bytecode_is_said_last(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [tool.Size("DependenciesLayer", 2**20, 1, 0), tool.Size("SweepFunction", 2**20, 1, 0)]
    monkeypatch.setattr(tool, "build", lambda target, out: sizes)
    assert tool.main([]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "  a function with its layers: 2.0 MB unzipped, of Lambda's 250 MB" in said
    assert said[-2].startswith("NO BYTECODE: no Python 3.13 runs here")
    assert "LAMBDA_PYTHON=" in said[-1]


def test_for_this_machine_the_first_python_that_runs_here_is_taken(tool: ModuleType, commands: Path) -> None:
    put(commands, "python3.12", python("/opt/python", "3.12"))
    target: Any = tool.host_target()
    assert (target.version, target.interpreter) == ("3.12", Path("/opt/python"))


def test_a_machine_that_cannot_start_it_is_told_so(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit, match="Linux alone"):
        tool.host_target()


def test_a_change_of_a_layer_or_of_a_parameter_publishes_a_new_version(tool: ModuleType, tmp_path: Path) -> None:
    out, samconfig = tmp_path / "build", tmp_path / "samconfig.toml"
    layer = out / "AftercareLayer" / "module.py"
    layer.parent.mkdir(parents=True)

    def version(code: str, brake: str) -> str:
        layer.write_text(code, encoding="utf-8")
        samconfig.write_text(f'parameter_overrides = ["PayoutBrakePerHour=EUR={brake}"]', encoding="utf-8")
        (out / "template.yaml").write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
        tool.stamp(out, samconfig)
        return (out / "template.yaml").read_text(encoding="utf-8")

    assert version("one", "1") == version("one", "1")
    assert len({version("one", "1"), version("two", "1"), version("one", "9")}) == 3


def test_a_template_that_would_publish_no_version_is_not_built(tool: ModuleType) -> None:
    with pytest.raises(SystemExit, match="publish a new version"):
        tool.stamped("Resources: {}", "digest")


READ_ALL = """
import sys, tomllib
from samcli.cli.types import CfnParameterOverridesType
for name, found in tomllib.load(open(sys.argv[1], "rb")).items():
    if isinstance(found, dict) and "deploy" in found:
        CfnParameterOverridesType().convert(tuple(found["deploy"]["parameters"]["parameter_overrides"]), None, None)
        print(name)
"""


@pytest.mark.artifact
def test_sam_reads_every_environment(tool: ModuleType) -> None:
    """By its own reading of parameters: what is not of its form ends a deployment before it begins."""
    samconfig = TEMPLATE.parent / "samconfig.toml"
    command = [str(tool.SAM / "python"), "-c", READ_ALL, str(samconfig)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  SAM's own interpreter
    assert ran.returncode == 0, ran.stderr
    assert "prod-cn-north-1" in ran.stdout.splitlines()
