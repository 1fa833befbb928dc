"""`manage.py doctor`: what is wrong with the live system is found on the real database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from taskqueue_project.embedded.postgres import PostgresServer
from tasks_app import Unique, doctor, queue, task
from tasks_app.doctor import server, storage
from tasks_app.engine.states import Reason, State
from tasks_app.models import Queue, Worker
from tasks_app.queue import partitions
from tasks_app.queue.statements import text
from tests.conftest import private_clusters
from tests.factories import make_queue, make_statistic, make_task, make_worker
from tests.integration.queue.conftest import claim_one, finish_one, register, sql, worker
from tests.processes import ROOT
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["register", "worker"]  # fixtures

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
AGO = timedelta(minutes=5)
STATUS = {"ok": 0, "warning": 1, "problem": 2}


@task(unique=Unique(until="started"))
def until_started(account):
    pass


@task(unique=Unique(period=3600))
def for_an_hour(account):
    pass


def run(*options: str) -> tuple[int, str]:
    """Exit status and output."""
    out = StringIO()
    try:
        call_command("doctor", "--no-color", *options, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def diagnose(*options: str) -> list[dict[str, Any]]:
    """Findings that are not ok, but for the durability that the tests' own server does without."""
    status, out = run("--json", *options)
    answer = json.loads(out)
    assert status == STATUS[answer["status"]]
    assert answer["status"] == max(
        (finding["level"] for finding in answer["findings"]), key=STATUS.__getitem__
    )
    return [
        finding
        for finding in answer["findings"]
        if finding["level"] != "ok" and finding["check"] != "durability"
    ]


def the_finding(*options: str) -> dict[str, Any]:
    (finding,) = diagnose(*options)
    assert finding["remedy"]
    assert finding["rule"]
    return finding


def heal(title: str, id: UUID) -> None:
    """Run what docs/operations.md says under that title."""
    section = OPERATIONS.split(f"### {title}\n")[1].split("\n### ")[0]
    for statement in section.split("```sql\n")[1].split("```")[0].split(";"):
        if statement.strip():
            sql(statement.replace("…", str(id)))


