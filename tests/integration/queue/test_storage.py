from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Sum

from tasks_app import queue
from tasks_app.engine.states import State
from tasks_app.models import Statistic, Task, Worker
from tests.factories import make_statistic, make_task, make_worker
from tests.integration.queue.conftest import sql
from tests.integration.queue.test_partitions import days
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


def sums() -> dict[tuple[str, str], int]:
    rows = Statistic.objects.values("name", "outcome").annotate(n=Sum("count"))
    return {(row["name"], row["outcome"]): row["n"] for row in rows}


def make_old_statistics() -> None:
    for second in range(0, 300, 7):
        make_statistic("succeeded", 3, at=NOON - timedelta(days=1, seconds=second))
        make_statistic("failed", 1, at=NOON - timedelta(days=9, seconds=second))
        make_statistic("retried", 2, at=datetime.now(UTC) - timedelta(seconds=second))


class TestFold:
    def test_old_seconds_become_minutes_and_older_minutes_hours_with_the_same_sums(self):
        make_old_statistics()
        before = sums()

        queue.fold()

        assert sums() == before
        grains = dict.fromkeys(["retried", "succeeded", "failed"])
        for outcome, seconds in Statistic.objects.values_list("outcome", "seconds").distinct():
            grains[outcome] = seconds
        assert grains == {"retried": 1, "succeeded": 60, "failed": 3600}
        assert Statistic.objects.filter(outcome="failed").count() <= 2

    def test_several_folds_at_once_count_nothing_twice_and_lose_nothing(self, monkeypatch):
        monkeypatch.setattr(queue.storage, "CHUNK", 5)
        make_old_statistics()
        before = sums()

        def fold() -> None:
            queue.fold()
            connection.close()

        threads = [threading.Thread(target=fold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sums() == before

    def test_a_fold_walks_its_index(self):
        make_old_statistics()
        sql("SET enable_seqscan = off")
        try:
            plan = sql(
                "EXPLAIN SELECT id FROM tq_statistic WHERE seconds = 1 AND at < now() ORDER BY at LIMIT 9"
            )
        finally:
            sql("RESET enable_seqscan")

        assert "tq_statistic_grain" in str(plan)


class TestPrune:
    def test_days_past_the_retention_are_dropped_whole_and_the_others_kept(self, settings):
        settings.TASKQUEUE = {"RETENTION_DAYS": 5}
        old = _make_day(6)
        kept = _make_day(5)
        make_task(State.FAILED, finished_at=datetime.now(UTC) - timedelta(days=6))
        make_task(State.FAILED, finished_at=datetime.now(UTC) - timedelta(days=5))

        queue.prune()

        assert old not in days()
        assert kept in days()
        assert Task.objects.count() == 1
        sql(f"DROP TABLE {kept}")

    def test_a_detach_that_was_interrupted_is_brought_to_its_end(self, settings):
        """A reader's transaction keeps the detach from ending until its timeout cancels it."""
        settings.TASKQUEUE = {"RETENTION_DAYS": 5}
        old = _make_day(6)
        reader = connection.copy()
        with reader.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT count(*) FROM tq_task_history")
            sql("SET statement_timeout = '300ms'")
            queue.prune()
            sql("RESET statement_timeout")
            pending = sql(
                "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = %s::regclass", old
            )
            assert pending == [(True,)]
            cursor.execute("COMMIT")
        reader.close()

        queue.prune()

        assert old not in days()

    def test_two_at_once_are_harmless(self, settings):
        settings.TASKQUEUE = {"RETENTION_DAYS": 5}
        old = [_make_day(age) for age in (6, 7, 8)]

        def prune() -> None:
            queue.prune()
            connection.close()

        threads = [threading.Thread(target=prune) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        queue.prune()

        assert not set(old) & set(days())

    def test_workers_that_ended_long_ago_are_forgotten_unless_they_still_hold_a_task(self):
        ended = {"state": Worker.State.DEAD, "ended_at": datetime.now(UTC) - timedelta(days=8)}
        make_worker("gone", **ended)
        holds = make_worker("holds", **ended)
        make_task(State.RUNNING, worker=holds)
        make_worker("alive")

        queue.prune()

        assert set(Worker.objects.values_list("name", flat=True)) == {"holds", "alive"}


class TestVacuum:
    def test_dead_rows_are_removed_when_there_are_many_and_not_again_at_once(self, worker):
        # Not before us.
        sql("ALTER TABLE tq_task_live SET (autovacuum_enabled = false)")
        sql("SELECT pg_stat_reset_single_table_counters('tq_task_live'::regclass)")
        tasks.noop.enqueue_many([()] * 6_000)
        sql("UPDATE tq_task_live SET metadata = '{}'")
        sql("SELECT pg_stat_force_next_flush()")
        sql("ALTER TABLE tq_task_live RESET (autovacuum_enabled)")

        assert queue.vacuum() is True

        sql("SELECT pg_stat_force_next_flush()")
        ((dead,),) = sql(
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'tq_task_live'::regclass"
        )
        assert dead < 100
        assert queue.vacuum() is False

    def test_history_is_analyzed_as_a_whole_and_not_again_at_once(self):
        sql("SELECT pg_stat_reset_single_table_counters('tq_task_history'::regclass)")

        assert queue.analyze() is True
        sql("SELECT pg_stat_force_next_flush()")
        assert queue.analyze() is False


def _make_day(age: int) -> str:
    day = datetime.now(UTC).date() - timedelta(days=age)
    name = f"tq_task_history_{day:%Y%m%d}"
    sql(
        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF tq_task_history"
        f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
    )
    return name
