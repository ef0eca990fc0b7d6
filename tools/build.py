# ruff: noqa: INP001, S603  a script, not a package; it runs what this file names
"""Builds what ``sam deploy`` uploads, with bytecode in it, and says how large it is.

    python tools/build.py                  for Lambda, on arm64
    python tools/build.py --arch x86_64    for Lambda's other architecture
    python tools/build.py --host           for this machine, beside what Lambda itself has: the tests start it

Lambda's code folders cannot be written to: without bytecode every cold start would compile anew. SAM ships none, and
its archives change the files' times, so it is of the kind that nobody compares with its source. Only Lambda's own
Python can write it; where that is not at hand the artifact is right, and slower to start.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SAM = ROOT / ".venv-sam" / "bin"
UPLOADED = ROOT / ".aws-sam" / "build"
"""Where ``sam deploy`` looks."""
STARTED = ROOT / "build" / "bootstrap" / "artifact"
RUNTIME = ROOT / "build" / "bootstrap" / "runtime"
"""What is built for this machine, and the packages that Lambda itself has."""
LAMBDA_PYTHON = "3.13"
TESTED_PYTHONS = (LAMBDA_PYTHON, "3.12", "3.11")
"""Lambda's first, then what else the code runs on."""
OVERRIDE = "LAMBDA_PYTHON"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""Lambda's names by those that machines give."""
UNBUILT = "AutoPublishCodeSha256: unbuilt"
REGION = "eu-central-1"  # sam asks for one, whatever it is
LIMIT_MB = 250
"""Lambda's, for a function with its layers, unzipped."""
WHICH = """
import sys
print(sys.executable, sys.implementation.name, *sys.version_info[:2], sys.version_info.releaselevel, sep="\\n")
"""


class Target(NamedTuple):
    """``arch`` as Lambda calls it; ``interpreter`` is a Python of that version which runs here, or None."""

    arch: str
    version: str
    interpreter: Path | None


class Size(NamedTuple):
    folder: str
    bytes: int
    sources: int
    compiled: int


def lambda_target(arch: str) -> Target:
    return Target(arch, LAMBDA_PYTHON, find_python(LAMBDA_PYTHON))


def host_target() -> Target:
    """For this machine itself: the first of the tested Pythons that runs here. Raises ``SystemExit``."""
    arch = ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or arch is None:
        raise SystemExit(f"what is built for Lambda starts on Linux alone, not on {sys.platform} {platform.machine()}")
    for version in TESTED_PYTHONS:
        if (interpreter := find_python(version)) is not None:
            return Target(arch, version, interpreter)
    raise SystemExit(f"none of Python {', '.join(TESTED_PYTHONS)} runs here")


