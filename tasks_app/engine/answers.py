"""What a task may say of itself instead of returning a value. Each may be returned or raised."""

from __future__ import annotations

from tasks_app.engine.retry import MAX_DELAY


class Answer(Exception):
    """Base of the answers; not an error, so it is an exception only in that it can be raised."""

    def __init__(self, reason: str = "") -> None:
        if not isinstance(reason, str):
            raise TypeError(f"{type(self).__name__}: reason={reason!r} must be text.")
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason or type(self).__name__


class Snooze(Answer):
    """Not now: run me again in so many seconds. The attempt does not count."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = _seconds(seconds, "Snooze")

    def __reduce__(self) -> tuple[type[Snooze], tuple[float]]:
        return Snooze, (self.seconds,)


class Retry(Answer):
    """Run me again, after so many seconds or by my backoff. The attempt counts, and the last one fails."""

    def __init__(self, after: float | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.after = None if after is None else _seconds(after, "Retry")

    def __reduce__(self) -> tuple[type[Retry], tuple[float | None, str]]:
        return Retry, (self.after, self.reason)


class Discard(Answer):
    """I fail, and shall not be run again, whatever attempts are left."""


class Cancel(Answer):
    """There is nothing to do any more: I end as cancelled."""


def _seconds(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what}({value!r}): must be a number of seconds.")
    if not 0 <= value <= MAX_DELAY:
        raise ValueError(f"{what}({value!r}): must be from 0 to {MAX_DELAY:,.0f} seconds.")
    return float(value)
