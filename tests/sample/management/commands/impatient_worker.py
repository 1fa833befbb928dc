"""`runworker --threads 1` that hardly polls, and that calls its lifeline and listens for it in tenths of the usual time."""

from __future__ import annotations

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.test.utils import override_settings

from workers_app import heartbeat
from workers_app.lifeline import Lifeline


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--silence", type=float, required=True)

    def handle(self, *, silence, **options):
        heartbeat.ECHO_EVERY = 1.0
        Lifeline.silence = silence
        with override_settings(TASKQUEUE={**settings.TASKQUEUE, "POLL_INTERVAL": 60.0}):
            call_command("runworker", "--threads", "1")
