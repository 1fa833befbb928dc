"""The runner: one worker incarnation, in one process. Claim for the free room, hand to the slots, wait."""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from uuid import UUID

from django.db import InterfaceError, OperationalError

from tasks_app import conf, events, queue, registry
from tasks_app.attempt import log_failures_only
from tasks_app.queue import Claim, Finish, Marks, Registration
from tasks_app.queue.statements import connection, dedicate, is_pooled
from workers_app.bell import Bell
from workers_app.blackbox import BlackBox
from workers_app.completer import Completer
from workers_app.executor import Executor
from workers_app.heartbeat import Heartbeat
from workers_app.lifeline import Lifeline
from workers_app.parent import ignore
from workers_app.patience import GaveUp, persistently
from workers_app.pool import Pool
from workers_app.upkeep import OF_STORAGE, OF_TASKS, Upkeep

log = logging.getLogger(__name__)

WINDOW = 200
"""Claims beyond the slots that may wait for a slot or for the database's answer to their outcome."""
PREFETCH_TIME = 0.5
"""Claims are fetched ahead only as far as the slots are expected to start them within these seconds."""
UNSTARTED_TIMEOUT = 2.0
"""Seconds after which a claim that no slot has started is given back."""
SWEEP = 1.0
"""Seconds between two looks at what lies before the marks, from which claims begin."""
LOST_CLAIM_AGE = 30.0
"""Seconds after which a claim that is not in hand will not come any more."""
LEAVE_TIMEOUT = 2.0
"""Seconds that a worker told to leave at once may spend on giving its tasks back."""

DRAIN = signal.SIGUSR1
"""Signal that tells a runner to drain; a second one, to leave at once."""

EXIT_DONE = 64
"""Exit status of a worker that ended in order. Not 0: a task may call os._exit(0)."""
EXIT_FENCED = 75
"""Exit status of a worker that was declared dead: another incarnation shall take its place."""


