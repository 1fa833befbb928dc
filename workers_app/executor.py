"""From a claim to its outcome: run it, decide, report; and see to those that pass their timeout."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from tasks_app.attempt import attempt, timed_out
from tasks_app.engine.outcomes import NOT_STARTED, Outcome, Released
from tasks_app.engine.payload import clean_text
from tasks_app.queue import Claim, Finish
from workers_app.part import part
from workers_app.sandbox import attempt_alone

log = logging.getLogger(__name__)

CLEAN_FOR = 0.5
"""Seconds after a task in which the next one of the same slot finds its connections as that left them."""
LOGGED_MESSAGE = 200
"""Characters of an error that go to the log; the task keeps more."""


class Executor:
    def __init__(self, report: Callable[[Finish], None]) -> None:
        self._report = report
        # Whoever pops an attempt from here reports it: the slot that ran it, or the watch over timeouts.
        self._running: dict[tuple[UUID, int], tuple[Claim, float]] = {}
        self._cleaned = threading.local()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting_loop = threading.Lock()

    def run(self, claim: Claim) -> None:
        """Run one claim in this thread. What goes wrong is the task's outcome, not an exception."""
        self._running[claim.key] = (claim, time.monotonic())
        # A task that may have killed its worker before does not get the chance to take neighbours with it again.
        if claim.crashes:
            outcome = attempt_alone(claim)
        else:
            if time.monotonic() - getattr(self._cleaned, "at", 0.0) > CLEAN_FOR:
                close_old_connections()
            outcome = attempt(claim, self._run_async)
            close_old_connections()
            self._cleaned.at = time.monotonic()
        self._end(claim, outcome)

    def release(self, claim: Claim) -> None:
        """Give back a claim that no slot has started."""
        self._report(Finish(claim, claim.decide(Released())))

    def end_overdue(self) -> None:
        """Record a timeout for every attempt past its own; its thread keeps the slot until the function returns."""
        now = time.monotonic()
        for claim, began in list(self._running.values()):
            if claim.timeout is not None and now - began > claim.timeout and not claim.crashes:
                self._end(claim, timed_out(claim))

    def _end(self, claim: Claim, outcome: Outcome) -> None:
        if (entry := self._running.pop(claim.key, None)) is None:
            return
        _, began = entry
        ran = None if isinstance(outcome, NOT_STARTED) else time.monotonic() - began
        decision = claim.decide(outcome)
        if (error := decision.error) is not None:
            log.warning(
                "task %s (%s), attempt %d of %d: %s: %s; now %s",
                claim.id,
                claim.name,
                claim.attempt,
                claim.max_attempts,
                error.exception_class,
                clean_text(error.message, LOGGED_MESSAGE),
                decision.state,
            )
        self._report(Finish(claim, decision, ran=ran))

    def _run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        with self._starting_loop:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                part("async", self._loop.run_forever).start()
        return asyncio.run_coroutine_threadsafe(_contained(coroutine), self._loop).result()()


async def _contained(coroutine: Coroutine[Any, Any, Any]) -> Callable[[], Any]:
    """The coroutine's value or exception, behind a call: SystemExit and KeyboardInterrupt would end the loop."""
    # The connections that async code uses are those of the one thread behind sync_to_async.
    await sync_to_async(close_old_connections)()
    try:
        value = await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        caught = error

        def again() -> Any:
            raise caught

        return again
    finally:
        await sync_to_async(close_old_connections)()
    return lambda: value
