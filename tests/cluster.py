"""pytest plugin: one PostgreSQL for the whole run, in place before Django's settings are read.

The controller of pytest-xdist (or the only process) starts it and hands it to the workers in the environment. Each
run has a directory var/test/<pid> of its own, locked while it lives; what a crashed run left is cleared by the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from taskqueue_project.embedded.files import make_directory
from taskqueue_project.embedded.lock import lock
from taskqueue_project.embedded.place import elsewhere
from taskqueue_project.embedded.postgres import PostgresServer
from tests.system_postgres import SystemPostgres
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "var" / "test"

# Nothing of a test run has to outlive a crash of the machine. Tests about durability have `postgres_server`.
FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


@pytest.hookimpl(wrapper=True)  # before pytest-django's, which reads the settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        run = _own_directory(early_config)
        os.environ["TASKQUEUE_VAR"] = str(run)
        os.environ.setdefault("SECRET_KEY", "of the tests")
        if not os.environ.get("DATABASE_URL"):
            version = os.environ.get("TEST_POSTGRES")
            server = (
                SystemPostgres(version, FAST)
                if version
                else PostgresServer(run / "postgres", settings=FAST)
            )
            server.start()
            early_config.add_cleanup(partial(server.stop, immediate=True))
            os.environ["DATABASE_URL"] = server.url
    return (yield)


def destroy(directory: Path) -> None:
    """Stop the PostgreSQL of `directory`, if it runs, and remove all that belongs to it."""
    PostgresServer(directory).stop(immediate=True)
    shutil.rmtree(elsewhere(directory), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _own_directory(config: pytest.Config) -> Path:
    make_directory(ROOT / "var")
    make_directory(RUNS)
    # One run at a time: a directory that is not locked yet would look like a crashed run's.
    gate = eventually(lambda: lock(RUNS), timeout=60, message=f"{RUNS} is locked by another run")
    try:
        for left in RUNS.glob("[0-9]*"):
            if (held := lock(left)) is not None:
                _clear(left, held)
        run = RUNS / str(os.getpid())
        make_directory(run)
        held = lock(run)
        assert held is not None
        config.add_cleanup(partial(_clear, run, held))
        return run
    finally:
        os.close(gate)


def _clear(run: Path, held: int) -> None:
    for password in run.rglob("postgres*/password"):
        destroy(password.parent)
    shutil.rmtree(run, ignore_errors=True)
    os.close(held)
