"""What PostgreSQL itself costs: our rows by bare psycopg, beside our own calls, in one process on one connection each."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django
import psycopg

django.setup()

from uuid_utils.compat import uuid7  # noqa: E402

from benchmarks.sample.tasks import noop  # noqa: E402
from tasks_app import events  # noqa: E402

COLUMNS = "id, name, queue, backend, priority, state, position, args, kwargs, run_at, timeout, max_attempts"
INSERT = (
    f"INSERT INTO tq_task_live ({COLUMNS})"
    " VALUES (%s, %s, 'default', 'default', 0, 'ready', nextval('tq_position'), '[]', '{}', now(), NULL, 3)"
)


def copy(bare: psycopg.Connection[Any], count: int, size: int) -> dict[str, Any]:
    """Seconds of each COPY of `size` rows; making the rows is not counted."""
    seconds = []
    for number in range(count // size):
        rows = [_row(number * size + offset) for offset in range(size)]
        began = time.perf_counter()
        with bare.cursor().copy(f"COPY tq_task_live ({COLUMNS}) FROM STDIN") as target:
            for row in rows:
                target.write_row(row)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def _row(position: int) -> tuple[Any, ...]:
    now = datetime.now(UTC)
    return (
        *(uuid7(), noop.module_path, "default", "default", 0, "ready"),
        *(10**9 + position, "[]", "{}", now, None, 3),
    )


def single(bare: psycopg.Connection[Any], count: int, block: int) -> dict[str, Any]:
    """Seconds of each enqueue() in autocommit and of each bare INSERT, in alternating blocks."""

    def insert() -> None:
        bare.execute(INSERT, [uuid7(), noop.module_path])

    ours: list[float] = []
    floor: list[float] = []
    _time(noop.enqueue, block)
    _time(insert, block)
    for _ in range(count // block):
        ours += _time(noop.enqueue, block)
        events.flush()  # the hint has its own thread and connection: not while the floor is measured
        floor += _time(insert, block)
    return {"ours": ours, "floor": floor}


def _time(call: Callable[[], object], count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["copy", "single"])
    parser.add_argument("count", type=int)
    parser.add_argument("size", type=int)
    given = parser.parse_args()
    measure = copy if given.what == "copy" else single
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as bare:
        print(json.dumps(measure(bare, given.count, given.size)))


if __name__ == "__main__":
    main()
