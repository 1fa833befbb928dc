"""Waiting for something to come true: the only place in the tests that sleeps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

about_hints = pytest.mark.skipif(
    os.environ.get("TASKQUEUE_WAKEUP") == "poll", reason="about wake-ups, which are off"
)


def eventually(
    predicate: Callable[[], T],
    timeout: float = 10,
    interval: float = 0.02,
    message: str | Callable[[], str] = "",
) -> T:
    """The first true value of `predicate()`; fails after `timeout` seconds, with `message` if given."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not true within {timeout} s: {said or predicate}")
        time.sleep(interval)
    return value
