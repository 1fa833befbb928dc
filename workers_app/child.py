"""What runs in the child process of the sandbox. It imports nothing that needs Django before that is set up."""

from __future__ import annotations

import asyncio
import pickle
import signal
from multiprocessing.connection import Connection
from typing import Any

import django

from workers_app.parent import die_with_parent, ignore

READY = b"ready"


def main(claim: bytes, pipe: Connection[Any, Any]) -> None:
    """Run the pickled claim: sends READY before the task begins, and its outcome after."""
    die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ignore)
    django.setup()
    from tasks_app.attempt import attempt

    pipe.send(READY)
    pipe.send(attempt(pickle.loads(claim), asyncio.run))  # noqa: S301 - from our own parent
    pipe.close()