@contextmanager
def without_constraint(name: str) -> Iterator[None]:
    ((definition,),) = sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", name
    )
    sql(f"ALTER TABLE tq_task_live DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        sql("TRUNCATE tq_task_live")
        sql(f"ALTER TABLE tq_task_live ADD CONSTRAINT {name} {definition}")


@pytest.fixture(autouse=True)
def days_ahead(transactional_db: None) -> None:
    queue.make_days()


class TestHealthy:
    def test_a_durable_system_at_work_has_nothing_wrong_and_the_command_says_so(
        self, manage: Callable[..., Any], postgres_server: PostgresServer
    ):
        url = postgres_server.url
        assert manage("migrate", "-v", "0", DATABASE_URL=url).wait(60) == 0
        assert manage("enqueue", "tests.sample.tasks.noop", DATABASE_URL=url).wait(30) == 0
        burst = manage("runworker", "--burst", DATABASE_URL=url)
        assert burst.wait(30) == 0

        quick = manage("doctor", DATABASE_URL=url)
        deep = manage("doctor", "--deep", "--json", DATABASE_URL=url)

        assert quick.wait(30) == 0, quick.output
        assert "Nothing found" in quick.output
        assert "remedy" not in quick.output
        assert deep.wait(30) == 0, deep.output
        answer = json.loads(deep.output)
        assert answer["status"] == "ok"
        assert {finding["check"] for finding in answer["findings"]} >= set(doctor.CHECKS)
        recount = [f for f in answer["findings"] if f["check"] == "statistics"]
        assert [finding["found"] for finding in recount] == ["a recount agrees"]

    def test_tables_that_are_not_there_yet_are_a_problem_and_nothing_else_is_looked_at(
        self, manage: Callable[..., Any], postgres_server: PostgresServer
    ):
        with psycopg.connect(postgres_server.url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE empty")
        url = postgres_server.url.rpartition("/")[0] + "/empty"

        process = manage("doctor", DATABASE_URL=url)

        assert process.wait(30) == 2
        assert "problem  migrations: not applied: 0001_initial, 0002_engine" in process.output
        assert "manage.py migrate" in process.output
        assert "queues" not in process.output

    def test_a_server_that_does_not_answer_is_a_problem(self, manage: Callable[..., Any]):
        process = manage("doctor", DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")

        assert process.wait(30) == 2
        assert "problem  server: not known: " in process.output

    def test_every_state_of_a_task_is_as_it_should_be(self, worker: UUID):
        for state in State:
            if state not in (State.RUNNING, State.GATED):
                make_task(state)
        make_task(State.RUNNING, worker=Worker.objects.get())
        make_statistic("succeeded")
        make_statistic("failed")
        make_statistic("cancelled")

        assert diagnose("--deep") == []

    def test_each_line_says_what_was_found_and_by_which_rule(self):
        status, out = run()

        assert status == 1  # the tests' server is not durable
        assert (
            "ok       unique keys: each has its task (rule: a unique key is held by one task" in out
        )
        assert "warning  durability: off: fsync, full_page_writes (rule: " in out
        assert "\n         remedy: ALTER SYSTEM RESET fsync; " in out
        assert out.endswith("0 problems, 1 warning.\n")

    def test_a_wrong_setting_is_a_problem_of_its_own(self, settings):
        settings.TASKQUEUE = {"LEASE": 2}

        status, out = run()

        assert status == 2
        assert "LEASE" in out


class TestInvariants:
    @pytest.mark.parametrize(
        ("constraint", "change", "rule"),
        [
            ("tq_running_has_worker", "state = 'running', fence = 1", "(I1)"),
            ("tq_attempt_in_bounds", "attempt = 4", "(I12)"),
            ("tq_ready_has_position", "position = NULL", "a place in its queue"),
            ("tq_gated_has_reason", "state = 'gated', position = NULL", "a reason to wait"),
        ],
    )
    def test_a_row_that_its_constraint_would_have_refused(
        self, worker: UUID, constraint: str, change: str, rule: str
    ):
        made = make_task()
        with without_constraint(constraint):
            sql(f"UPDATE tq_task_live SET {change}")
            found = {finding["check"]: finding for finding in diagnose()}

        assert constraint in found["constraints"]["found"]
        assert rule in found["live tasks"]["rule"]
        assert str(made.id) in found["live tasks"]["found"]
        assert found["live tasks"]["level"] == "problem"

    def test_a_rank_below_the_priority(self, worker: UUID):
        make_task(priority=5)
        sql("UPDATE tq_task_live SET rank = -9")
        assert diagnose() == []  # ageing

        sql("UPDATE tq_task_live SET rank = -4")

        assert "claimed later" in the_finding()["rule"]

    def test_a_task_that_is_live_and_has_ended(self, worker: UUID):
        id = uuid7()
        make_task(State.SUCCEEDED, id=id)
        sql(
            "INSERT INTO tq_task_live (id, name, queue, backend, priority, args, kwargs, max_attempts)"
            " VALUES (%s, 'shop.tasks.send_receipt', 'default', 'default', 0, '[]', '{}', 3)",
            id,
        )

        finding = the_finding()

        assert finding["level"] == "problem"
        assert finding["found"] == f"1 task live although ended, such as {id}"
        heal("A task that ended twice", id)
        assert diagnose() == []

    def test_a_task_that_ended_twice(self):
        ended = make_task(State.FAILED)
        sql(
            "CREATE TEMPORARY TABLE again AS SELECT * FROM tq_task_history;"
            "UPDATE again SET finished_at = finished_at + interval '1 day';"
            "INSERT INTO tq_task_history SELECT * FROM again; DROP TABLE again"
        )

        assert the_finding()["found"] == f"1 task ended twice, such as {ended.id}"
        heal("A task that ended twice", ended.id)
        assert diagnose() == []
        assert sql("SELECT finished_at FROM tq_task_history") == [(ended.finished_at,)]

    def test_a_task_under_a_worker_of_which_there_is_no_row(self, worker: UUID):
        tasks.noop.enqueue()
        claim_one(worker)
        assert diagnose() == []

        Worker.objects.all().delete()

        assert "no row" in the_finding()["found"]
        heal("A task that runs under no worker", sql("SELECT id FROM tq_task_live")[0][0])
        make_worker()
        assert diagnose() == []

    def test_a_task_that_nobody_took_back_from_an_ended_worker(self, worker: UUID):
        tasks.noop.enqueue()
        claim_one(worker)
        queue.retire(worker)
        assert diagnose() == []  # a moment ago

        Worker.objects.update(ended_at=timezone.now() - AGO)

        assert "has ended" in the_finding()["found"]

    def test_a_task_whose_worker_or_own_time_ran_out(self, worker: UUID):
        tasks.noop.enqueue()
        claim_one(worker)
        sql("UPDATE tq_task_live SET deadline_at = now() - interval '70 s'")
        assert diagnose() == []

        sql("UPDATE tq_task_live SET deadline_at = now() - interval '80 s'")
        assert "past their deadline" in the_finding()["found"]

        Worker.objects.update(lease_expires_at=timezone.now() - AGO)
        checks = {finding["check"]: finding["level"] for finding in diagnose()}
        assert checks == {"running tasks": "problem", "workers": "warning"}


class TestUniqueKeys:
    def test_a_key_without_its_task_and_a_task_without_its_key(self, worker: UUID):
        tasks.once.enqueue(1)
        assert diagnose() == []

        sql("UPDATE tq_unique SET task_id = %s", uuid7())

        levels = {finding["found"].split(" ", 2)[1]: finding for finding in diagnose()}
        assert levels["key"]["level"] == "problem"
        assert levels["key"]["remedy"].startswith("DELETE FROM tq_unique WHERE key = 'tests.")
        assert levels["task"]["level"] == "warning"

        sql(levels["key"]["remedy"])
        assert [finding["level"] for finding in diagnose()] == ["warning"]

    def test_a_key_that_was_freed_when_its_task_started_is_not_missed(self, worker: UUID):
        until_started.enqueue(1)
        claim = claim_one(worker)
        assert sql("SELECT count(*) FROM tq_unique") == [(0,)]

        assert diagnose() == []
        finish_one(claim, state=State.READY)
        assert diagnose() == []

    def test_a_period_may_outlive_its_task_and_a_task_its_period(self, worker: UUID):
        for_an_hour.enqueue(1)
        finish_one(claim_one(worker))
        assert diagnose() == []

        sql("TRUNCATE tq_unique")
        for_an_hour.enqueue(2)
        sql("TRUNCATE tq_unique")
        assert diagnose() == []


class TestStatistics:
    def test_a_recount_finds_a_row_that_was_removed_past_the_verbs(self, worker: UUID):
        tasks.noop.enqueue_many([(), (), ()])
        claims = queue.claim(["default"], 3, worker)
        for claim in claims:
            finish_one(claim, state=State.FAILED)
        queue.redrive([claims[0].id], by="test")
        queue.purge([claims[1].id], by="test")
        assert diagnose("--deep") == []

        sql("DELETE FROM tq_task_history")

        assert diagnose() == []  # it takes --deep
        finding = the_finding("--deep")
        assert finding["level"] == "problem"
        assert "1 failed counted, 0 kept" in finding["found"]

    def test_there_is_none_once_days_were_dropped(self):
        make_statistic("succeeded", at=datetime.now(UTC) - timedelta(days=31))

        assert diagnose("--deep") == []
        assert "skipped: they are 31 days old" in run("--deep")[1]


class TestServer:
    def test_a_transaction_that_holds_back_vacuum_is_named_with_its_query(self, monkeypatch):
        holder = connection.copy()
        with holder.cursor() as cursor:
            cursor.execute("SET application_name = 'report'")
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 'the figures',\n   pg_backend_pid()")
            pid = cursor.fetchone()[1]
            assert diagnose() == []

            monkeypatch.setattr(server, "MAX_TRANSACTION", 0.0)
            finding = the_finding()

            assert finding["level"] == "warning"
            assert finding["found"].startswith(f"session {pid} (report, ")
            assert "idle in transaction, SELECT 'the figures', pg_backend_pid()" in finding["found"]
            assert finding["remedy"] == f"SELECT pg_terminate_backend({pid})"
        holder.close()

    def test_a_prepared_transaction_and_a_slot_that_nobody_reads(
        self, manage: Callable[..., Any], directory: Path, monkeypatch
    ):
        rules = {"max_prepared_transactions": "2", "wal_level": "logical"}
        postgres = PostgresServer(directory / "postgres", settings=rules)
        private_clusters.append(postgres)
        postgres.start()
        try:
            assert manage("migrate", "-v", "0", DATABASE_URL=postgres.url).wait(60) == 0
            with psycopg.connect(postgres.url, autocommit=True) as admin:
                admin.execute("SELECT pg_create_logical_replication_slot('left', 'pgoutput')")
                admin.execute("BEGIN")
                admin.execute("INSERT INTO tq_queue VALUES ('x', NULL, '', '')")
                admin.execute("PREPARE TRANSACTION 'transfer'")
            process = manage("doctor", DATABASE_URL=postgres.url)
            assert process.wait(30) == 1
            assert "oldest transaction: slot left (pgoutput, inactive) holds for" in process.output
            assert "remedy: SELECT pg_drop_replication_slot('left')" in process.output
            with psycopg.connect(postgres.url, autocommit=True) as admin:
                admin.execute("SELECT pg_drop_replication_slot('left')")
                ((_, *holder),) = admin.execute(text("check_horizon"), {"limit": 9}).fetchall()
            assert holder[:2] == ["prepared", "transfer"]
            assert not server._is_late(*holder)  # until five minutes have passed
            monkeypatch.setattr(server, "MAX_TRANSACTION", 0.0)
            assert server._is_late(*holder)
        finally:
            postgres.stop(immediate=True)
            private_clusters.remove(postgres)

    def test_a_role_that_may_not_see_other_sessions_is_told_so(self):
        holder = connection.copy()
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1")
            sql("CREATE ROLE plain; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
            sql("SET ROLE plain")
            try:
                found = diagnose()
                out = run()[1]
            finally:
                sql("RESET ROLE")
                sql("DROP OWNED BY plain; DROP ROLE plain")
        holder.close()

        assert found == []
        assert "session hidden from this role" in out or "sessions hidden from this role" in out
        assert "GRANT pg_read_all_stats to this role" in out

    def test_what_a_role_may_not_read_is_said_and_the_rest_is_checked(self):
        sql("CREATE ROLE plain; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
        sql("REVOKE SELECT ON tq_unique FROM plain; SET ROLE plain")
        try:
            finding = the_finding()
            out = run()[1]
        finally:
            sql("RESET ROLE")
            sql("DROP OWNED BY plain; DROP ROLE plain")

        assert finding["check"] == "unique keys"
        assert finding["found"] == "not known: permission denied for table tq_unique"
        assert "ok       queues" in out

    def test_a_full_queue_of_notifications(self, monkeypatch):
        for full, overfull, level in ((-1.0, 0.75, "warning"), (-1.0, -1.0, "problem")):
            monkeypatch.setattr(server, "FULL", full)
            monkeypatch.setattr(server, "OVERFULL", overfull)
            finding = the_finding()
            assert (finding["check"], finding["level"]) == ("notifications", level)

    def test_a_clock_that_is_wrong(self, monkeypatch):
        now = server.time.time
        monkeypatch.setattr(server.time, "time", lambda: now() + 60)

        finding = the_finding()

        assert finding["check"] == "clock"
        assert 58 < finding["value"] < 62

    def test_code_older_than_the_tables(self):
        sql(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('tasks_app', '9999_later', now())"
        )
        try:
            assert the_finding()["found"] == "unknown to this code: 9999_later"
        finally:
            sql("DELETE FROM django_migrations WHERE name = '9999_later'")

    def test_it_writes_nothing(self):
        with doctor._reading(1), pytest.raises(Exception, match="read-only transaction"):
            sql("INSERT INTO tq_queue VALUES ('x', NULL, '', '')")


class TestStorage:
    def test_days_that_are_missing(self):
        today = datetime.now(UTC).date()
        tables = [
            f"tq_task_history_{today + timedelta(n):%Y%m%d}"
            for n in range(partitions.DAYS_AHEAD, -1, -1)
        ]
        try:
            sql(f"DROP TABLE {tables[0]}")
            assert diagnose() == []  # within the hour after midnight
            sql(f"DROP TABLE {tables[1]}")
            assert the_finding()["level"] == "warning"
            sql(f"DROP TABLE {', '.join(tables[2:-2])}")
            finding = the_finding()
            assert finding["level"] == "problem"
            assert finding["found"] == "today and the next 1 day are there"
            sql(f"DROP TABLE {', '.join(tables[-2:])}")
            assert "the day of today" in the_finding()["found"]
        finally:
            queue.make_days()

    def test_a_day_that_was_detached_and_left(self):
        name = f"tq_task_history_{datetime.now(UTC).date():%Y%m%d}"
        sql(f"ALTER TABLE tq_task_history DETACH PARTITION {name}")
        try:
            assert the_finding()["remedy"] == f"attach {name}"
        finally:
            sql(f"DROP TABLE {name}")
            queue.make_days()

    def test_a_day_past_the_retention_and_a_default_partition(self, settings):
        settings.TASKQUEUE = {"RETENTION_DAYS": 5}
        old, recent = (datetime.now(UTC).date() - timedelta(days=n) for n in (7, 6))
        for day in (old, recent):
            sql(
                f"CREATE TABLE tq_task_history_{day:%Y%m%d} PARTITION OF tq_task_history"
                f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(1)} 00:00+00')"
            )
        sql("CREATE TABLE tq_task_history_rest PARTITION OF tq_task_history DEFAULT")
        try:
            found = diagnose()
        finally:
            sql("DROP TABLE tq_task_history_rest")
            queue.prune()
            sql(f"DROP TABLE IF EXISTS tq_task_history_{recent:%Y%m%d}")

        assert [finding["level"] for finding in found] == ["warning", "problem"]
        assert f"1 day past the retention, the oldest of {old}" in found[0]["found"]
        assert found[1]["found"] == "tq_task_history_rest is a default partition"

    def test_indexes_that_are_invalid_twice_there_or_swollen(self, monkeypatch, worker: UUID):
        sql("CREATE INDEX tq_live_again ON tq_task_live (run_at) WHERE state = 'scheduled'")
        try:
            assert the_finding()["found"] == "tq_live_again does what tq_live_due does"
            sql(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tq_live_again'::regclass"
            )
            assert the_finding()["found"] == "tq_live_again is invalid"
        finally:
            sql("DROP INDEX tq_live_again")

        monkeypatch.setattr(storage, "INDEX_BYTES", 100_000)
        tasks.noop.enqueue_many([()] * 5_000)
        sql("DELETE FROM tq_task_live")
        sql("VACUUM (ANALYZE, INDEX_CLEANUP on) tq_task_live")
        names = {finding["found"].split()[0] for finding in diagnose()}
        assert "tq_task_live_pkey" in names
        sql("REINDEX TABLE tq_task_live")
        assert diagnose() == []

    def test_dead_rows_that_nobody_removes(self, worker: UUID, monkeypatch):
        monkeypatch.setattr(storage, "NEVER_VACUUMED", 6_000)
        sql("SELECT pg_stat_reset_single_table_counters('tq_task_live'::regclass)")
        tasks.noop.enqueue_many([()] * 6_000)
        sql("ALTER TABLE tq_task_live SET (autovacuum_enabled = false)")
        try:
            sql("UPDATE tq_task_live SET metadata = '{}'")
            sql("SELECT pg_stat_force_next_flush()")
            found = diagnose()
        finally:
            sql("ALTER TABLE tq_task_live RESET (autovacuum_enabled)")

        assert [finding["check"] for finding in found] == ["live table", "live table"]
        assert "never vacuumed" in found[0]["found"]
        assert found[1]["found"] == "autovacuum is off for it"
        queue.vacuum()
        sql("SELECT pg_stat_force_next_flush()")
        assert diagnose() == []

    def test_history_that_was_never_analyzed(self, monkeypatch):
        monkeypatch.setattr(storage, "ANALYZE_ROWS", 1)
        sql("SELECT pg_stat_reset_single_table_counters('tq_task_history'::regclass)")
        make_task(State.SUCCEEDED)
        sql("SELECT pg_stat_force_next_flush()")

        assert the_finding()["check"] == "analyze"
        queue.analyze()
        sql("SELECT pg_stat_force_next_flush()")
        assert diagnose() == []


class TestFlow:
    def test_no_worker_while_tasks_wait(self):
        assert diagnose() == []

        tasks.noop.enqueue()
        queue.find_queues()

        finding = the_finding()
        assert finding["level"] == "problem"
        assert finding["found"] == "none is alive, and tasks wait in default"
        assert finding["remedy"] == "manage.py runworker --queue default"

    def test_a_queue_that_no_live_worker_serves(self):
        make_worker(queues=["mail"])
        make_task(queue="mail")
        assert diagnose() == []

        make_task(queue="reports")

        assert the_finding()["found"] == "none of 1 serves reports, where tasks wait"

    def test_a_paused_queue_with_tasks_says_who_and_why(self):
        queue.pause("default", by="ada", reason="the bank is down")
        assert diagnose() == []

        make_task()

        finding = the_finding()
        assert finding["level"] == "warning"
        assert "by ada: the bank is down; 1 task ready in it" in finding["found"]
        Queue.objects.update(paused_at=None)
        assert the_finding()["check"] == "workers"

    def test_a_task_that_waits_although_there_is_room(self):
        busy = make_worker(slots=1)
        make_task(State.RUNNING, worker=busy)
        make_task(run_at=timezone.now() - AGO)
        assert diagnose() == []

        make_worker("idle")

        finding = the_finding()
        assert finding["found"].startswith("a task of default has waited for 5 m")
        assert "8 slots are free" in finding["found"]

    def test_a_worker_whose_lease_ended_and_whom_nobody_declared_dead(self):
        make_worker(lease_expires_at=timezone.now() - AGO)

        assert "the lease of worker-1 (process 4711 of host.example.org)" in the_finding()["found"]

    @pytest.mark.parametrize(
        ("state", "column", "found"),
        [
            (State.SCHEDULED, "run_at", "1 task due, and not ready"),
            (State.SCHEDULED, "expires_at", "1 task expired, and not ended"),
        ],
    )
    def test_what_upkeep_left_undone(self, state: State, column: str, found: str):
        made = make_task(state, **{column: timezone.now() - timedelta(seconds=30)})
        assert diagnose() == []

        sql(
            f"UPDATE tq_task_live SET {column} = now() - interval '90 s' WHERE id = %s",
            made.id,
        )

        assert the_finding()["found"].startswith(f"{found}, for 1 m 30 s")

    def test_gated_tasks_by_their_reason(self):
        make_queue()
        queue.pause_name("shop.tasks.pay", by="ada", reason="refunds")
        make_task(State.GATED, name="shop.tasks.pay", reason=Reason.NAME_PAUSED)
        make_task(State.GATED, name="shop.tasks.gone", reason=Reason.UNKNOWN_NAME)

        found = " / ".join(finding["found"] for finding in diagnose())

        assert "1 task of shop.tasks.gone wait: no live worker can import it" in found
        assert "1 task of shop.tasks.pay wait: their name is paused for" in found
        assert "by ada: refunds" in found

    def test_a_task_that_is_put_aside_for_nothing(self):
        queue.pause_name("shop.tasks.pay", by="ada")
        queue.resume_name("shop.tasks.pay", by="ada")
        make_task(State.GATED, name="shop.tasks.pay", reason=Reason.NAME_PAUSED)
        assert "nothing is in their way" not in the_finding()["found"]  # resumed just now

        sql("UPDATE tq_audit SET at = at - interval '2 min'")

        assert "nothing is in their way" in the_finding()["found"]
