"""The states of a task and every legal transition: the one source for choices, SQL checks, documents and colours."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class State(StrEnum):
    SCHEDULED = "scheduled"
    """Waits for run_at: delayed, or between two attempts."""
    BLOCKED = "blocked"
    """Waits for other tasks."""
    GATED = "gated"
    """Waits for admission; `reason` says for what."""
    READY = "ready"
    """Claimable now: nothing that cannot run is ready, except while its queue is paused."""
    RUNNING = "running"
    """Claimed by a worker, under a fence."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Ended without success: the dead letters; `reason` says why."""
    CANCELLED = "cancelled"


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
LIVE = frozenset(State) - TERMINAL

WAITING = LIVE - {State.RUNNING}

NEW = None
"""The source of the transitions that make a task."""
GONE = None
"""The target of those that leave nothing of it."""


def _each(
    sources: Collection[State], target: State | None
) -> frozenset[tuple[State | None, State | None]]:
    return frozenset((source, target) for source in sources)


TRANSITIONS: dict[str, frozenset[tuple[State | None, State | None]]] = {
    "enqueue": frozenset({(NEW, State.READY), (NEW, State.SCHEDULED)}),
    "replace": frozenset(
        (source, target)
        for source in (State.SCHEDULED, State.GATED, State.READY)
        for target in (State.SCHEDULED, State.GATED, State.READY)
        if target != State.GATED or source == State.GATED
    ),
    "promote": frozenset({(State.SCHEDULED, State.READY)}),
    "claim": frozenset(
        {
            (State.READY, State.RUNNING),
            (State.READY, State.GATED),  # its name is paused
        }
    ),
    "disown": frozenset({(State.RUNNING, State.READY)}),
    "finish": frozenset(
        {
            (State.RUNNING, State.SUCCEEDED),
            (State.RUNNING, State.FAILED),
            (State.RUNNING, State.CANCELLED),  # by the task itself, or it had been asked to end
            (State.RUNNING, State.SCHEDULED),  # another attempt, or a snooze
            (State.RUNNING, State.READY),  # released: not started, or its child process died
            (State.RUNNING, State.GATED),  # this worker cannot import its name
        }
    ),
    "rescue": frozenset(
        {
            (State.RUNNING, State.READY),
            (State.RUNNING, State.FAILED),
            (State.RUNNING, State.CANCELLED),  # it had been asked to end
        }
    ),
    "ungate": frozenset({(State.GATED, State.READY)}),
    "expire": _each(WAITING, State.FAILED) | _each(WAITING, State.CANCELLED),
    "cancel": _each(WAITING, State.CANCELLED) | {(State.RUNNING, State.RUNNING)},
    "discard": _each(WAITING, State.FAILED),
    "retry": frozenset({(State.SCHEDULED, State.READY)}),
    "redrive": _each({State.FAILED, State.CANCELLED}, State.READY),
    "reprioritise": frozenset((state, state) for state in LIVE),
    "reschedule": frozenset(
        (source, target)
        for source in (State.SCHEDULED, State.READY)
        for target in (State.SCHEDULED, State.READY)
    ),
    "edit_args": frozenset((state, state) for state in WAITING),
    "purge": _each(WAITING | TERMINAL, GONE),
}
"""Verb → the (source, target) pairs that it may write."""


class Reason(StrEnum):
    """Why a task failed, or what a gated one waits for."""

    EXHAUSTED = "exhausted"
    """No attempt left."""
    DISCARDED = "discarded"
    """Not to be tried again, whatever attempts are left."""
    TIMEOUT = "timeout"
    """The last attempt took longer than its timeout."""
    POISON = "poison"
    """Its process died more than MAX_CRASHES times."""
    EXPIRED = "expired"
    """Not started in time."""
    UNKNOWN_NAME = "unknown-name"
    """Gated: no live worker can import the task."""
    NAME_PAUSED = "name-paused"
    """Gated: an operator has paused its name."""


MAX_SNOOZES = 10_000
"""Times a task may ask to be run later; the next one fails it as exhausted."""
MAX_CRASHES = 3
"""Proven deaths of the process that runs a task after which the next one fails it as poison."""
