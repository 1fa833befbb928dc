"""Which functions are tasks, and how each is to be run. Only names in here are ever run."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from django.utils import timezone

from tasks_app import compat
from tasks_app.engine.answers import Answer
from tasks_app.engine.retry import Backoff, BackoffCallable, as_backoff
from tasks_app.engine.unique import Unique
from tasks_app.exceptions import InvalidArguments, UnknownTask

P = ParamSpec("P")
T = TypeVar("T")

MAX_ATTEMPTS = 1_000
"""More attempts than that are a loop, not a retry."""
MAX_TIMEOUT = 30 * 24 * 3600.0
MAX_EXPIRY = 366 * 24 * 3600.0
MAX_TAGS = 20

_tasks: dict[str, QueueTask[Any, Any]] = {}
_backends: dict[str, tuple[object, compat.BaseTaskBackend]] = {}
_signatures: dict[Callable[..., Any], Signature] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTask(compat.Task[P, T], Generic[P, T]):
    """A Django Tasks task with retries and more. `using()` takes every option but those about errors for one call."""

    max_attempts: int | None = None
    """None: TASKQUEUE["MAX_ATTEMPTS"]."""
    backoff: Backoff | BackoffCallable = Backoff()  # noqa: RUF009 - frozen
    retry_on: tuple[type[BaseException], ...] | None = None
    """Exceptions after which there is another attempt; None: all."""
    discard_on: tuple[type[BaseException], ...] = ()
    """Exceptions after which there is none, whatever retry_on says."""
    timeout: float | None = None
    """Seconds an attempt may take; None: TASKQUEUE["TIMEOUT"]."""
    expires_in: float | timedelta | None = None
    """Seconds after enqueueing in which an attempt has to start, or it fails as expired; None: never."""
    unique: Unique | bool = False
    """True: Unique()."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Kept with the task, for people and programs that look for it; the function does not see it."""

    def __post_init__(self) -> None:
        # Runs while modules are being imported: no model and no database may be touched from here.
        try:
            object.__setattr__(self, "backoff", as_backoff(self.backoff))
        except (TypeError, ValueError) as error:
            raise compat.InvalidTask(str(error)) from error
        if self.retry_on is not None:
            object.__setattr__(self, "retry_on", _classes(self.retry_on, "retry_on"))
        object.__setattr__(self, "discard_on", _classes(self.discard_on, "discard_on"))
        delay: object = self.run_after
        if isinstance(delay, timedelta):
            object.__setattr__(self, "run_after", timezone.now() + delay)
        if isinstance(self.expires_in, timedelta):
            object.__setattr__(self, "expires_in", self.expires_in.total_seconds())
        if self.unique is True:
            object.__setattr__(self, "unique", Unique())
        compat.Task.__post_init__(self)
        known = _tasks.get(self.module_path)
        if known is None or known.func is not self.func:
            _tasks[self.module_path] = self

    def call(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in place, as ImmediateBackend does. What it answers is raised, returned or not."""
        value = compat.Task.call(self, *args, **kwargs)
        if isinstance(value, Answer):
            raise value
        return value

    def get_backend(self) -> compat.BaseTaskBackend:
        # Django keeps one per thread, and finding it takes longer than all else that an enqueue does before its INSERT.
        # Kept here per alias, as long as the settings are these: backends keep nothing between two calls.
        settings = compat.task_backends.settings
        kept = _backends.get(self.backend)
        if kept is None or kept[0] is not settings:
            kept = _backends[self.backend] = (settings, compat.task_backends[self.backend])
        return kept[1]

    def using(
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | timedelta | None = None,
        backend: str | None = None,
        max_attempts: int | None = None,
        timeout: float | None = None,
        expires_in: float | timedelta | None = None,
        unique: Unique | bool | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> QueueTask[P, T]:
        """The same task with other options, for one or more calls. `run_after` may be a delay."""
        given = {
            "priority": priority,
            "queue_name": queue_name,
            "run_after": run_after,
            "backend": backend,
            "max_attempts": max_attempts,
            "timeout": timeout,
            "expires_in": expires_in,
            "unique": unique,
            "tags": None if tags is None else tuple(tags),
            "metadata": metadata,
        }
        changes: dict[str, Any] = {
            name: value for name, value in given.items() if value is not None
        }
        return replace(self, **changes)

    def enqueue_many(self, calls: Iterable[tuple[Any, ...] | Mapping[str, Any]]) -> list[str]:
        """Enqueue one task per element, in one statement: a tuple is positional arguments, a mapping keyword ones.

        Ids in the order given. Nothing is enqueued if any element is invalid.
        """
        pairs: list[tuple[tuple[Any, ...], Mapping[str, Any]]] = []
        for call in calls:
            if isinstance(call, Mapping):
                pairs.append(((), call))
            elif isinstance(call, tuple):
                pairs.append((call, {}))
            else:
                raise InvalidArguments(
                    f"{self.module_path}: {call!r} is neither a tuple of positional arguments nor a mapping of keyword ones."
                )
        ids: list[str] = self.get_backend().enqueue_many(self, pairs)  # type: ignore[attr-defined]
        return ids


def _classes(value: object, option: str) -> tuple[type[BaseException], ...]:
    classes = value if isinstance(value, tuple) else (value,)
    for each in classes:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            raise compat.InvalidTask(
                f"{option}={value!r}: must be an exception class or a tuple of them."
            )
    return classes


def check_queue_name(name: object) -> None:
    """Raise InvalidTask unless it can be told to a worker: on its command line, and in a hint with others."""
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= 100
        or not name.isprintable()
        or " " in name
    ):
        raise compat.InvalidTask(
            f"queue_name={name!r}: must be 1 to 100 printable characters without spaces."
        )


def check_options(task: compat.Task[Any, Any]) -> None:
    """Raise InvalidTask for options that no worker could honour, or PostgreSQL not store."""
    check_queue_name(task.queue_name)
    priority: object = task.priority
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise compat.InvalidTask(f"priority={priority!r}: must be a whole number from -100 to 100.")
    if task.run_after is not None and not 2 <= task.run_after.year <= 9998:
        # Elsewhere on Earth the first and the last year begin or end outside what Python can read back.
        raise compat.InvalidTask(f"run_after={task.run_after}: must be in the years 2 to 9998.")
    if not isinstance(task, QueueTask):
        return
    attempts: object = task.max_attempts
    if attempts is not None and (
        isinstance(attempts, bool)
        or not isinstance(attempts, int)
        or not 1 <= attempts <= MAX_ATTEMPTS
    ):
        raise compat.InvalidTask(
            f"max_attempts={attempts!r}: must be a whole number from 1 to {MAX_ATTEMPTS:,}."
        )
    timeout: object = task.timeout
    if timeout is not None and (
        isinstance(timeout, bool)
        or not isinstance(timeout, int | float)
        or not 0 < timeout <= MAX_TIMEOUT
    ):
        raise compat.InvalidTask(
            f"timeout={timeout!r}: must be seconds, more than 0 and at most {MAX_TIMEOUT:,.0f}."
        )
    expires_in: object = task.expires_in
    if expires_in is not None and (
        isinstance(expires_in, bool)
        or not isinstance(expires_in, int | float)
        or not 0 < expires_in <= MAX_EXPIRY
    ):
        raise compat.InvalidTask(
            f"expires_in={expires_in!r}: must be seconds, more than 0 and at most {MAX_EXPIRY:,.0f}."
        )
    if task.unique is not False and not isinstance(task.unique, Unique):
        raise compat.InvalidTask(f"unique={task.unique!r}: must be True, False or a Unique.")
    check_tags(task.tags)
    metadata: object = task.metadata
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        raise compat.InvalidTask(f"metadata={metadata!r}: must be a mapping of text to JSON.")


def check_tags(tags: object) -> None:
    """Raise InvalidTask unless these are a few short words."""
    if not isinstance(tags, tuple) or len(tags) > MAX_TAGS:
        raise compat.InvalidTask(f"tags={tags!r}: must be a tuple of at most {MAX_TAGS} texts.")
    for tag in tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= 100 or not tag.isprintable():
            raise compat.InvalidTask(f"tag {tag!r}: must be 1 to 100 printable characters.")


@overload
def task(function: Callable[P, T], /) -> QueueTask[P, T]: ...


@overload
def task(
    *,
    queue_name: str = ...,
    priority: int = ...,
    backend: str = ...,
    takes_context: bool = ...,
    max_attempts: int | None = ...,
    backoff: float | Backoff | BackoffCallable = ...,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = ...,
    discard_on: type[BaseException] | tuple[type[BaseException], ...] = ...,
    timeout: float | None = ...,
    expires_in: float | timedelta | None = ...,
    unique: Unique | bool = ...,
    tags: Iterable[str] = ...,
    metadata: Mapping[str, Any] = ...,
) -> Callable[[Callable[..., T]], QueueTask[..., T]]: ...


def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    queue_name: str = "default",
    priority: int = 0,
    backend: str = "default",
    takes_context: bool = False,
    max_attempts: int | None = None,
    backoff: float | Backoff | BackoffCallable = Backoff(),  # noqa: B008 - frozen
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None = None,
    discard_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    timeout: float | None = None,
    expires_in: float | timedelta | None = None,
    unique: Unique | bool = False,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Make a plain or async module-level function a task: `@task` or `@task(queue_name="mail", max_attempts=5)`.

    - max_attempts: attempts in all, 1 to 1,000; default TASKQUEUE["MAX_ATTEMPTS"].
    - backoff: seconds between attempts, a `Backoff`, or a callable of (exception, result) that returns seconds, or
      None for no further attempt; default exponential from 2 s with full jitter.
    - retry_on, discard_on: exception classes after which there is, or is not, another attempt; default: after all there
      is. A timeout is a `tasks_app.exceptions.TaskTimeout`.
    - timeout: seconds that one attempt may take; default TASKQUEUE["TIMEOUT"].
    - expires_in: seconds or timedelta after enqueueing in which an attempt has to start, or the task fails as expired.
    - unique: True, or a `Unique`: of the calls that share a key, one task at a time is in the queue.
    - tags, metadata: a few words and a JSON object, kept with the task to find it by.

    The other options are Django's. Under a backend that is not ours, ours are left out, so that one source runs on
    any. Raises InvalidTask for options that break a rule.
    """

    def make(function: Callable[..., Any]) -> compat.Task[Any, Any]:
        task_class = compat.task_backends[backend].task_class
        options: dict[str, Any] = {}
        if issubclass(task_class, QueueTask):
            options = {
                "max_attempts": max_attempts,
                "backoff": backoff,
                "retry_on": retry_on,
                "discard_on": discard_on,
                "timeout": timeout,
                "expires_in": expires_in,
                "unique": unique,
                "tags": tuple(tags),
                "metadata": dict(metadata),
            }
        return task_class(
            func=function,
            queue_name=queue_name,
            priority=priority,
            backend=backend,
            takes_context=takes_context,
            run_after=None,
            **options,
        )

    return make if function is None else make(function)


def find(name: str) -> QueueTask[Any, Any]:
    """The registered task of that name. Raises UnknownTask, with the nearest names."""
    try:
        return _tasks[name]
    except KeyError:
        near = difflib.get_close_matches(name, _tasks, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownTask(f"No task is registered as {name!r}.{hint}") from None


def names() -> list[str]:
    """The names of all registered tasks, sorted."""
    return sorted(_tasks)


def check_arguments(
    task: compat.Task[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Raise InvalidArguments unless the task's function can be called with these arguments."""
    if kwargs or not _signature(task).takes(len(args) + task.takes_context):
        bind(task, args, kwargs)


def bind(
    task: compat.Task[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """How the arguments fall to the parameters of the task's function. Raises InvalidArguments if they do not fit."""
    context = (None,) if task.takes_context else ()
    known = _signature(task)
    try:
        return known.signature.bind(*context, *args, **kwargs)
    except TypeError as error:
        raise InvalidArguments(
            f"{task.module_path}{known.signature} cannot be called like this: {error}."
        ) from error


def _signature(task: compat.Task[Any, Any]) -> Signature:
    known = _signatures.get(task.func)
    if known is None:
        known = _signatures[task.func] = Signature(task.func)
    return known


class Signature:
    """A function's signature, and how many positional arguments alone satisfy it: that is soon told, binding is not."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.signature = inspect.signature(function)
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = list(self.signature.parameters.values())
        takable = [p for p in parameters if p.kind in positional]
        needed = [
            p
            for p in parameters
            if p.default is p.empty and p.kind in (*positional, p.KEYWORD_ONLY)
        ]
        self._most = len(takable)
        # A keyword-only parameter without a default is never satisfied by positions.
        self._least = len(needed) if all(p in takable for p in needed) else self._most + 1

    def takes(self, positions: int) -> bool:
        """Whether that many positional arguments fit for certain; False: bind to find out."""
        return self._least <= positions <= self._most
