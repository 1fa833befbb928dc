"""The only writer of task state: the verbs, in the order of a task's life."""

from __future__ import annotations

from tasks_app.queue.claim import Claim, claim, disown, idle
from tasks_app.queue.enqueue import enqueue
from tasks_app.queue.finish import Answer, Finish, finish
from tasks_app.queue.fleet import (
    LOCK_CLASS,
    Registration,
    beat,
    bury,
    call,
    register,
    retire,
    take_serial,
    ungate,
)
from tasks_app.queue.marks import Marks
from tasks_app.queue.operate import (
    Report,
    cancel,
    discard,
    edit_args,
    pause,
    pause_name,
    purge,
    redrive,
    reprioritise,
    reschedule,
    resume,
    resume_name,
    retry,
)
from tasks_app.queue.partitions import ensure as make_days
from tasks_app.queue.spec import Spec, UniqueKey
from tasks_app.queue.storage import analyze, fold, prune, vacuum
from tasks_app.queue.upkeep import age, expire, find_queues, promote, rescue, sweep

__all__ = [
    "LOCK_CLASS",
    "Answer",
    "Claim",
    "Finish",
    "Marks",
    "Registration",
    "Report",
    "Spec",
    "UniqueKey",
    "age",
    "analyze",
    "beat",
    "bury",
    "call",
    "cancel",
    "claim",
    "discard",
    "disown",
    "edit_args",
    "enqueue",
    "expire",
    "find_queues",
    "finish",
    "fold",
    "idle",
    "make_days",
    "pause",
    "pause_name",
    "promote",
    "prune",
    "purge",
    "redrive",
    "register",
    "reprioritise",
    "reschedule",
    "rescue",
    "resume",
    "resume_name",
    "retire",
    "retry",
    "sweep",
    "take_serial",
    "ungate",
    "vacuum",
]
