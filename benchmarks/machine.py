"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from benchmarks.children import ROOT


def describe() -> dict[str, str]:
    return {
        "processor": f"{os.cpu_count()} x {_first('/proc/cpuinfo', 'model name')}",
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
    }


def load() -> float:
    """Processes that ran or wanted to, on the average of the last minute."""
    return os.getloadavg()[0]


def _first(file: str, key: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except FileNotFoundError:
        return "unknown"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown"
    )


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, check=False, text=True, timeout=20
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" and changes" if changed else "")
