"""The supervisor: starts the runners, passes signals on, and replaces those that die."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import DatabaseError, connections
from uuid_utils.compat import uuid7

from tasks_app import queue
from workers_app.blackbox import BlackBox
from workers_app.parent import die_with_parent
from workers_app.part import EXIT_FAILED
from workers_app.patience import GaveUp, persistently
from workers_app.runner import DRAIN, EXIT_DONE, EXIT_FENCED, Runner
from workers_app.sandbox import how

log = logging.getLogger(__name__)

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
STEADY = 10.0
"""Seconds after which a runner that dies is replaced without delay."""
LONGEST_DELAY = 30.0
BURY_TIMEOUT = 5.0
"""Seconds spent on telling the database of a death; its lease tells it otherwise."""


@dataclass(slots=True)
class Place:
    """One of the runners, whichever incarnation is in it."""

    number: int
    black_box: BlackBox
    pid: int = 0
    worker: UUID = field(default_factory=uuid7)
    started: float = 0.0
    deaths: int = 0
    """In a row, each soon after the start."""
    start_at: float = 0.0
    done: bool = False


class Supervisor:
    def __init__(
        self, processes: int, slots: int, make_runner: Callable[[UUID, int, BlackBox], Runner]
    ) -> None:
        self._make_runner = make_runner
        self._places = [Place(number, BlackBox(slots)) for number in range(1, processes + 1)]
        self._stopping = False

    def run(self) -> None:
        """Until every runner is done, or has ended after a signal."""
        # Blocked and waited for: no handler interrupts anything, and no signal is lost between two waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, DRAIN})
        gc.freeze()
        while any(not place.done for place in self._places):
            self._start_due()
            got = signal.sigtimedwait(SIGNALS, self._until_next_start())
            if got is not None and got.si_signo != signal.SIGCHLD:
                self._stop()
            self._reap()

    def _start_due(self) -> None:
        for place in self._places:
            if not place.pid and not place.done and time.monotonic() >= place.start_at:
                self._start(place)

    def _until_next_start(self) -> float:
        waiting = [p.start_at for p in self._places if not p.pid and not p.done]
        return min(1.0, max(0.0, min(waiting, default=float("inf")) - time.monotonic()))

    def _start(self, place: Place) -> None:
        connections.close_all()
        place.worker = uuid7()
        place.black_box.clear()
        place.started = time.monotonic()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            place.pid = pid
            return
        # The child must never return into the parent's code.
        status = EXIT_FAILED
        try:
            die_with_parent(parent)
            runner = self._make_runner(place.worker, place.number, place.black_box)
            runner.handle_signals()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS, DRAIN})
            runner.run()
            status = EXIT_DONE
        except (
            Exception
        ):  # whatever it is, it ends here: the status says so, and another runner takes the place
            log.exception("runner failed")
        finally:
            logging.shutdown()
            os._exit(status)

    def _stop(self) -> None:
        self._stopping = True
        for place in self._places:
            if place.pid:
                os.kill(place.pid, DRAIN)
            else:
                place.done = True

    def _reap(self) -> None:
        for place in self._places:
            if not place.pid:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if pid:
                place.pid = 0
                self._ended(place, os.waitstatus_to_exitcode(status))

    def _ended(self, place: Place, code: int) -> None:
        if code == EXIT_DONE:
            place.done = True
            return
        if code != EXIT_FENCED:
            log.error("runner %d died (%s)", place.number, how(code))
            # One of the worker's own threads failed: that is our fault, and none of the tasks'.
            blamed = [] if code == EXIT_FAILED else place.black_box.tasks()
            self._bury(place.worker, blamed)
        if self._stopping:
            place.done = True
            return
        soon = time.monotonic() - place.started < STEADY
        place.deaths = place.deaths + 1 if soon else 0
        delay = min(LONGEST_DELAY, 0.5 * 2.0**place.deaths) if place.deaths > 1 else 0.0
        place.start_at = time.monotonic() + delay * random.uniform(0.5, 1.0)  # noqa: S311 - jitter

    def _bury(self, worker: UUID, started: list[UUID]) -> None:
        deadline = time.monotonic() + BURY_TIMEOUT
        try:
            persistently(
                lambda: queue.bury(worker, started), until=lambda: time.monotonic() > deadline
            )
            persistently(queue.rescue, until=lambda: time.monotonic() > deadline)
        except (GaveUp, DatabaseError) as error:
            log.warning("its tasks are taken back when its lease ends: %s", error)
