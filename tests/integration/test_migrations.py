"""A database of an older version, with tasks in it, is brought up to date and goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from taskqueue_project.embedded.postgres import PostgresServer


def test_tasks_of_the_first_version_are_claimed_by_their_priority_after_the_second(
    manage: Callable[..., Any], postgres_server: PostgresServer
):
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE older")
    url = postgres_server.url.rpartition("/")[0] + "/older"
    assert manage("migrate", "-v", "0", "tasks_app", "0001", DATABASE_URL=url).wait(60) == 0
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(
            """
            INSERT INTO tq_task_live (id, name, queue, backend, priority, state, position, args, kwargs, max_attempts)
            SELECT gen_random_uuid(), 'tests.sample.tasks.noop', 'default', 'default', priority, 'ready',
                   nextval('tq_position'), '[]', '{}', 3
            FROM unnest(ARRAY[0, -5, 5]) AS priority
            """
        )

        assert manage("migrate", "-v", "0", DATABASE_URL=url).wait(60) == 0
        ranks = database.execute("SELECT rank FROM tq_task_live ORDER BY position").fetchall()
        assert manage("runworker", "--burst", "--threads", "1", DATABASE_URL=url).wait(60) == 0
        order = database.execute(
            "SELECT priority FROM tq_task_history ORDER BY first_started_at, priority DESC"
        ).fetchall()

    assert ranks == [(0,), (5,), (-5,)]
    assert order == [(5,), (0,), (-5,)]
