"""One attempt: call the task's function and say what became of it. Nothing is written to the queue from here."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import traceback
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from types import FunctionType
from typing import Any

from django.dispatch import Signal
from django.utils import timezone

from tasks_app import compat, conf, registry
from tasks_app.backend import CANCELLED, task_errors, task_of
from tasks_app.engine.answers import Answer, Cancel, Discard, Retry, Snooze
from tasks_app.engine.outcomes import (
    AttemptError,
    Outcome,
    Raised,
    Snoozed,
    Succeeded,
    TimedOut,
    UnknownName,
    Withdrawn,
)
from tasks_app.engine.payload import InvalidPayload, encode
from tasks_app.engine.retry import Backoff, checked_delay
from tasks_app.engine.states import TERMINAL, State
from tasks_app.exceptions import InvalidResult, TaskTimeout, UnknownTask
from tasks_app.queue import Claim

log = logging.getLogger(__name__)

_failures_only = False


def log_failures_only() -> None:
    """Take Django's own log receivers off the signals of this process, if nobody reads what they say of good tasks.

    They log a line per task at INFO, and a result has to be made for each; a failed task is still logged by them.
    """
    global _failures_only
    if not _failures_only and not compat.task_log.isEnabledFor(logging.INFO):
        compat.task_started.disconnect(compat.log_task_started)
        compat.task_finished.disconnect(compat.log_task_finished)
        _failures_only = True


RunAsync = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine to its end on an event loop of the caller's choice."""


def attempt(claim: Claim, run_async: RunAsync) -> Outcome:
    """Run the claimed task in this thread. Whatever it raises is an outcome, never an error of the worker."""
    try:
        task = registry.find(claim.name)
    except UnknownTask:
        return UnknownName()
    this = Attempt(claim, task)
    this.tell_started()
    value = None
    outcome: Outcome
    try:
        value = this.call(run_async)
        if isinstance(value, Answer):
            raise value
        outcome = this.returned(value)
        this.tell_finished(outcome, value)
    except BaseException as error:  # noqa: BLE001 - SystemExit and the like end the attempt, not the worker
        outcome = this.raised(error)
        this.tell_finished(outcome, None)
    return outcome


def timed_out(claim: Claim) -> TimedOut:
    """The outcome of an attempt that somebody else saw pass its timeout."""
    error = TaskTimeout(f"took longer than {claim.timeout:g} s")
    try:
        this = Attempt(claim, registry.find(claim.name))
    except UnknownTask:
        return TimedOut(error_of(error), Backoff().delay(claim.attempt, _rand()))
    return TimedOut(error_of(error), this.retry_after(error))


