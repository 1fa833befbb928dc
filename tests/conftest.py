"""Fixtures that more than one kind of test uses."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from taskqueue_project.embedded.postgres import PostgresServer
from tasks_app import events
from tests.cluster import destroy
from tests.processes import ManageProcess, children
from tests.waiting import eventually

PR_SET_CHILD_SUBREAPER = 36

private_clusters: list[PostgresServer] = []


@pytest.fixture(scope="session", autouse=True)
def orphans_come_to_us() -> None:
    """A process whose parent died becomes our child instead of init's, so that none escapes the next fixture."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


@pytest.fixture(autouse=True)
def no_process_is_left_behind(orphans_come_to_us: None) -> Iterator[None]:
    """Fails a test after which processes run that did not run before it."""
    before = children(os.getpid())

    def left() -> dict[int, str]:
        expected = {*before, *(cluster.pid for cluster in private_clusters)}
        return {
            pid: command
            for pid, command in children(os.getpid()).items()
            if pid not in expected and "multiprocessing.resource_tracker" not in command
        }

    yield
    try:
        eventually(lambda: not left(), timeout=5)
    except AssertionError:
        leaked = left()
        for pid in leaked:
            os.kill(pid, signal.SIGKILL)
        pytest.fail(f"processes left behind: {leaked}")


def reachable_directory(name: str) -> Path:
    """An empty directory that the account PostgreSQL runs as can reach, unlike `tmp_path` when we are root."""
    path = (
        Path(settings.VAR_DIR) / f"{os.getpid()}-{re.sub(r'[^a-z0-9]+', '-', name.lower())[-50:]}"
    )
    path.mkdir()
    path.chmod(0o711)
    return path


@pytest.fixture
def directory(request: pytest.FixtureRequest) -> Iterator[Path]:
    path = reachable_directory(request.node.name)
    yield path
    destroy(path / "postgres")
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def private_cluster(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A PostgreSQL for the tests of one file. Durable, unlike the shared one."""
    path = reachable_directory(request.node.name)
    server = PostgresServer(path / "postgres", settings={"shared_buffers": "16MB"})
    private_clusters.append(server)
    yield server
    private_clusters.remove(server)
    server.stop(immediate=True)
    destroy(server.directory)
    path.rmdir()


@pytest.fixture
def postgres_server(private_cluster: PostgresServer) -> PostgresServer:
    """A running PostgreSQL that the test may restart and kill: no other file uses it."""
    private_cluster.start()
    return private_cluster


StartManage = Callable[..., ManageProcess]


@pytest.fixture
def manage(tmp_path: Path) -> Iterator[StartManage]:
    """Starts `manage.py …` processes: `manage("runworker", "--queue", "mail", SETTING="value")`.

    Keyword arguments are the environment. The test has to see each of them end; one that runs on fails it.
    """
    started: list[ManageProcess] = []

    def start(*arguments: str, **environment: str | None) -> ManageProcess:
        log = tmp_path / f"manage-{len(started)}.log"
        process = ManageProcess(list(arguments), log=log, environment=environment)
        started.append(process)
        return process

    yield start
    left = [process for process in started if process.running]
    for process in left:
        process.kill()
    assert not left, "\n".join(f"{process} runs on:\n{process.output[-2000:]}" for process in left)


def other_sessions(cursor: CursorWrapper) -> list[tuple[int, str, str]]:
    cursor.execute(
        """
        SELECT pid, state, query FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        """
    )
    return cursor.fetchall()


@pytest.fixture
def truncate_tasks(transactional_db: None) -> Iterator[None]:
    """Empties the queue's own tables after a test that commits: Django's flush leaves unmanaged tables alone."""
    yield
    events.stop()  # its thread holds a connection, and remembers the queues that are deleted here
    with connection.cursor() as cursor:
        cursor.execute(
            r"""
            SELECT string_agg(format('%I', relname), ', ')
            FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
              AND NOT relispartition AND relname LIKE 'tq\_%'
            """
        )
        if tables := cursor.fetchone()[0]:
            cursor.execute("SET lock_timeout = '10s'")  # a worker left behind fails the test
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY")
            cursor.execute("RESET lock_timeout")


@pytest.fixture(autouse=True)
def truncate_after_commits(request: pytest.FixtureRequest) -> None:
    """Gives every test that commits the fixture above."""
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction", False)
    if commits or "transactional_db" in request.fixturenames:
        request.getfixturevalue("truncate_tasks")
