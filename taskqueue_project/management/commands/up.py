"""`manage.py up`: everything on this machine for development, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from taskqueue_project.embedded.stack import Stack


def port_number(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise ArgumentTypeError(
        f"must be a whole number from 1 to 65535, not {text!r} (from --port or the environment's PORT)"
    )


class Command(BaseCommand):
    help = (
        "Starts the web server and a worker, with a PostgreSQL unless DATABASE_URL is set and a Valkey unless "
        "REDIS_URL is; prints where everything is and stops it all on Ctrl-C. For development: loopback only."
    )
    requires_system_checks = []  # `migrate` makes them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port",
            type=port_number,
            default=os.environ.get("PORT") or "8000",
            help="port of the web server on 127.0.0.1 (default: the environment's PORT, or 8000)",
        )
        parser.add_argument("--no-worker", action="store_true", help="start no worker")
        parser.add_argument(
            "--demo", action="store_true", help="run the demonstration once all is up"
        )

    def handle(self, *, port: int, no_worker: bool, demo: bool, **options: Any) -> None:
        stack = Stack(port=port, with_worker=not no_worker, with_demo=demo, say=self._say)
        if status := stack.run():
            sys.exit(status)

    def _say(self, text: str) -> None:
        # A closed terminal must not keep us from stopping what we started.
        with contextlib.suppress(OSError):
            self.stdout.write(text)
            self.stdout.flush()
