"""A bell: rung by any thread or signal handler, waited for by one thread."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Bell:
    # Not threading.Event: its lock is not reentrant, and a signal handler may interrupt the very thread that waits.
    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        self._rings.put(None)

    def wait(self, timeout: float) -> None:
        """Return when it rings, or has rung since the last wait, or after `timeout` seconds."""
        try:
            self._rings.get(timeout=max(0.0, timeout))
        except Empty:
            return
        while not self._rings.empty():
            self._rings.get_nowait()
