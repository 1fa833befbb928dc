"""A Django app with the tasks that our own worker runs in the benchmarks."""

from __future__ import annotations
