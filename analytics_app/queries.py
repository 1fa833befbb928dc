"""Pulse: the state of everything, read in a few bounded queries; no COUNT over tasks or history.

Numbers leave here as text, so that the first paint and every later frame say the same in the same words.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.backends.utils import CursorWrapper

from tasks_app import backlog, conf, wording
from tasks_app.backlog import CAP, QueueNow

HOUR = 3_600
LATE = 15
"""Seconds within which an attempt's statistic may be committed."""
BEHIND = 60.0
"""Seconds of waiting after which a queue needs somebody."""
BAR = 3
BARS = 100
"""The chart: bars, and the seconds that each of them is."""
FAILURES = 10

ENDED = ("succeeded", "failed", "cancelled")
SERIES = {
    "succeeded": ("succeeded",),
    "again": ("retried", "crashed", "lost"),
    "failed": ("failed",),
}
"""What the chart stacks, from the bottom, of which outcomes."""

STATISTICS = """
SELECT extract(epoch FROM at)::bigint, outcome, sum(count)::bigint FROM tq_statistic
WHERE seconds = 1 AND at >= to_timestamp(%s)
GROUP BY 1, 2
"""
WORKERS = "SELECT count(*), coalesce(sum(slots), 0) FROM tq_worker WHERE state = 'alive'"
# tq_history_failed leads to the newest by id, which are those enqueued last.
RECENT_FAILURES = """
SELECT id, name, queue, reason, extract(epoch FROM now() - finished_at)::float8,
       errors -> -1 ->> 'exception_class', left(errors -> -1 ->> 'message', 300)
FROM tq_task_history WHERE state = 'failed' ORDER BY id DESC LIMIT %s
"""


class Throughput:
    """Attempts of the last hour by second and outcome; after the first read only new seconds are read again."""

    def __init__(self) -> None:
        self._seconds: dict[int, Counter[str]] = {}
        self._read_at = 0

    def read(self, cursor: CursorWrapper, now: int) -> None:
        since = max(now - HOUR, self._read_at - LATE)
        cursor.execute(STATISTICS, [since])
        fresh: dict[int, Counter[str]] = {}
        for second, outcome, number in cursor.fetchall():
            fresh.setdefault(second, Counter())[outcome] = number
        kept = {s: c for s, c in self._seconds.items() if now - HOUR <= s < since}
        self._seconds = kept | fresh
        self._read_at = now

    def total(self, first: int, last: int, outcomes: Iterable[str]) -> int:
        """Of the seconds from `first` to `last`, both included."""
        wanted = tuple(outcomes)
        if last - first > len(self._seconds):
            counters: Iterable[Counter[str]] = (
                c for s, c in self._seconds.items() if first <= s <= last
            )
        else:
            counters = (self._seconds.get(s, Counter()) for s in range(first, last + 1))
        return sum(counter[outcome] for counter in counters for outcome in wanted)


