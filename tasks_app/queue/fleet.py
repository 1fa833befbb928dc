"""The lease of a worker: registered, kept by beats, ended in order, or found dead by its parent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from tasks_app import conf, events
from tasks_app.models import Worker
from tasks_app.queue import statements

LOCK_CLASS = 0x7471
"""First half of every worker's advisory lock; its serial is the second."""
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    id: UUID
    serial: int
    """From `take_serial`; the advisory lock on it must be held already if `direct`."""
    direct: bool
    name: str
    hostname: str
    pid: int
    queues: Sequence[str]
    capabilities: Sequence[str]
    slots: int


def take_serial() -> int:
    """A number of its own for a worker that is about to lock and register."""
    ((serial,),) = statements.run("take_serial")
    return int(serial)


def register(worker: Registration) -> None:
    """Let a worker claim, and give it what waited for somebody who knows its tasks."""
    statements.run(
        "register",
        {
            "id": worker.id,
            "serial": worker.serial,
            "direct": worker.direct,
            "name": worker.name,
            "hostname": worker.hostname,
            "pid": worker.pid,
            "queues": list(worker.queues),
            "capabilities": sorted(worker.capabilities),
            "slots": worker.slots,
            "lease": conf.settings().LEASE,
        },
    )
    ungate(worker.capabilities)


def ungate(names: Collection[str]) -> int:
    """Make ready what waited for a worker that knows these tasks; how many.

    While several versions of the code run, an older worker gates what it cannot import: a newer one that is alive
    already has to find it.
    """
    total = 0
    while True:
        moved = statements.run("ungate", {"names": sorted(names), "limit": CHUNK})
        total += len(moved)
        if moved:
            events.wake({queue for (queue,) in moved})
        if len(moved) < CHUNK:
            return total


def beat(worker: UUID) -> list[str] | None:
    """Extend the lease; the names of all queues there are. None: the worker was declared dead and must end."""
    answer = statements.run("beat", {"id": worker, "lease": conf.settings().LEASE})
    return list(answer[0][0]) if answer else None


def call(channel: str) -> None:
    """Say something on a channel: to hear it shows that a connection listens."""
    statements.run("call", {"channel": channel})


def retire(worker: UUID) -> None:
    """The worker ends in order and claims no more; what it still runs is rescued, and no crash is counted."""
    statements.run(
        "retire", {"id": worker, "state": Worker.State.STOPPED, "death": None, "started": None}
    )


def bury(worker: UUID, started: Collection[UUID] | None = None) -> bool:
    """Its parent saw the worker die: what it ran can be rescued at once. False: it had ended already.

    `started` are the tasks that were in its slots, one of which may have killed it; None: not known.
    """
    parameters = {
        "id": worker,
        "state": Worker.State.DEAD,
        "death": Worker.Death.CRASHED,
        "started": None if started is None else list(started),
    }
    return bool(statements.run("retire", parameters))
