"""One process that enqueues, claims and finishes by our own verbs, and times the claims as a runner makes them."""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from typing import Any

import django

django.setup()

from uuid_utils.compat import uuid7  # noqa: E402

from benchmarks.sample.tasks import noop  # noqa: E402
from tasks_app import queue  # noqa: E402
from tasks_app.engine.outcomes import Succeeded  # noqa: E402
from tasks_app.queue import Finish, Marks, Registration  # noqa: E402
from tasks_app.queue.statements import dedicate  # noqa: E402

QUEUES = ["default"]
SWEEP = 1.0
"""Seconds between two sweeps and two beats, as in a runner."""


def loop(seconds: float, rate: float, batch: int, *, marks: bool) -> dict[str, Any]:
    """Milliseconds of each claim and each sweep, and how many tasks went through in how many seconds.

    `rate` is tasks a second, 0 as many as possible. Without `marks`, each claim looks from the start of its queue.
    """
    worker = _register()
    kept = Marks()
    claims: list[float] = []
    sweeps: list[float] = []
    done = 0
    began = time.perf_counter()
    sweep_at = began
    turn = 0
    while (now := time.perf_counter()) - began < seconds:
        if rate and (early := began + turn * batch / rate - now) > 0:
            time.sleep(early)
        turn += 1
        if now >= sweep_at:
            sweep_at = now + SWEEP
            queue.beat(worker)
            sweeps.append(_milliseconds(lambda: queue.sweep(kept, QUEUES)))
        noop.enqueue_many([()] * batch)
        called = time.perf_counter()
        claimed = queue.claim(QUEUES, batch, worker, kept if marks else None)
        claims.append((time.perf_counter() - called) * 1000)
        queue.finish([Finish(claim, claim.decide(Succeeded("null")), ran=0.0) for claim in claimed])
        done += len(claimed)
    return {
        "claims": claims,
        "sweeps": sweeps,
        "done": done,
        "seconds": time.perf_counter() - began,
    }


def _register() -> Any:
    dedicate()
    worker = uuid7()
    queue.register(
        Registration(
            id=worker,
            serial=queue.take_serial(),
            direct=False,
            name="claim loop",
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queues=QUEUES,
            capabilities=[noop.module_path],
            slots=1,
        )
    )
    return worker


def _milliseconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=float)
    parser.add_argument("batch", type=int)
    parser.add_argument("--no-marks", action="store_true")
    given = parser.parse_args()
    print(json.dumps(loop(given.seconds, given.rate, given.batch, marks=not given.no_marks)))


if __name__ == "__main__":
    main()
