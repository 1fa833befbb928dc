"""Going on when the database does not answer: repeat, with a capped and jittered wait."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from tasks_app.queue.statements import connection

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT = 0.1
LONGEST_WAIT = 3.0
"""Seconds between two tries, of which a random part is waited."""


class GaveUp(Exception):
    """The database did not answer before there was no more point in asking."""


def persistently(verb: Callable[[], T], *, until: Callable[[], bool]) -> T:
    """What the verb returns, trying again while the database is unreachable. Raises GaveUp once `until()` is true."""
    wait = FIRST_WAIT
    while True:
        try:
            answer = verb()
        except (OperationalError, InterfaceError) as error:
            connection().close()
            if wait == FIRST_WAIT:
                log.warning("database unreachable, trying again: %s", str(error).strip())
            if until():
                raise GaveUp(str(error)) from error
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            wait = min(wait * 2, LONGEST_WAIT)
        else:
            if wait > FIRST_WAIT:
                log.info("database answers again")
            return answer
