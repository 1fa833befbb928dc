"""Enqueues no-op tasks at a steady rate, until it is ended. Ticks that it missed are made up for."""

from __future__ import annotations

import sys
import time

import django

django.setup()

from benchmarks.sample.tasks import noop  # noqa: E402

TICK = 0.05


def main() -> None:
    batch = max(1, round(float(sys.argv[1]) * TICK))
    due = time.monotonic()
    while True:
        noop.enqueue_many([()] * batch)
        due += TICK
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
