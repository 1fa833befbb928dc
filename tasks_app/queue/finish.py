"""finish: write what became of attempts, each only if its worker still holds it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import DataError

from tasks_app import events
from tasks_app.engine.outcomes import AttemptError, Decision
from tasks_app.engine.payload import clean_text
from tasks_app.engine.states import Reason, State
from tasks_app.queue import partitions, statements
from tasks_app.queue.claim import Claim

log = logging.getLogger(__name__)

MAX_TRACEBACK = 16_384
MAX_MESSAGE = 2_048
"""Characters kept of each attempt's error."""
MAX_ERRORS = 65_536
"""Characters of earlier errors after which further ones are kept without their traceback."""


class Answer(StrEnum):
    ACCEPTED = "accepted"
    STALE = "stale"
    """A newer attempt owns the task, or it has ended: nothing was changed."""
    BUSY = "busy"
    """Another session holds the row just now: nothing was changed, repeat."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The outcome of one claim."""

    claim: Claim
    decision: Decision
    ended: float = field(default_factory=time.monotonic)
    """When the attempt ended, on this process's monotonic clock."""
    ran: float | None = None
    """Seconds it ran; None: it was not started."""

    @property
    def age(self) -> float | None:
        """Seconds since the attempt started."""
        return None if self.ran is None else time.monotonic() - self.ended + self.ran


def finish(batch: Sequence[Finish]) -> dict[tuple[UUID, int], Answer]:
    """Write a batch in one transaction; an answer for each claim, by its key.

    A value that the database refuses fails its own task, not the batch.
    """
    try:
        answers = partitions.repeat_when_missing(lambda: _write(batch))
    except DataError:
        if len(batch) == 1:
            log.exception("task %s: its outcome cannot be stored", batch[0].claim.id)
            return _write([_unstorable(batch[0])])
        half = len(batch) // 2
        return finish(batch[:half]) | finish(batch[half:])
    if back := {f.claim.queue for f in batch if f.decision.state is State.READY}:
        events.wake(back, returned=True)
    return answers


def _write(batch: Sequence[Finish]) -> dict[tuple[UUID, int], Answer]:
    answers = statements.run(
        "finish",
        {
            "id": _array(f.claim.id for f in batch),
            "fence": _array(f.claim.fence for f in batch),
            "state": _array(f.decision.state for f in batch),
            "reason": _array(f.decision.reason for f in batch),
            "delay": _array(f.decision.delay for f in batch),
            "attempt_back": _array(f.decision.attempt_back for f in batch),
            "crashed": _array(f.decision.crashed for f in batch),
            "snoozed": _array(f.decision.snoozed for f in batch),
            "age": _array(f.age for f in batch),
            "ran": _array(f.ran for f in batch),
            "result": _text_array(f.decision.result for f in batch),
            "error": _text_array(_error_text(f) for f in batch),
        },
    )
    return {(id, fence): Answer(answer) for id, fence, answer in answers}


def _array(values: Iterable[object]) -> str:
    """PostgreSQL's text of an array of plain words and numbers: psycopg's way there takes three times as long."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _text_array(texts: Iterable[str | None]) -> str:
    return "{" + ",".join(["NULL" if text is None else _quoted(text) for text in texts]) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _error_text(finish: Finish) -> str | None:
    if (error := finish.decision.error) is None:
        return None
    claim = finish.claim
    entry: dict[str, Any] = {
        "attempt": claim.attempt,
        "fence": claim.fence,
        "worker": str(claim.worker_ids[-1]),
        "exception_class": clean_text(error.exception_class, MAX_MESSAGE),
        "message": clean_text(error.message, MAX_MESSAGE),
        "traceback": clean_text(error.traceback, MAX_TRACEBACK),
    }
    kept = sum(len(earlier.get("traceback", "")) for earlier in claim.errors)
    if kept > MAX_ERRORS:
        entry["traceback"] = ""
    return json.dumps(entry, ensure_ascii=False)


def _unstorable(bad: Finish) -> Finish:
    """The same attempt, failed: what it left cannot be stored, and running it again would leave the same."""
    error = AttemptError(
        "tasks_app.exceptions.InvalidResult", "Its outcome could not be stored.", ""
    )
    decision = Decision(State.FAILED, reason=Reason.DISCARDED, error=error)
    return Finish(bad.claim, decision, ended=bad.ended, ran=bad.ran)
