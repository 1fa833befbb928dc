"""`manage.py enqueue`: one task by its name, through the same verb as Python and REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from tasks_app import compat, registry
from tasks_app.engine.payload import decode
from tasks_app.exceptions import InvalidArguments, InvalidPayload, UnknownTask

MAX_DELAY = 3_153_600_000
"""Seconds: a hundred years."""


class Command(BaseCommand):
    help = "Enqueue a task and print its id on stdout. Options left out are the task's own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="dotted path of the task, such as shop.tasks.send_receipt")
        # `args` among the options is Django's own.
        parser.add_argument(
            "--args",
            dest="positional",
            default="[]",
            metavar="JSON",
            help="positional arguments: '[4711, true]'",
        )
        parser.add_argument(
            "--kwargs",
            dest="keywords",
            default="{}",
            metavar="JSON",
            help="""keyword arguments: '{"copy": 2}'""",
        )
        parser.add_argument("--queue", metavar="Q", help="one of the queues that the settings name")
        parser.add_argument(
            "--priority", type=int, metavar="N", help="-100 to 100, higher is run first"
        )
        parser.add_argument(
            "--delay", type=float, metavar="SECONDS", help="not before so many seconds from now"
        )
        parser.add_argument("--max-attempts", type=int, metavar="N", help="attempts in all")
        parser.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="how long one attempt may take"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        delay = options["delay"]
        if delay is not None and not 0 <= delay <= MAX_DELAY:
            raise CommandError(f"--delay must be from 0 to {MAX_DELAY:,} seconds.")
        try:
            positional, keywords = arguments(options["positional"], options["keywords"])
            task = registry.find(options["name"]).using(
                queue_name=options["queue"],
                priority=options["priority"],
                run_after=None if delay is None else timedelta(seconds=delay),
                max_attempts=options["max_attempts"],
                timeout=options["timeout"],
            )
            # What task.enqueue(*args, **kwargs) calls; an argument may be named self.
            result = task.get_backend().enqueue(task, positional, keywords)
        except (UnknownTask, compat.InvalidTask, InvalidArguments, InvalidPayload) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        self.stdout.write(str(result.id))


def arguments(positional: str, keywords: str) -> tuple[list[Any], dict[str, Any]]:
    """The JSON of --args and --kwargs. Raises InvalidPayload."""
    args, kwargs = decode(positional, "--args"), decode(keywords, "--kwargs")
    if not isinstance(args, list):
        raise InvalidPayload("--args must be a JSON array, such as '[4711, true]'.")
    if not isinstance(kwargs, dict):
        raise InvalidPayload("""--kwargs must be a JSON object, such as '{"copy": 2}'.""")
    return args, kwargs
