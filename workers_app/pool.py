"""Fixed slots: threads that run claims in the order they came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue
from uuid import UUID

from tasks_app.queue import Claim
from workers_app.bell import Bell
from workers_app.blackbox import BlackBox
from workers_app.part import part


class Pool:
    def __init__(
        self, slots: int, run: Callable[[Claim], None], bell: Bell, black_box: BlackBox
    ) -> None:
        self.slots = slots
        self.busy = 0
        """Claims that slots are running now."""
        self.run_time = 0.0
        """Running mean of the seconds that a claim kept a slot; 0.0 until one has ended."""
        self._began: list[float | None] = [None] * slots
        self._run = run
        self._bell = bell
        self._black_box = black_box
        self._inbox: SimpleQueue[Claim | None] = SimpleQueue()
        # Whoever pops a claim from here has it: a slot to start it, or take_back to return it.
        self._unstarted: dict[tuple[UUID, int], tuple[Claim, float]] = {}
        self._hungry_at = 0
        self._counting = threading.Lock()
        self._threads = [
            part(f"slot-{number}", partial(self._slot, number)) for number in range(slots)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def held(self) -> int:
        """Claims that have not come to an end: waiting for a slot or in one."""
        return len(self._unstarted) + self.busy

    @property
    def mean_age(self) -> float:
        """Seconds that the claims in the slots have been there, on average over all slots."""
        now = time.monotonic()
        return sum(now - began for began in self._began if began is not None) / self.slots

    def submit(self, claims: Iterable[Claim]) -> None:
        now = time.monotonic()
        for claim in claims:
            self._unstarted[claim.key] = (claim, now)
            self._inbox.put(claim)
        self._hungry_at = len(self._unstarted) // 2

    def take_back(self, older_than: float) -> list[Claim]:
        """Claims that waited for a slot for more than `older_than` seconds; no slot will start them."""
        limit = time.monotonic() - older_than
        old = [key for key, (_, since) in list(self._unstarted.items()) if since <= limit]
        taken = [self._unstarted.pop(key, None) for key in old]
        return [entry[0] for entry in taken if entry is not None]

    def close(self) -> None:
        """Let each slot end after what it runs now."""
        for _ in self._threads:
            self._inbox.put(None)

    def _slot(self, number: int) -> None:
        while (claim := self._inbox.get()) is not None:
            with self._counting:
                if self._unstarted.pop(claim.key, None) is None:
                    continue
                self.busy += 1
            began = self._began[number] = time.monotonic()
            self._black_box.enter(number, claim.id)
            self._run(claim)
            self._black_box.leave(number)
            self._began[number] = None
            took = time.monotonic() - began
            with self._counting:
                self.busy -= 1
                self.run_time += (took - self.run_time) / 8
            if len(self._unstarted) <= self._hungry_at:
                self._hungry_at = -1
                self._bell.ring()
            elif self.held < self.slots:
                self._bell.ring()
