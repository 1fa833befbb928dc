"""The states of a task and every legal transition: the one source for choices, SQL checks, documents and colours."""

from __future__ import annotations

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

NEW = None
"""The source of the transitions that make a task."""

TRANSITIONS: dict[str, frozenset[tuple[State | None, State]]] = {
    "enqueue": frozenset({(NEW, State.READY), (NEW, State.SCHEDULED)}),
    "promote": frozenset({(State.SCHEDULED, State.READY)}),
    "claim": frozenset({(State.READY, State.RUNNING)}),
    "disown": frozenset({(State.RUNNING, State.READY)}),
    "finish": frozenset(
        {
            (State.RUNNING, State.SUCCEEDED),
            (State.RUNNING, State.FAILED),
            (State.RUNNING, State.SCHEDULED),  # another attempt
            (State.RUNNING, State.READY),  # released: not started, or its child process died
            (State.RUNNING, State.GATED),  # this worker cannot import its name
        }
    ),
    "rescue": frozenset({(State.RUNNING, State.READY), (State.RUNNING, State.FAILED)}),
    "ungate": frozenset({(State.GATED, State.READY)}),
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
    UNKNOWN_NAME = "unknown-name"
    """Gated: no live worker can import the task."""


MAX_CRASHES = 3
"""Proven deaths of the process that runs a task after which the next one fails it as poison."""
