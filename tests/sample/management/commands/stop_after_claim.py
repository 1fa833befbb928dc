"""Claims one task, stops itself (SIGSTOP), and when continued finishes the task: prints the answer."""

from __future__ import annotations

import os
import signal

from django.core.management.base import BaseCommand
from uuid_utils.compat import uuid7

from tasks_app import queue, registry
from tasks_app.engine.outcomes import Succeeded


class Command(BaseCommand):
    def handle(self, **options):
        worker = uuid7()
        queue.register(
            queue.Registration(
                id=worker,
                serial=queue.take_serial(),
                direct=False,
                name="stops",
                hostname="here",
                pid=os.getpid(),
                queues=[],
                capabilities=registry.names(),
                slots=1,
            )
        )
        (claim,) = queue.claim(["default"], 1, worker)
        print("claimed", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        answers = queue.finish([queue.Finish(claim, claim.decide(Succeeded('"late"')), ran=0.1)])
        print(answers[claim.key], flush=True)
