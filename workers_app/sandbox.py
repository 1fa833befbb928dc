"""A task whose worker process died before runs alone, in a child process: if it dies again, nothing else does."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal

from tasks_app.attempt import timed_out
from tasks_app.engine.outcomes import AttemptError, Crashed, Outcome, Released
from tasks_app.queue import Claim
from workers_app.child import READY, main

log = logging.getLogger(__name__)

START_TIMEOUT = 30.0
END_TIMEOUT = 10.0
"""Seconds that a child may take to end after it has sent its outcome."""


def attempt_alone(claim: Claim) -> Outcome:
    """Run the claimed task in a new process: Crashed if that dies of it, TimedOut if it has to be killed."""
    # Not fork: this process has threads, and what they hold locked would stay locked in the child.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(
        target=main, args=(pickle.dumps(claim), theirs), name=f"task-{claim.id}"
    )
    child.start()
    theirs.close()
    started = False
    try:
        started = ours.poll(START_TIMEOUT) and ours.recv() == READY
        if not started:
            raise EOFError
        if not ours.poll(claim.timeout):
            return timed_out(claim)
        outcome: Outcome = ours.recv()
    except (EOFError, OSError):  # it ended before or while it sent something
        child.join(END_TIMEOUT)
        if not started:
            log.error("the process for task %s did not start (%s)", claim.id, how(child.exitcode))
            return Released()
        return Crashed(_died(child.exitcode))
    else:
        child.join(END_TIMEOUT)
        return outcome
    finally:
        if child.is_alive():
            child.kill()
            child.join()
        child.close()
        ours.close()


def how(exit_code: int | None) -> str:
    """In words, how a process ended."""
    if exit_code is not None and exit_code < 0:
        known = {number.value: number.name for number in signal.Signals}
        return f"signal {-exit_code}, {known.get(-exit_code, 'without a name')}"
    return f"exit status {exit_code}"


def _died(exit_code: int | None) -> AttemptError:
    return AttemptError(
        "tasks_app.exceptions.WorkerLost",
        f"The process that ran this task died ({how(exit_code)}).",
        "",
    )