class Pulse:
    """Reads frames, for all viewers of this process: thread-safe, and at most one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._throughput = Throughput()
        self._frame: dict[str, Any] = {}
        self._read_at = 0.0
        self._seq = 0

    def latest(self, max_age: float = 0.9) -> dict[str, Any]:
        """The frame, read anew if it is older than that many seconds."""
        with self._lock:
            if not self._frame or time.monotonic() - self._read_at > max_age:
                full = self._read()
                # Grows by every frame, and over a restart too.
                self._seq = max(self._seq + 1, int(time.time()))
                self._frame = {"seq": self._seq, "topic": "pulse", "full": full}
                self._read_at = time.monotonic()
            return self._frame

    def _read(self) -> dict[str, Any]:
        queues = backlog.read()
        with connections[conf.settings().DATABASE].cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM now())::bigint")
            now: int = cursor.fetchone()[0]
            self._throughput.read(cursor, now)
            cursor.execute(WORKERS)
            alive, slots = cursor.fetchone()
            cursor.execute(RECENT_FAILURES, [FAILURES])
            failures = [_failure(*row) for row in cursor.fetchall()]
        last = now - 1  # the second under way is not whole yet
        waiting = sum(q.waiting for q in queues)
        capped = any(q.waiting > CAP for q in queues)
        oldest = max((q for q in queues if q.oldest_wait), key=_oldest_wait, default=None)
        done = self._throughput.total(last - 9, last, ENDED) / 10
        failed = self._throughput.total(now - HOUR, now, ("failed",))
        running = sum(q.running for q in queues)
        level, sentence, needs = _state(queues, alive, self._failing(last))
        return {
            "level": level,
            "sentence": sentence,
            "needs": needs,
            "tiles": {
                "waiting": f"{waiting:,}" + ("+" if capped else ""),
                "running": wording.count(running, CAP),
                "slots": f"{slots:,}",
                "done": f"{done:,.1f}" if done < 100 else f"{done:,.0f}",
                "failed": f"{failed:,}",
                "oldest": wording.duration(oldest.oldest_wait or 0) if oldest else "none",
                "oldest_queue": oldest.name if oldest else "",
                "workers": f"{alive:,}",
            },
            "chart": self._chart(last),
            "queues": backlog.table(queues),
            "failures": failures,
        }

    def _failing(self, last: int) -> float:
        """Share of the attempts of the last five minutes that failed for good, if there were enough to tell."""
        failed = self._throughput.total(last - 299, last, ("failed",))
        ended = self._throughput.total(last - 299, last, ENDED)
        return failed / ended if failed >= 5 else 0.0

    def _chart(self, last: int) -> dict[str, Any]:
        """Paths of the stacked bars in a box of BARS by 100, and what each bar counts."""
        newest = last // BAR
        rates = []
        for bar in range(newest - BARS + 1, newest + 1):
            first = bar * BAR
            until = min(first + BAR - 1, last)
            seconds = until - first + 1
            rates.append(
                [
                    round(self._throughput.total(first, until, outcomes) / seconds, 1)
                    for outcomes in SERIES.values()
                ]
            )
        top = _round_up(max(sum(bar) for bar in rates))
        paths: dict[str, str] = {}
        below = [0.0] * BARS
        for index, series in enumerate(SERIES):
            above = [b + bar[index] for b, bar in zip(below, rates, strict=True)]
            paths[series] = "".join(
                f"M{x}.1 {100 - 100 * low / top:.1f}V{100 - 100 * high / top:.1f}h.8"
                f"V{100 - 100 * low / top:.1f}z"
                for x, (low, high) in enumerate(zip(below, above, strict=True))
                if high > low
            )
            below = above
        return {"paths": paths, "rates": rates, "top": f"{top:,g}", "middle": f"{top / 2:,g}"}


def _oldest_wait(queue: QueueNow) -> float:
    return queue.oldest_wait or 0.0


def _round_up(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least 1."""
    scale = 1.0
    while True:
        for step in (1, 2, 5):
            if step * scale >= value:
                return step * scale
        scale *= 10


def _failure(
    id: object,
    name: str,
    queue: str,
    reason: str,
    age: float,
    exception_class: str | None,
    message: str | None,
) -> dict[str, str]:
    error = wording.error({"exception_class": exception_class, "message": message})
    return {
        "id": str(id),
        "name": name,
        "queue": queue,
        "error": error if exception_class else reason,
        "age": f"{wording.duration(age)} ago",
    }


def _state(queues: list[QueueNow], alive: int, failing: float) -> tuple[str, str, list[str]]:
    """How urgent it is, one sentence, and what needs somebody."""
    needs = []
    open_queues = [q for q in queues if q.paused_at is None]
    waiting = any(q.waiting for q in open_queues)
    if waiting and not alive:
        needs.append("no worker is alive and tasks wait")
    behind = [q for q in open_queues if _oldest_wait(q) > BEHIND]
    needs += [
        f"queue {q.name} is {wording.duration(_oldest_wait(q))} behind"
        for q in sorted(behind, key=_oldest_wait, reverse=True)[:3]
    ]
    if len(behind) > 3:
        needs.append(f"{len(behind) - 3} more queues are behind")
    if gated := sum(q.gated for q in queues):
        are = "is" if gated == 1 else "are"
        needs.append(
            f"{wording.plural(gated, 'task', CAP)} {are} gated: no live worker knows the name"
        )
    if failing >= 0.05:
        needs.append(f"{failing:.0%} of what ended in the last 5 minutes failed")
    if needs:
        things = "1 thing needs you" if len(needs) == 1 else f"{len(needs)} things need you"
        return ("bad" if not alive or failing >= 0.2 else "warn"), things, needs
    workers = f"{wording.plural(alive, 'worker')} alive" if alive else "no worker is alive"
    if any(q.paused_at for q in queues):
        paused = [q.name for q in queues if q.paused_at]
        return "ok", f"Nothing needs you; {workers}; paused: {', '.join(paused[:5])}", []
    return (
        "ok",
        f"All is well: {workers}, {'tasks are on time' if waiting else 'nothing waits'}",
        [],
    )


pulse = Pulse()
"""Shared by this process's first paints, polls and live hub."""
