"""What goes wrong with an embedded server, said so that a command prints it without a traceback."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db.utils import OperationalError


class EmbeddedServerError(CommandError):
    """An embedded server cannot be started, stopped or trusted; the message has the remedy."""


class EmbeddedDatabaseDownError(EmbeddedServerError, OperationalError):
    """The embedded PostgreSQL is not running: for the ORM a lost connection like any other."""
