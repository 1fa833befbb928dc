"""The ledger: what happened, outside the queue's own tables."""

from __future__ import annotations

import os


def note(ledger, line):
    """Append one line, in one write: lines of several processes do not mix."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)
