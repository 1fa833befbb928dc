"""One small application per system: its tasks, and a producer that all systems share. Each runs in its own venv."""

from __future__ import annotations
