"""Settings of the benchmarks: the project's own with the sample tasks, and nothing tuned."""

from __future__ import annotations

from taskqueue_project.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.sample"]  # noqa: F405
