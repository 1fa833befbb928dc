"""How readers reach their rows: by index, and only in the half and the days that can hold them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet

from tasks_app import queue
from tasks_app.engine.states import State
from tasks_app.models import Task

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = 3
PER_DAY = 20_000


@pytest.fixture
def history(transactional_db: None) -> Iterator[None]:
    """Some days of ended tasks, a hundredth of them failed, and a few thousand live ones."""
    queue.make_days()
    today = datetime.now(UTC).date()
    made = []
    with connection.cursor() as cursor:
        for age in range(1, DAYS + 1):
            day = today - timedelta(days=age)
            name = f"tq_task_history_{day:%Y%m%d}"
            made.append(name)
            cursor.execute(
                f"CREATE TABLE {name} PARTITION OF tq_task_history"
                f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(1)} 00:00+00')"
            )
            cursor.execute(
                """
                INSERT INTO tq_task_history (id, name, queue, backend, priority, state, reason, args, kwargs,
                    enqueued_at, run_at, fence, attempt, max_attempts, crashes, lease_losses, worker_ids,
                    finished_at, errors)
                SELECT gen_random_uuid(), 'shop.tasks.send', 'default', 'default', 0,
                       CASE WHEN n %% 100 = 0 THEN 'failed' ELSE 'succeeded' END,
                       CASE WHEN n %% 100 = 0 THEN 'exhausted' END, '[]', '{}', at, at, 1, 1, 3, 0, 0, '{}', at, '[]'
                FROM generate_series(1, %s) AS n,
                     LATERAL (SELECT %s::date + n * interval '1 second' AS at) AS t
                """,
                [PER_DAY, day],
            )
        cursor.execute(
            """
            INSERT INTO tq_task_live (id, name, queue, backend, priority, args, kwargs, max_attempts)
            SELECT gen_random_uuid(), 'shop.tasks.send', 'default', 'default', 0, '[]', '{}', 3
            FROM generate_series(1, 5000)
            """
        )
        cursor.execute("ANALYZE tq_task_history")
        cursor.execute("ANALYZE tq_task_live")
        yield
        cursor.execute(f"DROP TABLE {', '.join(made)}")


def plan(tasks: QuerySet[Task]) -> str:
    return tasks.explain()


def days_in(plan: str, how: str = "") -> set[int]:
    """Of the days that hold tasks, how many days ago those are that the plan looks at, by that kind of scan."""
    today = datetime.now(UTC).date()
    names = {
        age: f"{how} on tq_task_history_{today - timedelta(age):%Y%m%d}"
        for age in range(1, DAYS + 1)
    }
    return {age for age, name in names.items() if name in plan}


def test_the_newest_tasks_are_merged_from_the_indexes_of_all_days(history):
    found = plan(Task.objects.newest_first()[:50])

    assert "Merge Append" in found
    assert not days_in(found, "Seq Scan")


def test_a_later_page_starts_where_the_last_one_ended(history):
    last = Task.objects.newest_first().values_list("id", flat=True)[1_000]

    found = plan(Task.objects.newest_first().filter(id__lt=last)[:50])

    assert "Merge Append" in found
    assert not days_in(found, "Seq Scan")


def test_one_task_is_looked_up_by_index_in_each_day(history):
    found = plan(Task.objects.filter(id=Task.objects.values_list("id", flat=True)[0]))

    assert not days_in(found, "Seq Scan")
    assert days_in(found) == {1, 2, 3}


@pytest.mark.parametrize("state", [State.READY, State.RUNNING, State.SCHEDULED])
def test_live_states_are_not_looked_for_in_history(history, state):
    assert "tq_task_history" not in plan(Task.objects.in_state(state))


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_terminal_states_are_not_looked_for_among_the_live(history, state):
    assert "tq_task_live" not in plan(Task.objects.in_state(state))


def test_the_newest_dead_letters_come_from_the_index_of_the_failed(history):
    found = plan(Task.objects.in_state(State.FAILED).newest_first()[:50])

    assert not days_in(found, "Seq Scan")
    assert "Merge Append" in found
    assert "Sort (" not in found
    assert "Filter: (state" not in found


def test_a_time_of_ending_leaves_out_the_other_days(history):
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)

    found = plan(
        Task.objects.in_state(State.FAILED).filter(
            finished_at__gte=day, finished_at__lt=day + timedelta(days=1)
        )
    )

    assert days_in(found) == {2}