class Attempt:
    """A claim with its task, and what Django Tasks shows of it, made only when somebody looks."""

    def __init__(self, claim: Claim, task: registry.QueueTask[..., Any]) -> None:
        self.claim = claim
        self.task = task
        self._result: compat.TaskResult[Any] | None = None

    @property
    def result(self) -> compat.TaskResult[Any]:
        if self._result is None:
            claim = self.claim
            self._result = compat.TaskResult(
                task=task_of(
                    claim.name,
                    priority=claim.priority,
                    queue_name=claim.queue,
                    backend=claim.backend,
                ),
                id=str(claim.id),
                status=compat.TaskResultStatus.RUNNING,
                enqueued_at=datetime.fromtimestamp(claim.enqueued_at, UTC),
                started_at=datetime.fromtimestamp(claim.first_started_at, UTC),
                finished_at=None,
                last_attempted_at=datetime.fromtimestamp(claim.started_at, UTC),
                args=claim.args,
                kwargs=claim.kwargs,
                backend=claim.backend,
                errors=task_errors(claim.errors),
                worker_ids=[str(worker) for worker in claim.worker_ids],
            )
        return self._result

    def call(self, run_async: RunAsync) -> Any:
        args: tuple[Any, ...] = tuple(self.claim.args)
        if self.task.takes_context:
            args = (compat.TaskContext(task_result=self.result), *args)
        function = self.task.func
        if inspect.iscoroutinefunction(function):
            return run_async(self._within_timeout(function(*args, **self.claim.kwargs)))
        return function(*args, **self.claim.kwargs)

    async def _within_timeout(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            async with asyncio.timeout(self.claim.timeout) as scope:
                return await coroutine
        except TimeoutError as error:
            if scope.expired():
                raise TaskTimeout(f"took longer than {self.claim.timeout:g} s") from error
            raise

    def returned(self, value: Any) -> Outcome:
        """The outcome of an attempt that returned."""
        try:
            return Succeeded(encode(value, "the returned value", conf.settings().MAX_PAYLOAD_BYTES))
        except InvalidPayload as error:
            # The work is done; to do it again would return the same.
            return Raised(error_of(InvalidResult(str(error))), None)

    def raised(self, error: BaseException) -> Outcome:
        """The outcome of an attempt that raised."""
        if isinstance(error, Snooze):
            return Snoozed(error.seconds)
        if isinstance(error, Cancel):
            return Withdrawn(_said(error) if error.reason else None)
        if isinstance(error, Discard):
            return Raised(_said(error), None)
        if isinstance(error, Retry):
            wait = self.retry_after(error) if error.after is None else error.after
            return Raised(_said(error), wait)
        if isinstance(error, TaskTimeout):
            return TimedOut(error_of(error), self.retry_after(error))
        return Raised(error_of(error, self.task.func), self.retry_after(error))

    def retry_after(self, error: BaseException) -> float | None:
        """Seconds until the next attempt, by the task's policy; None: there shall be none."""
        task = self.task
        if not isinstance(error, Retry) and (
            isinstance(error, task.discard_on)
            or (task.retry_on is not None and not isinstance(error, task.retry_on))
        ):
            return None
        backoff = task.backoff
        if isinstance(backoff, Backoff):
            return backoff.delay(self.claim.attempt, _rand())
        try:
            return checked_delay(backoff(error, self.result))
        except BaseException:  # the user's own function, which may even exit
            log.exception("%s: its backoff failed, the default is used", self.claim.name)
            return Backoff().delay(self.claim.attempt, _rand())

    def tell_started(self) -> None:
        self._send(compat.task_started)

    def tell_finished(self, outcome: Outcome, value: Any) -> None:
        """Send task_finished if there will be no further attempt."""
        claim = self.claim
        log_failure = _failures_only and not isinstance(outcome, Succeeded)
        if not log_failure and not self._has_listeners(compat.task_finished):
            return
        decision = claim.decide(outcome)
        if decision.state not in TERMINAL:
            return
        succeeded = decision.state is State.SUCCEEDED
        changes: dict[str, Any] = {
            "status": compat.TaskResultStatus.SUCCESSFUL
            if succeeded
            else compat.TaskResultStatus.FAILED,
            "finished_at": timezone.now(),
            "_return_value": value if succeeded else None,
        }
        for field, new in changes.items():
            object.__setattr__(self.result, field, new)
        if decision.error is not None:
            self.result.errors.append(
                compat.TaskError(
                    exception_class_path=decision.error.exception_class,
                    traceback=decision.error.traceback,
                )
            )
        if decision.state is State.CANCELLED:
            self.result.errors.append(CANCELLED)
        if log_failure:
            compat.log_task_finished(self._sender, task_result=self.result)
        self._send(compat.task_finished)

    @property
    def _sender(self) -> type[compat.BaseTaskBackend]:
        return type(self.task.get_backend())

    def _has_listeners(self, signal: Signal) -> bool:
        return bool(signal.receivers) and signal.has_listeners(self._sender)

    def _send(self, signal: Signal) -> None:
        if not self._has_listeners(signal):
            return
        for receiver, answer in signal.send_robust(self._sender, task_result=self.result):
            if isinstance(answer, Exception):
                log.error(
                    "%s: signal receiver %r failed", self.claim.name, receiver, exc_info=answer
                )


def error_of(error: BaseException, function: Callable[..., Any] | None = None) -> AttemptError:
    """What is kept of an exception: its traceback from `function` on. One that cannot be printed is named by its class."""
    kind = type(error)
    frames = error.__traceback__
    if isinstance(function, FunctionType):
        ours = frames
        while (
            ours is not None and ours.tb_frame.f_code.co_filename != function.__code__.co_filename
        ):
            ours = ours.tb_next
        frames = ours or frames
    try:
        message = str(error)
        text = "".join(traceback.TracebackException(kind, error, frames).format())
    except Exception:  # an exception's own __str__ or __cause__ may raise anything
        log.warning("%s cannot be printed", kind.__qualname__, exc_info=True)
        message = text = f"{kind.__qualname__} (which cannot be printed)"
    return AttemptError(f"{kind.__module__}.{kind.__qualname__}", message, text)


def _said(answer: Answer) -> AttemptError:
    """What is kept of an answer: there is no traceback to look at."""
    kind = type(answer)
    module = "tasks_app" if kind in (Retry, Discard, Cancel) else kind.__module__
    return AttemptError(f"{module}.{kind.__qualname__}", answer.reason, "")


def _rand() -> float:
    return random.random()  # noqa: S311 - jitter
