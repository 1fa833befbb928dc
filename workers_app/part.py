"""A thread that the worker cannot do without: if it fails, the worker ends, and its supervisor starts another."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from tasks_app.queue.statements import connection

log = logging.getLogger(__name__)

EXIT_FAILED = 70
"""Exit status of a worker one of whose own threads failed."""


def part(name: str, run: Callable[[], None]) -> threading.Thread:
    """An unstarted thread that closes its database connection when it ends."""

    def guarded() -> None:
        try:
            run()
        except (
            BaseException
        ):  # a worker that goes on without one of its parts would look alive and do nothing
            log.critical("the worker's part %s failed", name, exc_info=True)
            logging.shutdown()
            os._exit(EXIT_FAILED)
        connection().close()

    return threading.Thread(target=guarded, name=name, daemon=True)
