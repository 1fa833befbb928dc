"""What the peers need, installed once under var/bench/peers: a venv for each, or node_modules. Ranges; a run names what it met."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.children import Command

TIMEOUT = 600.0
PYTHON_3_12 = ("python3.14", "python3.13", "python3.12")


class NotInstalled(Exception):
    """Why not, in one line."""


def venv(directory: Path, requirements: Sequence[str], python: Path | None = None) -> Path:
    """The Python of a venv that holds the requirements."""
    base = python or Path(sys.executable)
    inside = directory / "bin" / "python"
    if _fresh(directory, [str(base), sys.version, *requirements]):
        return inside
    _call([base, "-m", "venv", "--clear", directory])
    _call([inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements])
    _done(directory, [str(base), sys.version, *requirements])
    return inside


def node(directory: Path, requirements: Sequence[str]) -> Path:
    """A directory of node_modules that holds the requirements."""
    modules = directory / "node_modules"
    if _fresh(directory, requirements):
        return modules
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalled("there is no node with npm")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _call([npm, "install", "--prefix", directory, "--no-audit", "--no-fund", *requirements])
    _done(directory, requirements)
    return modules


def newer_python() -> Path:
    """A Python of 3.12 or newer."""
    if sys.version_info >= (3, 12):
        return Path(sys.executable)
    found = [Path(path) for path in map(shutil.which, PYTHON_3_12) if path]
    found += sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"))
    for python in found:
        works = subprocess.run([python, "-c", ""], capture_output=True, check=False, timeout=60)
        if works.returncode == 0:  # a shim of pyenv's may stand for a version that is not there
            return python
    raise NotInstalled("there is no Python 3.12 or newer")


def python_versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    script = "import sys; from importlib.metadata import version as v; [print(v(p)) for p in sys.argv[1:]]"
    versions = _call([python, "-c", script, *packages]).split()
    return {
        "Python": _call([python, "-c", "import platform; print(platform.python_version())"]),
        **dict(zip(packages, versions, strict=True)),
    }


def node_versions(modules: Path, packages: Sequence[str]) -> dict[str, str]:
    found = {name: (modules / name / "package.json").read_text() for name in packages}
    versions = {name: str(json.loads(text)["version"]) for name, text in found.items()}
    return {"node": _call(["node", "--version"]), **versions}


def _call(command: Command) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"not done in {TIMEOUT:.0f} s: {' '.join(map(str, command))}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines
        raise NotInstalled(errors[-1] if errors else f"{command[0]} ended with {done.returncode}")
    return done.stdout.strip()


def _fresh(directory: Path, wanted: Sequence[str]) -> bool:
    stamp = directory / "installed"
    return stamp.exists() and stamp.read_text() == _digest(wanted)


def _done(directory: Path, wanted: Sequence[str]) -> None:
    (directory / "installed").write_text(_digest(wanted))


def _digest(wanted: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(wanted).encode()).hexdigest()
