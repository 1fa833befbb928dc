"""How many tasks ran, and when the first began and the last ended: for systems that keep no times themselves."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path

RECORD = struct.Struct("qqq")
"""Tasks; nanoseconds of the first and of the last one."""


class Tally:
    """A file of its own for each process, in the directory that TALLY names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._count = 0
        self._first = 0

    def note(self) -> None:
        now = time.time_ns()
        with self._lock:
            if self._pid != os.getpid():  # a worker may have been forked after the import
                self._open(now)
            self._count += 1
            RECORD.pack_into(self._file, 0, self._count, self._first, now)

    def _open(self, now: int) -> None:
        self._pid, self._count, self._first = os.getpid(), 0, now
        path = Path(os.environ["TALLY"]) / str(self._pid)
        path.write_bytes(bytes(RECORD.size))
        with path.open("r+b") as file:
            self._file = mmap.mmap(file.fileno(), RECORD.size)


def read(directory: Path) -> tuple[int, float]:
    """Tasks of all processes, and the seconds from the first to the last."""
    records = [RECORD.unpack(path.read_bytes()) for path in directory.iterdir()]
    records = [record for record in records if record[0]]
    if not records:
        return 0, 0.0
    counts, firsts, lasts = zip(*records, strict=True)
    return sum(counts), (max(lasts) - min(firsts)) / 1e9
