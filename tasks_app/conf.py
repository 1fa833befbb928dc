"""The TASKQUEUE setting as one frozen, validated value; docs/settings.md is its table."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    DATABASE: str = "default"
    """The alias in DATABASES that holds every table of the queue."""
    WAKEUP: str = "notify"
    """`notify`: workers are woken at once; `poll`: they only look every POLL_INTERVAL."""
    MAX_ATTEMPTS: int = 3
    """Attempts of a task that does not say max_attempts."""
    TIMEOUT: float | None = None
    """Seconds an attempt may take when its task does not say timeout; None: no limit."""
    MAX_PAYLOAD_BYTES: int = 1_048_576
    """Largest arguments or result of a task, as JSON."""
    POLL_INTERVAL: float = 1.0
    """Seconds between two looks of an idle worker, jittered."""
    LEASE: float = 30.0
    """Seconds without a beat after which a worker is dead, whatever else is known of it."""
    DRAIN_GRACE: float = 30.0
    """Seconds that running tasks get after SIGTERM before they are given back."""

    AGEING: float = 60.0
    """Seconds of waiting that count as much as one step of priority."""
    RETENTION_DAYS: int = 30
    """Days for which ended tasks are kept, dead letters too."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not _fits(value, field.default):
                raise ImproperlyConfigured(
                    f"TASKQUEUE[{field.name!r}]={value!r}: must be {_rule(field.default)}."
                )
        if self.WAKEUP not in ("notify", "poll"):
            raise ImproperlyConfigured(
                f"TASKQUEUE['WAKEUP']={self.WAKEUP!r}: must be 'notify' or 'poll'."
            )
        if self.DATABASE not in django_settings.DATABASES:
            raise ImproperlyConfigured(
                f"TASKQUEUE['DATABASE']={self.DATABASE!r}: no such alias in DATABASES."
            )
        if self.LEASE < 5:
            raise ImproperlyConfigured(
                f"TASKQUEUE['LEASE']={self.LEASE!r}: must be at least 5 seconds, several beats."
            )


def _fits(value: object, default: object) -> bool:
    if value is None:
        return default is None
    if isinstance(value, bool):
        return False
    if isinstance(default, str):
        return isinstance(value, str)
    if isinstance(default, int):
        return isinstance(value, int) and value >= 1
    return isinstance(value, int | float) and 0 < value < 10**9


def _rule(default: object) -> str:
    if isinstance(default, str):
        return "a string"
    if isinstance(default, int):
        return "a whole number of at least 1"
    return "a positive number of seconds" + (" or None" if default is None else "")


@cache
def settings() -> Settings:
    """The settings in force. Raises ImproperlyConfigured, with the nearest name for an unknown key."""
    given: Any = getattr(django_settings, "TASKQUEUE", {})
    if not isinstance(given, dict):
        raise ImproperlyConfigured(f"TASKQUEUE={given!r}: must be a dictionary.")
    known = [field.name for field in fields(Settings)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
            raise ImproperlyConfigured(f"TASKQUEUE has the unknown key {key!r}.{hint}")
    return Settings(**given)


def is_pooled(database: Mapping[str, Any]) -> bool:
    """Whether Django was told, in this entry of DATABASES, that a session is not its own: behind a pooler in transaction
    mode, or with psycopg's pool."""
    return bool(database.get("DISABLE_SERVER_SIDE_CURSORS") or database["OPTIONS"].get("pool"))


def _forget(*, setting: str, **_: object) -> None:
    if setting in ("TASKQUEUE", "DATABASES"):
        settings.cache_clear()


setting_changed.connect(_forget)
