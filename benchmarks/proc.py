"""Processor time and memory of processes (Linux: read from /proc; elsewhere 0). A busy machine spoils the former less
than the clock on the wall."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_of_ended_children() -> float:
    """Seconds used by the processes that we started and that have ended, with all that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of_tree(pid: int) -> float:
    """Seconds used by a running process, by its children, and by those of them that have ended."""
    total = 0
    for found, fields in _tree(pid):
        user, system, ended_user, ended_system = fields[11:15]
        total += user + system
        if found == pid:
            total += ended_user + ended_system
    return total / TICK


def memory_of_tree(pid: int) -> int:
    """Bytes resident in a process and its children; pages that they share are counted in each."""
    return sum(fields[21] * PAGE for _, fields in _tree(pid))


def _tree(pid: int) -> Iterator[tuple[int, list[int]]]:
    """A process and its children: pid, and what /proc says of it from the state on, which is 0 here."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field, the name in brackets, may itself contain anything.
            _, *fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile: its parent has its time
            continue
        numbers = [0, *map(int, fields)]
        if pid in (int(file.parent.name), numbers[1]):
            yield int(file.parent.name), numbers
