"""The tasks of the demonstration (`manage.py index_sources`). Each takes the label of its run as `run`."""

from __future__ import annotations

from uuid import UUID

from examples import report, sources
from examples.run import Run
from tasks_app import compat, task

PAUSE = 0.5
"""Seconds between two attempts."""


class FirstAttempt(Exception):
    """Raised on purpose, so that there is a retry to look at."""


def unless_hopeless(error: BaseException, result: object) -> float | None:
    """A backoff: bad input stays bad, so it fails at once; whatever else went wrong may go well next time."""
    hopeless = isinstance(error, sources.NotPython | sources.OutsideLibrary)
    return None if hopeless else PAUSE


@task(max_attempts=3, backoff=unless_hopeless)
def count_file(path: str, run: str) -> sources.Counts:
    """Count one file of the standard library."""
    return sources.count(path)


@task(max_attempts=3, backoff=PAUSE, takes_context=True)
def count_file_flaky(context: compat.TaskContext, path: str, run: str) -> sources.Counts:
    """Count one file, but only on the second attempt."""
    if context.attempt == 1:
        raise FirstAttempt(f"{path}: made up by the demonstration, the next attempt succeeds")
    return sources.count(path)


@task
def draft_mail(subject: str, run: str) -> str:
    """The text of a mail. The demonstration sends none."""
    return f"Subject: {subject}\n\nRun {run} counts its files."


@task
def write_report(run: str, first: str, last: str) -> report.Report:
    """Sum up what the run's other tasks returned (their ids are from `first` to `last`), into var/demo."""
    names = [count_file.module_path, count_file_flaky.module_path]
    rows = Run(run, UUID(first), UUID(last)).succeeded().filter(name__in=names)
    counted = {
        kwargs["path"]: counts
        for kwargs, counts in rows.values_list("kwargs", "result")
        if counts is not None
    }
    result = report.summarise(run, counted)
    report.write(result)
    return result
