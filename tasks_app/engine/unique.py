"""When two calls of a task count as the same, and what becomes of the second."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MAX_KEY = 200
"""Characters of a key that is kept as it is; a longer one is kept as a hash."""
MAX_PERIOD = 366 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """Of the calls that share a key, one task at a time is in the queue. Raises TypeError or ValueError for bad values."""

    key: Callable[..., object] | None = None
    """Gets the call's arguments, answers text or a number; None: all arguments make the key."""
    until: Literal["started", "finished"] = "finished"
    """Until when the first holds the key."""
    period: float | None = None
    """Seconds for which it holds the key, instead, whatever becomes of it."""
    on_conflict: Literal["skip", "replace", "raise"] = "skip"
    """The second call: gives the first one's id, gives the first its own arguments if it still waits, or raises."""

    def __post_init__(self) -> None:
        if self.key is not None and not callable(self.key):
            raise TypeError(f"Unique.key={self.key!r}: must be a function of the arguments.")
        if self.until not in ("started", "finished"):
            raise ValueError(f"Unique.until={self.until!r}: must be 'started' or 'finished'.")
        if self.on_conflict not in ("skip", "replace", "raise"):
            raise ValueError(
                f"Unique.on_conflict={self.on_conflict!r}: must be 'skip', 'replace' or 'raise'."
            )
        period: object = self.period
        if period is None:
            return
        if isinstance(period, bool) or not isinstance(period, int | float):
            raise TypeError(f"Unique.period={period!r}: must be a number of seconds.")
        if not 0 < period <= MAX_PERIOD:
            raise ValueError(
                f"Unique.period={period!r}: must be more than 0 and at most {MAX_PERIOD:,.0f} s."
            )

    def key_of(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """The key of this call of the task. Raises TypeError if the function of the key answers something else."""
        if self.key is None:
            # Arguments are encodable by now; `default` is for what encode turns into JSON and the standard library does not.
            call = json.dumps([args, kwargs], sort_keys=True, default=_plain)
            return f"{name}:{_hash(call)}"
        value = self.key(*args, **kwargs)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise TypeError(
                f"{name}: the key of its unique= is {value!r}, must be text or a number."
            )
        text = str(value)
        return f"{name}:{text if len(text) <= MAX_KEY and text.isprintable() else _hash(text)}"


def _plain(value: Mapping[str, Any] | bytes) -> object:
    return value.decode() if isinstance(value, bytes) else dict(value)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
