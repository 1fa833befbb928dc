"""Django database backend: the embedded PostgreSQL, found at the moment of connecting."""

from __future__ import annotations
