"""Tasks of every temper. Those that take a ledger append a line to that file: what ran, in which process."""

from __future__ import annotations

import asyncio
import builtins
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from django.db import connection

from tasks_app import Backoff, Cancel, Discard, Retry, Snooze, Unique, compat, task
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


ANSWERS = {"Snooze": Snooze, "Retry": Retry, "Discard": Discard, "Cancel": Cancel}


def _answer(kind, arguments, raised):
    answer = ANSWERS[kind](**arguments)
    if raised:
        raise answer
    return answer


@task(max_attempts=2, backoff=Backoff.fixed(60))
def answer(kind, arguments, raised=False):
    return _answer(kind, arguments, raised)


@task(max_attempts=2, backoff=Backoff.fixed(60), takes_context=True)
def answer_in_context(context, kind, arguments, raised=False):
    assert context.attempt == 1
    return _answer(kind, arguments, raised)


@task(max_attempts=2, backoff=Backoff.fixed(60))
async def answer_later(kind, arguments, raised=False):
    await asyncio.sleep(0)
    return _answer(kind, arguments, raised)


@task(max_attempts=2, backoff=Backoff.fixed(60), takes_context=True)
async def answer_later_in_context(context, kind, arguments, raised=False):
    await asyncio.sleep(0)
    assert context.attempt == 1
    return _answer(kind, arguments, raised)


class NotNow(Snooze):
    def __init__(self):
        super().__init__(30)


class NotMine(Discard):
    pass


@task
def answer_with_its_own_class(kind):
    raise NotNow if kind == "NotNow" else NotMine("theirs")


def _raise(name):
    raise getattr(builtins, name)("as told")


@task(max_attempts=2, backoff=60, retry_on=OSError, discard_on=(FileNotFoundError, EOFError))
def retried_on_os_errors(name):
    _raise(name)


@task(max_attempts=2, backoff=60, discard_on=(LookupError, ArithmeticError))
def discarded_on_lookup_and_arithmetic_errors(name):
    _raise(name)


@task(max_attempts=2, backoff=60, retry_on=())
def retried_on_nothing(name=None):
    if name is None:
        return Retry()
    return _raise(name)


@task(max_attempts=2, backoff=60, discard_on=Exception)
def retried_only_when_it_asks():
    raise Retry(reason="locked")


@task(max_attempts=2, backoff=60, timeout=0.05, discard_on=TimeoutError)
async def discarded_on_timeout():
    await asyncio.sleep(30)


@task(max_attempts=2, backoff=60, timeout=0.05, retry_on=TimeoutError)
async def retried_on_timeout():
    await asyncio.sleep(30)


@task(max_attempts=2, backoff=60, timeout=0.05, retry_on=KeyError)
async def retried_on_all_but_timeout():
    await asyncio.sleep(30)


@task(max_attempts=2, backoff=60)
def enqueue_what_is_no_json():
    add.enqueue("\x00")


def _exit(exception, result):
    raise SystemExit(3)


@task(max_attempts=2, backoff=_exit)
def fail_with_a_backoff_that_exits():
    raise ValueError


def _as_told(exception, result):
    return exception.after if isinstance(exception, Retry) else result.args[0]


@task(max_attempts=2, backoff=_as_told)
def fail_and_wait_as_told(seconds):
    raise ValueError


@task(max_attempts=2, backoff=_as_told)
def ask_for_another_attempt_that_its_backoff_refuses():
    return Retry()


@task(max_attempts=3, backoff=0.05)
def tempered(ledger, key, temper):
    """Notes that it ran, and then does what its temper says."""
    note(ledger, f"{key} {os.getpid()}")
    match temper:
        case "fails":
            raise ValueError(key)
        case "fails sometimes" if key % 2:
            raise ValueError(key)
        case "snoozes" if time.time() % 1 > 0.2:
            return Snooze(0.05)
        case "dies":
            os._exit(9)
        case "is slow":
            time.sleep(0.5)
        case "withdraws":
            raise Cancel("nothing to do")
    return key
