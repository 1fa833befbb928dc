"""A task whose worker process died before runs alone, in a child process: if it dies again, nothing else does."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from multiprocessing.connection import Connection
from typing import Any

import django

from tasks_app.attempt import attempt, timed_out
from tasks_app.engine.outcomes import AttemptError, Crashed, Outcome
from tasks_app.queue import Claim
from workers_app.parent import die_with_parent

END_TIMEOUT = 10.0
"""Seconds that a child may take to end after it has sent its outcome."""


def attempt_alone(claim: Claim) -> Outcome:
    """Run the claimed task in a new process; Crashed if that died, TimedOut if it had to be killed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(claim, theirs), name=f"task-{claim.id}")
    child.start()
    theirs.close()
    try:
        if not ours.poll(claim.timeout):
            return timed_out(claim)
        outcome: Outcome = ours.recv()
        child.join(END_TIMEOUT)
    except EOFError:
        child.join(END_TIMEOUT)
        return Crashed(_death(child.exitcode))
    finally:
        if child.is_alive():
            child.kill()
            child.join()
        child.close()
        ours.close()
    return outcome


def _child(claim: Claim, outcome: Connection[Any, Any]) -> None:
    die_with_parent()
    django.setup()
    outcome.send(attempt(claim, asyncio.run))
    outcome.close()


def _death(exit_code: int | None) -> AttemptError:
    how = f"exit status {exit_code}"
    if exit_code is not None and exit_code < 0:
        how = f"signal {-exit_code} ({signal.Signals(-exit_code).name})"
    return AttemptError(
        "tasks_app.exceptions.WorkerLost", f"The process that ran this task died: {how}.", ""
    )
