from __future__ import annotations

import os

from django.apps import AppConfig

from tasks_app import compat
from tests.sample.ledger import note


class SampleConfig(AppConfig):
    name = "tests.sample"

    def ready(self):
        """With SAMPLE_SIGNALS set to a file, append a line to it for every signal of Django Tasks."""
        if ledger := os.environ.get("SAMPLE_SIGNALS"):

            def tell(word):
                def receive(sender, task_result, **kwargs):
                    note(ledger, f"{word} {task_result.id} {task_result.status}")

                return receive

            compat.task_started.connect(tell("started"), weak=False)
            compat.task_finished.connect(tell("finished"), weak=False)
