"""How long to wait before the next attempt."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_DELAY = 30 * 24 * 3600.0
"""Seconds; no backoff, built in or of the user's own, waits longer."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """`base * factor ** (attempt - 1) + step * (attempt - 1)` seconds, at most `cap`; with jitter a random part of that
    ("full jitter", Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015)."""

    base: float = 2.0
    factor: float = 2.0
    step: float = 0.0
    cap: float = 3600.0
    jitter: bool = True

    @classmethod
    def fixed(cls, seconds: float, *, jitter: bool = False) -> Backoff:
        """The same wait each time."""
        return cls(base=seconds, factor=1.0, cap=MAX_DELAY, jitter=jitter)

    @classmethod
    def linear(cls, step: float, *, cap: float = 3600.0, jitter: bool = True) -> Backoff:
        """`step` seconds, twice that, three times that."""
        return cls(base=step, factor=1.0, step=step, cap=cap, jitter=jitter)

    @classmethod
    def exponential(
        cls, base: float = 2.0, *, factor: float = 2.0, cap: float = 3600.0, jitter: bool = True
    ) -> Backoff:
        """`base` seconds, then each time `factor` times as long."""
        return cls(base=base, factor=factor, cap=cap, jitter=jitter)

    def __post_init__(self) -> None:
        for field, least in (("base", 0.0), ("factor", 1.0), ("step", 0.0), ("cap", 0.0)):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"Backoff.{field}={value!r}: must be a number.")
            if not least <= value < math.inf:
                raise ValueError(f"Backoff.{field}={value!r}: must be finite and at least {least}.")

    def delay(self, attempt: int, rand: float) -> float:
        """Seconds to wait after attempt number `attempt` (1 is the first); `rand` is uniform in [0, 1)."""
        try:
            grown = self.base * float(self.factor) ** (attempt - 1) if self.base else 0.0
            wait = grown + self.step * (attempt - 1)
        except OverflowError:
            wait = math.inf
        wait = float(min(wait, self.cap, MAX_DELAY))
        return wait * rand if self.jitter else wait


BackoffCallable = Callable[[BaseException, Any], float | None]
"""(exception, TaskResult) → seconds, or None for no further attempt."""


def as_backoff(value: object) -> Backoff | BackoffCallable:
    """The `backoff=` option of a task: a number of seconds, a Backoff, or a callable."""
    if isinstance(value, Backoff):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Backoff.fixed(value)
    if callable(value):
        return value
    raise TypeError(
        f"backoff={value!r}: must be a number of seconds, a Backoff, or a callable of (exception, result)."
    )


def checked_delay(value: object) -> float | None:
    """What a backoff callable returned, as seconds between 0 and MAX_DELAY; raises TypeError or ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"backoff returned {value!r}: must be a number of seconds or None.")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("backoff returned NaN: must be a number of seconds or None.")
    return float(min(max(0, value), MAX_DELAY))
