"""The only writer of task state: the verbs, in the order of a task's life."""

from __future__ import annotations

from tasks_app.queue.claim import Claim, claim, disown, idle
from tasks_app.queue.control import pause, resume
from tasks_app.queue.enqueue import Spec, enqueue
from tasks_app.queue.finish import Answer, Finish, finish
from tasks_app.queue.fleet import (
    LOCK_CLASS,
    Registration,
    beat,
    bury,
    register,
    retire,
    take_serial,
    ungate,
)
from tasks_app.queue.partitions import ensure as make_days
from tasks_app.queue.upkeep import find_queues, promote, rescue

__all__ = [
    "LOCK_CLASS",
    "Answer",
    "Claim",
    "Finish",
    "Registration",
    "Spec",
    "beat",
    "bury",
    "claim",
    "disown",
    "enqueue",
    "find_queues",
    "finish",
    "idle",
    "make_days",
    "pause",
    "promote",
    "register",
    "rescue",
    "resume",
    "retire",
    "take_serial",
    "ungate",
]
