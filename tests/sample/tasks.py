"""Tasks of every temper. Those that take a ledger append a line to that file: what ran, in which process."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from django.db import connection

from tasks_app import Unique, compat, task
from tests.sample.ledger import note


@task
def noop():
    pass


@task
def add(a, b=1):
    return a + b


@task
async def add_later(a, b):
    await asyncio.sleep(0.01)
    return a + b


@task
def record(ledger, key):
    note(ledger, f"{key} {os.getpid()}")


@task
def record_slowly(ledger, key, seconds):
    note(ledger, f"start {key} {os.getpid()}")
    time.sleep(seconds)
    note(ledger, f"end {key} {os.getpid()}")


@task
def wait_for_file(ledger, key, gate):
    """Run until the file `gate` exists (at most a minute)."""
    note(ledger, f"start {key} {os.getpid()}")
    ends = time.monotonic() + 60
    while not Path(gate).exists() and time.monotonic() < ends:
        time.sleep(0.01)
    note(ledger, f"end {key} {os.getpid()}")


@task(max_attempts=3, backoff=0.01)
def fail(text="no"):
    raise ValueError(text)


@task(max_attempts=3, backoff=0.01, takes_context=True)
def fail_twice(context):
    if context.attempt < 3:
        raise RuntimeError(f"attempt {context.attempt}")
    return context.attempt


def _only_once(exception, result):
    return None if isinstance(exception, KeyError) else 0.01


@task(max_attempts=5, backoff=_only_once)
def fail_for_good():
    raise KeyError("gone")


@task(max_attempts=1)
def return_object():
    return object()


@task(max_attempts=1)
def return_surrogate():
    return {"text": ["fine", "\ud800"]}


@task(max_attempts=1)
def raise_nul():
    raise ValueError("a\x00b \ud800")


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


@task(max_attempts=1)
def raise_unprintable():
    raise Unprintable


@task(max_attempts=1)
def exit_program(status=3):
    sys.exit(status)


@task(max_attempts=1)
async def exit_program_later():
    sys.exit(4)


@task(max_attempts=1)
def interrupt():
    raise KeyboardInterrupt


class Unusual(BaseException):
    pass


@task(max_attempts=1)
def raise_base_exception():
    raise Unusual("odd")


@task(max_attempts=1)
def recurse():
    def again(depth):
        return again(depth + 1)

    return again(0)


@task
def crash(ledger):
    """Kill this very process, as a segmentation fault does."""
    note(ledger, f"crash {os.getpid()}")
    os.kill(os.getpid(), signal.SIGSEGV)
    ctypes.string_at(0)


@task
def exit_process():
    os._exit(0)


@task
def signal_process():
    os.kill(os.getpid(), 40)


@task(timeout=0.3, max_attempts=1)
def sleep_too_long(ledger):
    time.sleep(1.5)
    note(ledger, "slept")


@task(timeout=0.3, max_attempts=1)
async def sleep_too_long_later():
    await asyncio.sleep(30)


@task(queue_name="mail", priority=10)
def mail(ledger, key):
    note(ledger, f"{key} {os.getpid()}")


@task
def use_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


@task(takes_context=True)
def tell_result(context):
    result: compat.TaskResult = context.task_result
    return {"id": result.id, "attempts": result.attempts, "args": result.args}


@task(unique=True)
def once(a=0, b=0):
    pass


def _by_account(account, amount):
    return account


@task(unique=Unique(key=_by_account, on_conflict="replace"))
def sync_account(account, amount):
    return amount
