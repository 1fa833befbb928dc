"""Files and directories of the embedded servers: private by mode, whole by rename."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_directory(path: Path) -> None:
    """Create `path` so that other accounts may pass through it but not list it.

    PostgreSQL may run as an account that is not ours, with its data inside; what is secret has a mode of its own.
    A directory that exists is left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir()
    except FileExistsError:
        return
    path.chmod(0o711)


def write_private(path: Path, text: str) -> None:
    """Write `text` for our account only (0600); a reader sees the old file or the new one, never a part."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(path)


def open_log(path: Path) -> int:
    """A descriptor for a new log that a server inherits as its output; the log before is kept as `….1`."""
    if path.exists():
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)


def last_lines(path: Path, count: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return "(no log)"
