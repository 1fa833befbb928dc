"""Marks: where the ready tasks of each queue begin, as one claimer knows it.

Before the first ready task of a queue lie the dead rows of those claimed earlier. A vacuum removes them, but not while
any transaction older than them is open: then every claim would read them all again. Marks only make claims cheap: they
may be wrong for a second, and what lies before a mark by then is found by the next sweep.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

FIRST, LAST = (-200, 0), (200, 0)
"""(rank, position) before and after every task."""


class Marks:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: dict[str, dict[int, int]] = {}
        """Queue → rank in use → the lowest position at which a ready task may be."""
        self._forgotten = 0

    def stretches(self, queues: Sequence[str]) -> dict[str, list[Any]]:
        """The parts of these queues' orders that may hold ready tasks, as parameters of claim.sql.

        A rank that was not in use so far lies between the marks, and is looked for there.
        """
        found: list[tuple[str, int, int, int, int]] = []
        with self._lock:
            for queue in queues:
                starts = [FIRST, *sorted(self._marks.get(queue, {}).items())]
                ends = [*((rank, 0) for rank, _ in starts[1:]), LAST]
                found += [(queue, *start, *end) for start, end in zip(starts, ends, strict=True)]
        columns = [list(column) for column in zip(*found, strict=True)]
        names = ("queue", "from_rank", "from_position", "to_rank", "to_position")
        return dict(zip(names, columns, strict=True))

    def passed(self, places: Iterable[tuple[str, int, int]]) -> None:
        """What was claimed: (queue, rank, position)."""
        with self._lock:
            for queue, rank, position in places:
                ranks = self._marks.setdefault(queue, {})
                ranks[rank] = max(ranks.get(rank, 0), position + 1)

    def forget(self, queues: Iterable[str] = ()) -> None:
        """Tasks came back at their old places in these queues, or in any: look from the start again."""
        with self._lock:
            self._forgotten += 1
            for queue in list(queues) or list(self._marks):
                self._marks.pop(queue, None)

    def version(self) -> int:
        """Changes when something is forgotten."""
        return self._forgotten

    def settle(self, heads: Iterable[tuple[str, int, int]], version: int) -> None:
        """What a sweep that began at that version has found: (queue, rank, lowest position)."""
        with self._lock:
            # It may have looked before what has made us forget.
            if version == self._forgotten:
                for queue, rank, position in heads:
                    self._marks.setdefault(queue, {})[rank] = position
