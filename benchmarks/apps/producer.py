"""The producer that every system runs: only its three calls differ. Its measurements leave as one line of JSON."""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any, Protocol

from benchmarks.apps import stamping

WARM_UP = 10
PATIENCE = 60.0
"""Seconds for the worker to start all tasks that were enqueued."""


class Producer(Protocol):
    def install(self) -> None:
        """Create the system's tables in an empty database."""

    def many(self, count: int) -> None:
        """Enqueue `count` no-op tasks by the system's bulk call, committed on return."""

    def one(self, ledger: str, key: int) -> None:
        """Enqueue one task that stamps `key`, committed on return."""


def bulk(producer: Producer, count: int, size: int) -> dict[str, Any]:
    """Seconds that each call took; one more call before them connects and warms up."""
    producer.many(size)
    seconds = []
    for _ in range(count // size):
        began = time.perf_counter()
        producer.many(size)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def fill(producer: Producer, count: int, size: int) -> dict[str, Any]:
    for _ in range(count // size):
        producer.many(size)
    return {"count": count // size * size}


def pickup(producer: Producer, ledger: Path, count: int) -> dict[str, Any]:
    """Nanoseconds on the machine's clock, for each task: enqueue called, enqueue returned, task started."""
    for key in range(-WARM_UP, 0):
        producer.one(str(ledger), key)
        time.sleep(0.05)
    _wait_for(ledger, WARM_UP)
    gaps = random.Random(7)
    calls = []
    for key in range(count):
        time.sleep(gaps.uniform(0.020, 0.080))
        called = time.time_ns()
        producer.one(str(ledger), key)
        calls.append((called, time.time_ns()))
    _wait_for(ledger, WARM_UP + count)
    started = stamping.read(ledger)
    return {"times": [(*calls[key], started[key]) for key in range(count)]}


def _wait_for(ledger: Path, lines: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(stamping.read(ledger)) < lines:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(stamping.read(ledger))} of {lines} tasks started in time")
        time.sleep(0.05)


def main(producer: Producer) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install")
    for name in ("bulk", "fill"):
        command = commands.add_parser(name)
        command.add_argument("count", type=int)
        command.add_argument("size", type=int)
    command = commands.add_parser("pickup")
    command.add_argument("ledger", type=Path)
    command.add_argument("count", type=int)
    given = parser.parse_args()
    answer: dict[str, Any] = {}
    if given.command == "install":
        producer.install()
    elif given.command == "bulk":
        answer = bulk(producer, given.count, given.size)
    elif given.command == "fill":
        answer = fill(producer, given.count, given.size)
    else:
        answer = pickup(producer, given.ledger, given.count)
    print(json.dumps(answer))
