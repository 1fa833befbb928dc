"""`manage.py runworker`: arguments → supervisor."""

from __future__ import annotations

import argparse
import os
import socket
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from tasks_app.compat import InvalidTask
from tasks_app.registry import check_queue_name
from workers_app.blackbox import BlackBox
from workers_app.runner import Runner
from workers_app.supervisor import Supervisor

MAX_PROCESSES = 256
MAX_THREADS = 1_000


class Command(BaseCommand):
    help = (
        "Claim tasks and run them, until SIGTERM or Ctrl-C: then nothing new is started, running tasks may end, and"
        " what has not started goes back. A second signal leaves at once; no task is lost either way."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queues",
            type=queue_names,
            default=[],
            metavar="A,B",
            help="serve these queues, the first ones first (default: all there are)",
        )
        parser.add_argument(
            "--processes",
            type=whole_number(MAX_PROCESSES),
            default=1,
            metavar="N",
            help="runner processes, each a worker of its own (default: 1)",
        )
        parser.add_argument(
            "--threads",
            type=whole_number(MAX_THREADS),
            default=4,
            metavar="N",
            help="tasks that each process runs at once (default: 4)",
        )
        parser.add_argument(
            "--burst",
            action="store_true",
            help="exit when nothing is left to claim; what is scheduled for later stays",
        )
        parser.add_argument(
            "--name",
            default=f"{socket.gethostname()}-{os.getpid()}",
            help="how the console calls it (default: host and process number)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        def make_runner(worker: UUID, number: int, black_box: BlackBox) -> Runner:
            return Runner(
                worker,
                black_box,
                name=f"{options['name']}.{number}",
                queues=options["queues"],
                slots=options["threads"],
                burst=options["burst"],
            )

        Supervisor(options["processes"], options["threads"], make_runner).run()


def queue_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        try:
            check_queue_name(name)
        except InvalidTask as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    return list(dict.fromkeys(names))


def whole_number(most: int) -> Any:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number from 1 to {most:,}")
        return int(text)

    return parse
