"""What PostgreSQL itself costs: our statements and rows without our code, beside our own calls, in one process."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import django
import psycopg

django.setup()

from psycopg.pq import ExecStatus  # noqa: E402
from uuid_utils.compat import uuid7  # noqa: E402

from benchmarks.sample.tasks import noop  # noqa: E402
from tasks_app import events  # noqa: E402
from tasks_app.queue import statements  # noqa: E402

INSERT = statements.text("enqueue_one")
COPY = statements.text("enqueue_copy")


def copy(bare: psycopg.Connection[Any], count: int, size: int) -> dict[str, Any]:
    """Seconds of each COPY of `size` rows; making their text is not counted."""
    seconds = []
    for _ in range(count // size):
        line = f"\t{noop.module_path}\tdefault\tdefault\t0\t0\t[]\t{{}}\t\\N\t3\n"
        text = "".join(f"{uuid7()}{line}" for _ in range(size))
        began = time.perf_counter()
        with bare.cursor().copy(COPY) as target:
            target.write(text)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def single(bare: psycopg.Connection[Any], count: int, block: int) -> dict[str, Any]:
    """Seconds of each enqueue() in autocommit, and of the same INSERT by psycopg and by libpq, in alternating blocks."""

    def values() -> list[str | None]:
        shared = ["default", "default", "0", "[]", "{}", None, "3"]
        return [str(uuid7()), noop.module_path, *shared]

    def by_psycopg() -> None:
        bare.execute(INSERT, values())  # prepared by itself when it has been run a few times

    def by_libpq() -> None:
        encoded: Any = [value and value.encode() for value in values()]
        result = bare.pgconn.exec_prepared(b"floor", encoded)
        assert result.status == ExecStatus.COMMAND_OK, bare.pgconn.get_error_message()

    prepared = bare.pgconn.prepare(b"floor", INSERT.encode())
    assert prepared.status == ExecStatus.COMMAND_OK, bare.pgconn.get_error_message()
    calls: dict[str, Callable[[], object]] = {
        "ours": noop.enqueue,
        "psycopg": by_psycopg,
        "libpq": by_libpq,
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(count // block + 1):
        for name, call in calls.items():
            seconds = _time(call, block)
            events.flush()  # the hint has its own thread and connection: not while another is measured
            if number:  # the first block connects and warms up
                found[name] += seconds
    return found


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
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor) as bare:
        print(json.dumps(measure(bare, given.count, given.size)))


if __name__ == "__main__":
    main()