class Runner:
    def __init__(
        self,
        worker: UUID,
        black_box: BlackBox,
        *,
        name: str,
        queues: Sequence[str],
        slots: int,
        burst: bool,
    ) -> None:
        self.worker = worker
        self.name = name
        self.chosen = list(queues)
        self.queues = list(queues)
        self.burst = burst
        self.stopping = False
        self.bell = Bell()
        self.marks = Marks()
        self.in_hand: dict[tuple[UUID, int], Claim] = {}
        """Claims whose outcome the database has not answered yet."""
        self.completer = Completer(self._on_answered, give_up=lambda: self._past_grace)
        self.executor = Executor(self.completer.put)
        self.pool = Pool(slots, self.executor.run, self.bell, black_box)
        self.lifeline: Lifeline | None = None
        """None behind a pooler: a lock there would be a session's that others share."""
        self._leaving = False
        self._grace_ends = float("inf")

    def run(self) -> None:
        """Work until told to stop, or with `burst` until nothing is left."""
        try:
            self._start()
        except GaveUp:
            return  # Told to stop before the database answered.
        log.info("worker %s started: %s", self.name, self.worker)
        while not self.stopping:
            claims = self._claim(self._room())
            self.pool.submit(claims)
            if self.burst and not claims and self._nothing_left():
                break
            self._give_back(UNSTARTED_TIMEOUT)
            self.bell.wait(conf.settings().POLL_INTERVAL * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        self._drain()
        self._end()
        log.info("worker %s stopped", self.name)

    def handle_signals(self) -> None:
        """Obey DRAIN, which comes from the supervisor, and nothing else.

        What the whole process group gets (Ctrl-C, a service manager's SIGTERM) reaches the supervisor too, which passes
        it on once: heard here as well, it would count twice.
        """
        signal.signal(DRAIN, self._on_drain)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ignore)

    def _start(self) -> None:
        dedicate()
        serial = persistently(queue.take_serial, until=lambda: self.stopping)
        direct = False
        if not is_pooled():
            self.lifeline = Lifeline(serial, self._on_hint)
            direct = self.lifeline.start()
        registration = Registration(
            id=self.worker,
            serial=serial,
            direct=direct,
            name=self.name,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queues=self.chosen,
            capabilities=registry.names(),
            slots=self.pool.slots,
        )
        persistently(lambda: queue.register(registration), until=lambda: self.stopping)
        self._on_queues(persistently(self._beat, until=lambda: self.stopping))
        self.heartbeat = Heartbeat(
            self.worker,
            on_queues=self._on_queues,
            on_fenced=self._on_fenced,
            echo=self._call_lifeline if self.lifeline and self.lifeline.listens else None,
        )
        log_failures_only()
        self.upkeep = Upkeep(
            "upkeep",
            [
                *OF_TASKS,
                (0.5, self.executor.end_overdue),
                (SWEEP, lambda: queue.sweep(self.marks, self.queues)),
                (LOST_CLAIM_AGE, partial(self._disown, LOST_CLAIM_AGE)),
            ],
        )
        self.storage = Upkeep("storage", OF_STORAGE)
        for part in (self.pool, self.completer, self.heartbeat, self.upkeep, self.storage):
            part.start()

    def _beat(self) -> list[str]:
        return queue.beat(self.worker) or []

    def _room(self) -> int:
        """How many more claims to ask for: all free slots, and ahead of them when tasks are quick."""
        slots = self.pool.slots
        ahead = 0
        if run_time := max(self.pool.run_time, self.pool.mean_age):
            ahead = min(WINDOW, int(slots * PREFETCH_TIME / run_time))
        held = self.pool.held
        if 0 < slots <= held and held > (slots + ahead) // 2:
            return 0  # Enough at hand: a few large claims cost less than many small ones.
        return min(slots + ahead - held, slots + WINDOW - len(self.in_hand))

    def _claim(self, room: int) -> list[Claim]:
        if room < 1:
            return []
        try:
            claims = queue.claim(self.queues, room, self.worker, self.marks)
        except (OperationalError, InterfaceError) as error:
            log.warning("claim without an answer: %s", str(error).strip())
            connection().close()
            self._disown()
            return []
        self.in_hand.update((claim.key, claim) for claim in claims)
        return claims

    def _disown(self, older_than: float = 0.0) -> None:
        """Give back what was claimed for this worker without its knowing: it would run for ever, in no slot.

        At once after a claim without an answer, and again later: the server may commit such a claim after all.
        """
        in_hand = [claim.id for claim in list(self.in_hand.values())]
        try:
            persistently(
                lambda: queue.disown(self.worker, in_hand, older_than), until=lambda: self.stopping
            )
        except GaveUp:
            return  # What is left running is rescued when this worker has retired.

    def _nothing_left(self) -> bool:
        if self.in_hand:
            return False
        try:
            persistently(queue.promote, until=lambda: self.stopping)
            return persistently(lambda: queue.idle(self.queues), until=lambda: self.stopping)
        except GaveUp:
            return False

    def _give_back(self, older_than: float) -> None:
        for claim in self.pool.take_back(older_than):
            self.executor.release(claim)

    def _drain(self) -> None:
        """Give back what has not started, let the rest end, and write every outcome."""
        if self.in_hand:
            log.info("worker %s drains: %d tasks in hand", self.name, len(self.in_hand))
        self._give_back(0.0)
        self._grace_ends = time.monotonic() + conf.settings().DRAIN_GRACE
        while self.in_hand and not self._past_grace:
            self.bell.wait(0.2)
        if self.pool.held:
            log.warning("%d tasks did not end in time; they are given back", self.pool.held)
            self._leave()

    @property
    def _past_grace(self) -> bool:
        return self._leaving or time.monotonic() >= self._grace_ends

    def _end(self) -> None:
        self.pool.close()
        self.completer.close(LEAVE_TIMEOUT)
        for part in (self.heartbeat, self.upkeep, self.storage, self.lifeline):
            if part is not None:
                part.close()
        self._retire()
        events.stop()
        connection().close()

    def _leave(self) -> None:
        """End at once; what still runs goes back to the queue, and what it would have written is refused."""
        try:
            self.completer.close(LEAVE_TIMEOUT)
            self.heartbeat.close()  # or it would find the worker retired, and take that for a fence
            self._retire()
            events.stop()
        finally:
            os._exit(EXIT_DONE)

    def _retire(self) -> None:
        deadline = time.monotonic() + LEAVE_TIMEOUT
        try:
            for verb in (lambda: queue.retire(self.worker), queue.rescue):
                persistently(verb, until=lambda: time.monotonic() > deadline)
        except GaveUp:
            log.warning("database unreachable: what it held is taken back when its lease ends")

    def _on_drain(self, number: int, frame: FrameType | None) -> None:
        self._leaving = self.stopping
        self.stopping = True
        self.bell.ring()

    def _on_answered(self, outcomes: list[Finish]) -> None:
        for finish in outcomes:
            self.in_hand.pop(finish.claim.key, None)
        self.bell.ring()

    def _on_hint(self, queues: list[str], returned: bool) -> None:
        if returned:
            self.marks.forget(queues)
        if not self.chosen and (new := [name for name in queues if name not in self.queues]):
            self.queues = sorted({*self.queues, *new})
        if not queues or not set(queues).isdisjoint(self.queues):
            self.bell.ring()

    def _on_queues(self, queues: list[str]) -> None:
        if not self.chosen:
            self.queues = queues

    def _call_lifeline(self) -> None:
        if self.lifeline is not None:
            queue.call(self.lifeline.echo_channel)

    def _on_fenced(self, why: str) -> None:
        # Another worker has or will have our tasks: whatever still runs here must not go on.
        log.error("worker %s %s; it leaves", self.name, why)
        os._exit(EXIT_FENCED)
