"""What became of one attempt, and what that means for the task: `decide` is pure, `queue.finish` carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from tasks_app.engine.states import MAX_CRASHES, MAX_SNOOZES, Reason, State


@dataclass(frozen=True, slots=True)
class AttemptError:
    """What is kept of a failed attempt, for people: text only, never turned back into an exception."""

    exception_class: str
    """Dotted path."""
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    result: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class Raised:
    error: AttemptError
    retry_after: float | None
    """Seconds; None: not to be tried again."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    error: AttemptError
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """It asked to be run later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It said that there is nothing to do any more."""

    error: AttemptError | None
    """Its reason, if it gave one."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process that ran this task alone died."""

    error: AttemptError


@dataclass(frozen=True, slots=True)
class Released:
    """Claimed, but not started."""


@dataclass(frozen=True, slots=True)
class UnknownName:
    """This worker cannot import the task."""


Outcome = Succeeded | Raised | TimedOut | Snoozed | Withdrawn | Crashed | Released | UnknownName

NOT_STARTED = (Released, UnknownName)
"""Outcomes of attempts in which the function was not called."""


@dataclass(frozen=True, slots=True)
class Decision:
    state: State
    reason: Reason | None = None
    delay: float = 0.0
    """Seconds until the next attempt, when scheduled."""
    result: str | None = None
    """JSON text, when succeeded."""
    error: AttemptError | None = None
    attempt_back: bool = False
    """The attempt does not count."""
    crashed: bool = False
    snoozed: bool = False


def decide(  # noqa: C901 - one case per outcome
    outcome: Outcome, *, attempt: int, max_attempts: int, crashes: int, snoozes: int = 0
) -> Decision:
    """What to write for the outcome of attempt number `attempt` of a task that had `crashes` and `snoozes` before."""
    match outcome:
        case Succeeded(result):
            return Decision(State.SUCCEEDED, result=result)
        case Raised(error, None):
            return Decision(State.FAILED, reason=Reason.DISCARDED, error=error)
        case Raised(error, wait) | TimedOut(error, wait) if (
            wait is not None and attempt < max_attempts
        ):
            return Decision(State.SCHEDULED, delay=wait, error=error)
        case Raised(error):
            return Decision(State.FAILED, reason=Reason.EXHAUSTED, error=error)
        case TimedOut(error):
            return Decision(State.FAILED, reason=Reason.TIMEOUT, error=error)
        case Snoozed() if snoozes >= MAX_SNOOZES:
            error = AttemptError(
                "tasks_app.Snooze", f"Snoozed more than {MAX_SNOOZES:,} times.", ""
            )
            return Decision(State.FAILED, reason=Reason.EXHAUSTED, error=error)
        case Snoozed(seconds):
            return Decision(State.SCHEDULED, delay=seconds, attempt_back=True, snoozed=True)
        case Withdrawn(reason):
            return Decision(State.CANCELLED, error=reason)
        case Crashed(error) if crashes >= MAX_CRASHES:
            return Decision(State.FAILED, reason=Reason.POISON, error=error, crashed=True)
        case Crashed(error):
            return Decision(State.READY, error=error, attempt_back=True, crashed=True)
        case Released():
            return Decision(State.READY, attempt_back=True)
        case UnknownName():
            return Decision(State.GATED, reason=Reason.UNKNOWN_NAME, attempt_back=True)
