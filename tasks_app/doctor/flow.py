"""Checks of what should be going on: workers alive, queues drained, nothing put aside for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks_app import backlog, wording
from tasks_app.backlog import CAP, QueueNow
from tasks_app.doctor.finding import Extent, Findings, judge
from tasks_app.doctor.invariants import LATE
from tasks_app.engine.states import Reason
from tasks_app.queue import statements

MAX_WORKERS = 10_000
STALE_LEASE = 5.0
"""Seconds past its lease after which some live worker should have declared a worker dead."""
IDLE_WAIT = 60.0
"""Seconds that a ready task may wait while a worker that serves its queue has a free slot."""


class WorkerNow(NamedTuple):
    name: str
    hostname: str
    pid: int
    queues: list[str]
    slots: int
    expired: float
    """Seconds since its lease ended; negative: it holds."""
    running: int

    def serves(self, queue: str) -> bool:
        return not self.queues or queue in self.queues


def workers(extent: Extent) -> Findings:
    known = _workers()
    alive = [worker for worker in known if worker.expired <= 0]
    slots = sum(worker.slots for worker in alive)
    rule = "for every queue in which tasks wait, a worker is alive"
    waiting = [queue for queue in backlog.read() if _waits(queue) and not queue.paused_at]
    unserved = [q.name for q in waiting if not any(worker.serves(q.name) for worker in alive)]
    remedy = "manage.py runworker" + "".join(f" --queue {name}" for name in unserved[:5])
    if not alive:
        said = "none is alive" + (f", and tasks wait in {_names(unserved)}" if unserved else "")
    elif unserved:
        said = f"none of {len(alive):,} serves {_names(unserved)}, where tasks wait"
    else:
        said = f"{len(alive):,} alive with {wording.plural(slots, 'slot')}"
    yield judge("workers", said, len(alive), rule, remedy, problem=bool(unserved))
    for worker in known:
        if worker.expired > STALE_LEASE:
            yield judge(
                "workers",
                f"the lease of {worker.name} (process {worker.pid} of {worker.hostname}) ended"
                f" {wording.duration(worker.expired)} ago, and nobody declared it dead",
                worker.expired,
                "a worker without a lease is declared dead within a second, by any other",
                "start a worker: each takes back what it ran",
                warning=True,
            )


def upkeep(extent: Extent) -> Findings:
    rule = f"what is due or has expired is moved within {LATE:.0f} s, by any worker"
    found = statements.run("check_late", {"late": LATE, "limit": CAP + 1})
    words = {"due": "due, and not ready", "expired": "expired, and not ended"}
    for what, count, seconds in found:
        if count:
            said = f"{wording.plural(count, 'task', CAP)} {words[what]}, for {wording.duration(seconds)}"
            remedy = "start a worker; if one is alive, its log says what holds its upkeep up"
            yield judge("upkeep", said, seconds, rule, remedy, problem=True)
    if not any(count for _, count, _ in found):
        yield judge("upkeep", "nothing is late", 0, rule)


def queues(extent: Extent) -> Findings:
    known = backlog.read()
    alive = [worker for worker in _workers() if worker.expired <= 0]
    for queue in known:
        if queue.paused_at and _waits(queue):
            paused = backlog.in_words(queue, False)["paused"]
            yield judge(
                "queues",
                f"{queue.name} is paused {paused}; {wording.plural(queue.waiting, 'task', CAP)} ready in it",
                queue.waiting,
                "a queue with tasks is open",
                "resume it in the console, at Queues, when its tasks may run",
                warning=True,
            )
    open_ = [queue for queue in known if not queue.paused_at and queue.oldest_wait is not None]
    rule = f"no task is ready for more than {IDLE_WAIT:.0f} s while a worker has a free slot for it"
    idle = [q for q in open_ if (q.oldest_wait or 0) > IDLE_WAIT and _free(q.name, alive) > 0]
    for queue in idle:
        waited = wording.duration(queue.oldest_wait or 0)
        yield judge(
            "queues",
            f"a task of {queue.name} has waited for {waited} although {_free(queue.name, alive):,} slots are free",
            queue.oldest_wait,
            rule,
            "look at the workers' logs: are they draining, or short of database connections?",
            warning=True,
        )
    if not idle:
        oldest = max(open_, key=lambda queue: queue.oldest_wait or 0, default=None)
        said = "nothing waits in open queues"
        if oldest is not None:
            waited = wording.duration(oldest.oldest_wait or 0)
            said = f"the oldest ready task waits for {waited}, in {oldest.name}"
        yield judge("queues", said, oldest.oldest_wait if oldest else 0, rule)


def gated(extent: Extent) -> Findings:
    found = statements.run("check_gated", {"limit": extent.rows, "late": LATE})
    rule = "tasks are put aside only while something is in their way"
    for reason, name, count, by, why, seconds, is_late in found:
        tasks = f"{wording.plural(count, 'task')} of {name}"
        if is_late:
            said = f"{tasks} put aside ({reason}), and nothing is in their way"
            remedy = "start a worker that knows them; if one is alive, look at its log"
        elif reason == Reason.NAME_PAUSED:
            since = "" if seconds is None else f" for {wording.duration(seconds)} by {by}"
            said = f"{tasks} wait: their name is paused{since}{f': {why}' if why else ''}"
            remedy = "resume the name when they may run"
        elif reason == Reason.UNKNOWN_NAME:
            said = f"{tasks} wait: no live worker can import it"
            remedy = "deploy workers whose code has it, or purge the tasks"
        else:
            continue
        yield judge("gated tasks", said, count, rule, remedy, warning=True)
    if not any(row[0] in (Reason.NAME_PAUSED, Reason.UNKNOWN_NAME) for row in found):
        total = sum(row[2] for row in found)
        yield judge("gated tasks", f"{total:,} wait for their turn", total, rule)


def _workers() -> list[WorkerNow]:
    return [WorkerNow(*row) for row in statements.run("check_workers", {"limit": MAX_WORKERS})]


def _waits(queue: QueueNow) -> bool:
    return queue.waiting > 0


def _free(queue: str, workers: Sequence[WorkerNow]) -> int:
    return sum(max(0, w.slots - w.running) for w in workers if w.serves(queue))


def _names(queues: Sequence[str]) -> str:
    more = f" and {len(queues) - 5:,} more" if len(queues) > 5 else ""
    return ", ".join(queues[:5]) + more
