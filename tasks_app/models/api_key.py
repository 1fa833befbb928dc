"""ApiKey: what lets a program in, with scopes; only a hash of its secret is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

SCOPES = {
    "tasks:read": "tasks_app.view_task",
    "tasks:enqueue": "tasks_app.enqueue_task",
}
"""Scope of a key → the Django permission that lets a person do the same."""

MAX_NAME = 200
FORMAT = re.compile(r"tq_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


def _hash(secret: str) -> str:
    # A fast hash is enough for 256 random bits.
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeyManager(models.Manager["ApiKey"]):
    def issue(
        self, name: str, scopes: list[str], expires_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which nobody can read again. Raises ValueError for an unknown scope."""
        if len(name) > MAX_NAME:
            raise ValueError(
                f"A key's name has at most {MAX_NAME} characters, this one {len(name):,}."
            )
        if not name.strip():
            raise ValueError("A key needs a name that says who uses it.")
        if unknown := sorted(set(scopes) - SCOPES.keys()):
            raise ValueError(f"Unknown scope {unknown[0]!r}: must be one of {', '.join(SCOPES)}.")
        if not scopes:
            raise ValueError(f"A key needs at least one scope: {', '.join(SCOPES)}.")
        prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        key = self.create(
            name=name.strip(),
            prefix=prefix,
            secret_hash=_hash(secret),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
        return key, f"tq_{prefix}_{secret}"

    def authenticate(self, text: str, now: datetime) -> ApiKey | None:
        """The key whose text this is, unless it is revoked or expired."""
        if not (match := FORMAT.fullmatch(text)):
            return None
        prefix, secret = match.groups()
        key = self.filter(prefix=prefix).first()
        if key is None or not hmac.compare_digest(key.secret_hash, _hash(secret)):
            return None
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            return None
        return key


class ApiKey(models.Model):
    name = models.CharField(max_length=MAX_NAME, help_text="Who uses it.")
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=50))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiKeyManager()

    class Meta:
        db_table = "tq_api_key"
        verbose_name = "API key"
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} (tq_{self.prefix}_…)"

    def allows(self, scope: str) -> bool:
        return scope in self.scopes
