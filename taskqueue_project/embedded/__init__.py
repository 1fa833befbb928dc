"""A real PostgreSQL and a real Valkey for development, started and stopped by `manage.py up`."""

from __future__ import annotations
