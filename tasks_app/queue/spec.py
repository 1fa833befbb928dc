"""Spec: one task to be enqueued, as every door makes it from checked input."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

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
    id: UUID = field(default_factory=uuid7)

    @property
    def is_plain(self) -> bool:
        """Whether its columns beyond PLAIN have their defaults."""
        return (
            self.run_at is None
            and self.expires_in is None
            and self.unique is None
            and self.tags == "[]"
            and self.metadata == "{}"
        )

    def columns(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in COLUMNS}
        return values | {"unique_key": self.unique.key if self.unique else None}


COLUMNS = [field.name for field in fields(Spec) if field.name != "unique"]
PLAIN = (
    *("id", "name", "queue", "backend", "priority", "args", "kwargs", "timeout", "max_attempts"),
)
