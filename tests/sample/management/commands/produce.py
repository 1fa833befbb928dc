"""Enqueues tasks one by one through outages, and notes those whose commit was confirmed."""

from __future__ import annotations

import time

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from tests.sample.ledger import note
from tests.sample.tasks import record


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--ledger", required=True)
        parser.add_argument("--tasks", type=int, required=True)

    def handle(self, *, ledger, tasks, **options):
        for number in range(tasks):
            ends = time.monotonic() + 60
            while True:
                try:
                    id = record.enqueue(ledger, number).id
                    break
                except DatabaseError:
                    connection.close()
                    if time.monotonic() > ends:
                        raise
                    time.sleep(0.05)
            note(f"{ledger}.committed", id)