def find_python(version: str) -> Path | None:
    """Found by running it: a command of that name may be a shim without a Python behind it."""
    for candidate in _candidates(version):
        try:
            ran = subprocess.run([candidate, "-c", WHICH], capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            continue
        executable, *found = ran.stdout.split("\n")
        if found[:4] == ["cpython", *version.split("."), "final"]:
            return Path(executable)
    return None


def _candidates(version: str) -> Iterator[str]:
    if named := os.environ.get(OVERRIDE):
        yield named
    yield f"python{version}"
    yield "python3"
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        yield from map(str, Path(root).glob(f"versions/{version}.*/bin/python{version}"))


def build(target: Target, out: Path) -> list[Size]:
    """Both layers and all functions below ``out``, anew. Raises ``SystemExit`` with what sam said."""
    if not (SAM / "sam").exists():
        raise SystemExit("the SAM CLI is not installed: run 'make build'")
    # samconfig.toml names the built template, for all that follows a build
    command = ["sam", "build", "--template-file", "template.yaml", "--build-dir", str(out)]
    command += ["--region", REGION, "--parameter-overrides", f"Architecture={target.arch}"]
    settings = {
        "ARCH": target.arch,
        "PYTHON_VERSION": target.version,
        "SAM_CLI_TELEMETRY": "0",
        # what was said to a make around this one is not meant for those of the layers
        "MAKEFLAGS": "",
        # the layers' Makefiles take pip from here
        "PATH": f"{SAM}{os.pathsep}{os.environ['PATH']}",
    }
    ran = subprocess.run(
        [str(SAM / "sam"), *command[1:]],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"{ran.stdout}\n{' '.join(command)} failed, see above")
    folders = sorted(path for path in out.iterdir() if path.is_dir())
    if target.interpreter is not None:
        for folder in folders:
            _compile(target.interpreter, folder)
    stamp(out, ROOT / "samconfig.toml")
    return [_size(folder) for folder in folders]


def stamp(out: Path, samconfig: Path) -> None:
    """Puts into the built template what publishes new versions: the digest of its code and of all its settings."""
    template = out / "template.yaml"
    text = template.read_text(encoding="utf-8")
    template.write_text(stamped(text, digest_of([out, samconfig])), encoding="utf-8")


def digest_of(parts: Sequence[Path]) -> str:
    """The SHA-256, in hex, of the names and contents of files, and of all files in folders."""
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted(path for path in (part, *part.rglob("*")) if path.is_file()):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{part.name}/{path.relative_to(part)} {content}\n".encode())
    return digest.hexdigest()


def stamped(template: str, digest: str) -> str:
    """A built template that publishes new versions for this code. Raises ``SystemExit`` where it has no place for it.

    SAM itself looks at a function's own folder alone. But nearly all code stands in a layer, and settings come from
    parameters: what is deployed gradually would go on with the old ones for ever.
    """
    if UNBUILT not in template:
        raise SystemExit(f"the template has no {UNBUILT!r}: nothing would publish a new version")
    return template.replace(UNBUILT, f"AutoPublishCodeSha256: {digest}")


def install_runtime(target: Target) -> None:
    """What Lambda has beside Python, for a target that runs here."""
    shutil.rmtree(RUNTIME, ignore_errors=True)
    options = "--quiet --disable-pip-version-check --root-user-action=ignore --require-hashes --no-deps --no-compile"
    pip = [str(SAM / "pip"), "--python", str(target.interpreter), "install", *options.split(), "--only-binary=:all:"]
    subprocess.run([*pip, "--target", str(RUNTIME), "-r", str(ROOT / "requirements" / "bootstrap.txt")], check=True)
    assert target.interpreter is not None  # noqa: S101  mypy
    _compile(target.interpreter, RUNTIME)


def _compile(interpreter: Path, folder: Path) -> None:
    # tracebacks name the files as Lambda mounts them
    mounted = "/opt" if is_layer(folder.name) else "/var/task"
    options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", mounted]
    subprocess.run([str(interpreter), "-I", "-m", "compileall", *options, str(folder)], check=True)


def is_layer(logical_id: str) -> bool:
    return logical_id.endswith("Layer")


def _size(folder: Path) -> Size:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return Size(
        folder.name,
        sum(path.stat().st_size for path in files),
        sum(path.suffix == ".py" for path in files),
        sum(path.suffix == ".pyc" for path in files),
    )


def report(target: Target, sizes: Sequence[Size]) -> Iterator[str]:
    """What was built, in lines."""
    layers = [size for size in sizes if is_layer(size.folder)]
    functions = [size for size in sizes if not is_layer(size.folder)]
    together = Size(f"{len(functions)} functions", *map(sum, zip(*(size[1:] for size in functions), strict=True)))
    yield f"built for Python {target.version} on {target.arch}"
    for size in (*layers, together):
        yield f"  {size.folder:18} {_mb(size.bytes):5.1f} MB  {size.sources:4} .py  {size.compiled:4} .pyc"
    largest = sum(size.bytes for size in layers) + max(size.bytes for size in functions)
    yield f"  a function with its layers: {_mb(largest):.1f} MB unzipped, of Lambda's {LIMIT_MB} MB"


def _mb(size: int) -> float:
    return size / 2**20


def without_bytecode(version: str) -> str:
    tried = ", ".join(dict.fromkeys(_candidates(version)))
    return (
        f"NO BYTECODE: no Python {version} runs here (tried: {tried}). Every cold start will compile all that it\n"
        f"imports, which about doubles it. Install Python {version}, or name one: make build {OVERRIDE}=/path/to/python"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    assert __doc__ is not None  # noqa: S101  mypy
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=sorted(set(ARCHITECTURES.values())), default="arm64")
    parser.add_argument("--host", action="store_true", help="for this machine, into build/bootstrap")
    options = parser.parse_args(arguments)
    if options.host:
        target = host_target()
        install_runtime(target)
        print(*report(target, build(target, STARTED)), sep="\n")
        return 0
    target = lambda_target(options.arch)
    print(*report(target, build(target, UPLOADED)), sep="\n")
    print(f"deploy it with the parameter Architecture={target.arch}, in samconfig.toml where it is not the default")
    if target.interpreter is None:
        print(f"\n{without_bytecode(target.version)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
