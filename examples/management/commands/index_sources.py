"""`manage.py index_sources`: the demonstration on real input."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import OperationalError, ProgrammingError

from examples import report
from examples.demonstration import Failed, Outcome, await_worker, demonstrate
from examples.sources import NotPython
from tasks_app.compat import InvalidTask


class Command(BaseCommand):
    help = (
        "Indexes the sources of Python's standard library, one task per file, while a few tasks fail or wait on"
        " purpose; then checks that each did what it had to. Needs a running worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--limit",
            type=whole_number,
            metavar="N",
            help="index only the first N files (default: all)",
        )
        parser.add_argument(
            "--timeout",
            type=seconds,
            default=120.0,
            metavar="S",
            help="seconds that the tasks may take in all (default: 120)",
        )
        parser.add_argument(
            "--wait",
            type=seconds,
            default=15.0,
            metavar="S",
            help="seconds to wait for a worker that is just starting (default: 15)",
        )

    def handle(self, *, limit: int | None, timeout: float, wait: float, **options: Any) -> None:
        progress = Progress(self.stdout)
        try:
            await_worker(wait)
            outcome = demonstrate(limit, timeout, progress.show)
        except (Failed, NotPython) as error:
            raise CommandError(f"demonstration: {error}") from error
        except InvalidTask as error:
            raise CommandError(
                f"demonstration: {error} It needs the queues default, mail and reports in TASKQUEUE_QUEUES."
            ) from error
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"demonstration: the database answers {str(error).strip()!r}. Does it run, and is it migrated?"
            ) from error
        except KeyboardInterrupt:
            raise CommandError(
                "demonstration: interrupted; what it enqueued goes on.", returncode=130
            ) from None
        finally:
            progress.close()
        self.stdout.write(f"\n{report.as_text(outcome.report)}\n{self._summary(outcome)}")

    def _summary(self, outcome: Outcome) -> str:
        totals = outcome.report["totals"]
        lost = f" {outcome.lost:,} were lost with a worker and made again." if outcome.lost else ""
        return (
            f"{outcome.tasks:,} tasks: {outcome.failures} failed and {outcome.retried} took several attempts, as"
            f" intended.{lost} The report is in {report.directory()}.\n"
            f"demonstration: {outcome.report['files']:,} files, {totals['lines']:,} lines,"
            f" {totals['functions']:,} functions, {totals['classes']:,} classes in {outcome.seconds:.1f} s:"
            " all checks passed"
        )


class Progress:
    """How many tasks have ended: one line that changes on a terminal, else a line for every tenth."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._open = False
        self._tenth = 0

    def show(self, ended: int, total: int) -> None:
        tenth = 10 * ended // total
        text = f"{ended:,} of {total:,} tasks have ended ({100 * ended // total} %)"
        if self._terminal:
            self._out.write(f"\r{text}", ending="")
            self._open = True
        elif tenth > self._tenth:
            self._out.write(text)
        self._tenth = tenth
        self._out.flush()

    def close(self) -> None:
        if self._open:
            self._out.write("")
            self._open = False


def whole_number(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise ArgumentTypeError(f"{text!r}: must be a whole number of at least 1")


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 < value < math.inf:
        return value
    raise ArgumentTypeError(f"{text!r}: must be a positive number of seconds")
