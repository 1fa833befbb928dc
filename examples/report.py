"""The report: totals of all files, as a value, as text and as files in var/demo."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from django.conf import settings

from examples.sources import Counts

TOP = 10


class Definitions(TypedDict):
    path: str
    functions: int
    classes: int


class Report(TypedDict):
    run: str
    files: int
    totals: Counts
    top: list[Definitions]
    """The files with the most functions and classes."""


def directory() -> Path:
    return Path(settings.VAR_DIR) / "demo"


def summarise(run: str, counted: Mapping[str, Counts]) -> Report:
    """The report over path → counts; the same whatever their order."""
    totals = Counts(
        lines=sum(counts["lines"] for counts in counted.values()),
        tokens=sum(counts["tokens"] for counts in counted.values()),
        functions=sum(counts["functions"] for counts in counted.values()),
        classes=sum(counts["classes"] for counts in counted.values()),
    )
    files = [
        Definitions(path=path, functions=counts["functions"], classes=counts["classes"])
        for path, counts in counted.items()
    ]
    files.sort(key=lambda file: (-file["functions"] - file["classes"], file["path"]))
    return Report(run=run, files=len(counted), totals=totals, top=files[:TOP])


def as_text(report: Report) -> str:
    """A short table for people."""
    numbers = {"files": report["files"], **report["totals"]}
    lines = [f"{name:<10}{number:>12,}" for name, number in numbers.items()]
    lines += ["", f"{'functions':>10}{'classes':>9}  most definitions"]
    lines += [
        f"{file['functions']:>10,}{file['classes']:>9,}  {file['path']}" for file in report["top"]
    ]
    return "\n".join(lines) + "\n"


def write(report: Report) -> None:
    """Both files, each replaced as a whole: a reader never sees half of one, and a second attempt does no harm."""
    directory().mkdir(parents=True, exist_ok=True)
    _replace(directory() / "report.json", json.dumps(report, indent=2) + "\n")
    _replace(directory() / "report.txt", as_text(report))


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:  # also of Ctrl-C no half-written file may stay
        os.unlink(name)
        raise
