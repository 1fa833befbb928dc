"""Spec: one task to be enqueued, as every door makes it from checked input."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from uuid_utils import uuid7

MAX_NAME = 500
"""Characters in the name of a task or a queue."""


@dataclass(frozen=True, slots=True)
class UniqueKey:
    key: str
    until: Literal["started", "finished", "period"]
    """Until when the key is held."""
    period: float | None
    """Seconds for which it is held, with `period`."""
    on_conflict: Literal["skip", "replace", "raise"]


@dataclass(slots=True, kw_only=True)
class Spec:
    """Not frozen, though nobody changes one: a frozen one takes three times as long to make."""

    name: str
    args: str = "[]"
    """JSON text, as `engine.payload.encode` writes it."""
    kwargs: str = "{}"
    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    """Aware; None: now."""
    max_attempts: int = 3
    timeout: float | None = None
    """Seconds."""
    backend: str = "default"
    expires_in: float | None = None
    """Seconds from now in which it has to start."""
    tags: str = "[]"
    metadata: str = "{}"
    """JSON text."""
    unique: UniqueKey | None = None
    id: str = field(default_factory=lambda: str(uuid7()))
    """A UUIDv7 in its text form: to make a UUID of it takes eight times as long, and few ask for more than the text."""

    @property
    def is_plain(self) -> bool:
        """Whether the columns beyond `plain_columns` have their defaults."""
        return (
            self.run_at is None
            and self.expires_in is None
            and self.unique is None
            and self.tags == "[]"
            and self.metadata == "{}"
        )

    def plain_columns(self) -> list[str | None]:
        """Id, name, queue, backend, priority, args, kwargs, timeout and max_attempts, as PostgreSQL reads them."""
        return [
            self.id,
            self.name,
            self.queue,
            self.backend,
            str(self.priority),
            self.args,
            self.kwargs,
            None if self.timeout is None else repr(float(self.timeout)),
            str(self.max_attempts),
        ]

    def columns(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in COLUMNS}
        return values | {"unique_key": self.unique.key if self.unique else None}


COLUMNS = [field.name for field in fields(Spec) if field.name != "unique"]
