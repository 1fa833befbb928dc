"""The other task queues, each as its makers advise for many small tasks. Installing one may raise NotInstalled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import install
from benchmarks.systems import Drain, System

CELERY_PREFETCH = 128
DRAMATIQ_PREFETCH = 200

DJANGO = "Django>=5.2,<6.2"
PSYCOPG = "psycopg[binary]>=3.3,<4"


def procrastinate(directory: Path) -> System:
    python = install.venv(directory, ["procrastinate>=3.10,<4", PSYCOPG])
    worker: list[str | Path] = [python, "-m", "procrastinate", "--log-level", "warning"]
    worker += ["--app", "benchmarks.apps.procrastinate_app.app", "worker", "--queues", "default"]
    concurrency = 10  # the best of 1, 4, 10 and 30, see README.md
    rows = "INSERT INTO procrastinate_jobs (queue_name, task_name{}) SELECT {} FROM generate_series(1, %(count)s)"
    return System(
        name="procrastinate",
        producer=[python, "-m", "benchmarks.apps.procrastinate_app"],
        versions=install.python_versions(python, ("procrastinate", "psycopg")),
        tables="procrastinate_jobs, procrastinate_events, procrastinate_workers",
        outcomes="""
            SELECT count(*) FILTER (WHERE type = 'succeeded'), extract(epoch FROM max(at) - min(at))
            FROM procrastinate_events WHERE type IN ('started', 'succeeded') AND at >= %(since)s
        """,
        drains=[
            Drain(
                f"2 processes, concurrency {concurrency}, async task",
                [[*worker, "--concurrency", str(concurrency), "--one-shot"]] * 2,
            )
        ],
        idle=[*worker, "--concurrency", "4"],
        idle_label="1 process, concurrency 4, LISTEN/NOTIFY",
        loads={
            "history": rows.format(", status", "'default', 'noop', 'succeeded'"),
            "deep": rows.format("", "'backlog', 'noop'"),
            "deep-same": rows.format("", "'default', 'noop'"),
            "scheduled": rows.format(
                ", scheduled_at", "'default', 'noop', now() + interval '1 day'"
            ),
        },
        bulk_label="batch_defer, 1,000 a call",
    )


def pgqueuer(directory: Path) -> System:
    python = install.venv(directory, ["pgqueuer[asyncpg]>=1.6,<2", "uvloop"])
    worker: list[str | Path] = [python, "-m", "benchmarks.apps.pgqueuer_worker"]
    rows = "INSERT INTO pgqueuer (priority, status, entrypoint{}) SELECT 0, 'queued', {} FROM generate_series(1, %(count)s)"
    return System(
        name="pgqueuer",
        producer=[python, "-m", "benchmarks.apps.pgqueuer_app"],
        versions=install.python_versions(python, ("pgqueuer", "asyncpg", "uvloop")),
        tables="pgqueuer, pgqueuer_log, pgqueuer_statistics",
        outcomes="""
            SELECT count(*) FILTER (WHERE status = 'successful'), extract(epoch FROM max(created) - min(created))
            FROM pgqueuer_log WHERE status IN ('picked', 'successful') AND created >= %(since)s
        """,
        drains=[
            Drain(
                f"2 processes, batch {batch}, async entrypoint",
                [[*worker, "--batch-size", str(batch), "--mode", "drain"]] * 2,
            )
            for batch in (200, 10)
        ],
        idle=worker,
        idle_label="1 process, batch 10, LISTEN/NOTIFY",
        loads={
            "history": """
                INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint)
                SELECT now() - interval '1 day', n, 'successful', 0, 'noop' FROM generate_series(1, %(count)s) AS n
            """,
            "deep": rows.format("", "'backlog'"),
            "deep-same": rows.format("", "'noop'"),
            "scheduled": rows.format(", execute_after", "'noop', now() + interval '1 day'"),
        },
        bulk_label="enqueue of lists, 1,000 a call",
    )


def django_tasks_db(directory: Path) -> System:
    python = install.venv(directory, ["django-tasks-db[compat]>=0.13,<0.14", DJANGO, PSYCOPG])
    worker: list[str | Path] = [python, "-m", "django", "db_worker"]
    worker += ["--no-startup-delay", "-v", "0"]
    rows = """
        INSERT INTO django_tasks_database_dbtaskresult
            (id, status, enqueued_at, args_kwargs, priority, task_path, worker_ids, queue_name, backend_name,
             run_after, exception_class_path, traceback, finished_at)
        SELECT uuidv4(), {}, now(), '{{"args": [], "kwargs": {{}}}}', 0,
               'benchmarks.apps.django_tasks_db_tasks.noop', '[]', {}, 'default', {}, '', '', {}
        FROM generate_series(1, %(count)s)
    """
    return System(
        name="django-tasks-db",
        producer=[python, "-m", "benchmarks.apps.django_tasks_db_app"],
        versions=install.python_versions(python, ("django-tasks-db", "Django", "psycopg")),
        tables="django_tasks_database_dbtaskresult",
        outcomes="""
            SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))
            FROM django_tasks_database_dbtaskresult WHERE status = 'SUCCESSFUL' AND finished_at >= %(since)s
        """,
        drains=[Drain("2 processes, one task at a time", [[*worker, "--batch"]] * 2)],
        idle=worker,
        idle_label="1 process, polls every second",
        loads={
            "history": rows.format(
                "'SUCCESSFUL'", "'default'", "now()", "now() - interval '1 day'"
            ),
            "deep": rows.format("'READY'", "'backlog'", "now()", "NULL"),
            "deep-same": rows.format("'READY'", "'default'", "now()", "NULL"),
            "scheduled": rows.format("'READY'", "'default'", "now() + interval '1 day'", "NULL"),
        },
        environment={"DJANGO_SETTINGS_MODULE": "benchmarks.apps.django_tasks_db_settings"},
        bulk_label="no bulk call: 1,000 enqueue() in one transaction",
        slow=True,
        polls=True,
    )


def huey(directory: Path) -> System:
    python = install.venv(directory, ["huey>=3.5,<4", PSYCOPG])
    worker: list[str | Path] = [python, "-m", "huey.bin.huey_consumer"]
    worker += ["benchmarks.apps.huey_app.huey", "--quiet", "--graceful-signal", "TERM"]
    return System(
        name="huey",
        producer=[python, "-m", "benchmarks.apps.huey_app"],
        versions=install.python_versions(python, ("huey", "psycopg")),
        tables="huey_task, huey_schedule, huey_kv, huey_counter",
        outcomes="",
        drains=[
            Drain(
                "1 consumer, 2 worker processes, one task at a time, in PostgreSQL",
                [[*worker, "--worker-type", "process", "--workers", "2"]],
            )
        ],
        idle=[*worker, "--worker-type", "thread", "--workers", "4"],
        idle_label="1 process, 4 threads, LISTEN/NOTIFY",
        loads={
            "deep": "INSERT INTO huey_task (queue, data) SELECT 'backlog', '\\x00' FROM generate_series(1, %(count)s)",
            "scheduled": """
                INSERT INTO huey_schedule (queue, data, timestamp)
                SELECT 'bench', '\\x00', extract(epoch FROM now() + interval '1 day')
                FROM generate_series(1, %(count)s)
            """,
        },
        bulk_label="no bulk call: 1,000 calls, each a transaction",
        slow=True,
    )


def django_ox(directory: Path) -> System:
    python = install.venv(directory, ["django-ox>=1.9,<2", DJANGO, PSYCOPG], install.newer_python())
    worker: list[str | Path] = [python, "-m", "django", "ox_worker", "-v", "0"]
    return System(
        name="django-ox",
        producer=[python, "-m", "benchmarks.apps.django_ox_app"],
        versions=install.python_versions(python, ("django-ox", "Django", "psycopg")),
        tables="django_ox_oxtask",
        outcomes="""
            SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))
            FROM django_ox_oxtask WHERE status = 'SUCCESSFUL' AND finished_at >= %(since)s
        """,
        drains=[
            Drain(
                "2 processes, concurrency 1, one task at a time",
                [[*worker, "--concurrency", "1", "--batch"]] * 2,
            )
        ],
        idle=worker,
        idle_label="1 process, polls every second",
        loads={},
        environment={"DJANGO_SETTINGS_MODULE": "benchmarks.apps.django_ox_settings"},
        bulk_label="enqueue_many, 1,000 a call",
        slow=True,
        polls=True,
    )


def celery(directory: Path) -> System:
    python = install.venv(directory, ["celery[redis]>=5.7,<6"])
    worker: list[str | Path] = [python, "-m", "celery", "-A", "benchmarks.apps.celery_app"]
    worker += ["worker", "--loglevel", "error"]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return System(
        name="celery",
        producer=[python, "-m", "benchmarks.apps.celery_app"],
        versions=install.python_versions(python, ("celery", "kombu", "redis")),
        tables="",
        outcomes="",
        drains=[
            Drain(
                f"1 worker, 2 prefork processes, prefetch {CELERY_PREFETCH}, no results, on Valkey, whose file is"
                " flushed every second",
                [[*worker, "--pool", "prefork", "--concurrency", "2"]],
            )
        ],
        idle=[*worker, "--pool", "threads", "--concurrency", "4"],
        idle_label="1 process, 4 threads, on Valkey",
        loads={},
        environment={"PREFETCH": str(CELERY_PREFETCH)},
        bulk_label="no bulk call: 1,000 delay(), on Valkey",
    )


def dramatiq(directory: Path) -> System:
    python = install.venv(directory, ["dramatiq[redis]>=2.2,<3"])
    worker: list[str | Path] = [python, "-m", "dramatiq", "benchmarks.apps.dramatiq_app"]
    worker += ["--skip-logging"]
    return System(
        name="dramatiq",
        producer=[python, "-m", "benchmarks.apps.dramatiq_app"],
        versions=install.python_versions(python, ("dramatiq", "redis")),
        tables="",
        outcomes="",
        drains=[
            Drain(
                f"2 processes of 8 threads (its default), prefetch {DRAMATIQ_PREFETCH}, on Valkey, whose file is flushed"
                " every second",
                [[*worker, "--processes", "2", "--threads", "8"]],
            )
        ],
        idle=[*worker, "--processes", "1", "--threads", "4"],
        idle_label="1 process, 4 threads, on Valkey",
        loads={},
        environment={"dramatiq_queue_prefetch": str(DRAMATIQ_PREFETCH)},
        bulk_label="no bulk call: 1,000 send(), on Valkey",
    )


def graphile_worker(directory: Path) -> System:
    modules = install.node(directory, ["graphile-worker", "pg"])
    rows = """
        INSERT INTO graphile_worker._private_tasks (identifier) VALUES ({task}) ON CONFLICT DO NOTHING;
        INSERT INTO graphile_worker._private_jobs (task_id, run_at)
        SELECT (SELECT id FROM graphile_worker._private_tasks WHERE identifier = {task}), now() + {delay}
        FROM generate_series(1, %(count)s)
    """
    return _on_node(
        modules,
        "graphile-worker",
        tables="graphile_worker._private_jobs, graphile_worker._private_job_queues",
        outcomes="",
        drain_label="2 processes, 24 jobs at once, local queue 500, completions batched",
        idle_label="1 process, 24 jobs at once, local queue 500, LISTEN/NOTIFY",
        loads={
            "deep": rows.format(task="'backlog'", delay="interval '0'"),
            "deep-same": rows.format(task="'noop'", delay="interval '0'"),
            "scheduled": rows.format(task="'noop'", delay="interval '1 day'"),
        },
        bulk_label="addJobs, 1,000 a call",
    )


def pg_boss(directory: Path) -> System:
    modules = install.node(directory, ["pg-boss"])
    rows = """
        INSERT INTO pgboss.job (name, state, start_after, started_on, completed_on)
        SELECT {} FROM generate_series(1, %(count)s)
    """
    return _on_node(
        modules,
        "pg-boss",
        tables="pgboss.job, pgboss.archive",
        outcomes="""
            SELECT count(*), extract(epoch FROM max(completed_on) - min(started_on))
            FROM pgboss.job WHERE state = 'completed' AND completed_on >= %(since)s
        """,
        drain_label="2 processes, fetch and complete of 200",
        idle_label="1 process, polls twice a second",
        loads={
            "history": rows.format("'noop', 'completed', now(), now(), now() - interval '1 hour'"),
            "deep": rows.format("'backlog', 'created', now(), NULL, NULL"),
            "deep-same": rows.format("'noop', 'created', now(), NULL, NULL"),
            "scheduled": rows.format("'noop', 'created', now() + interval '1 day', NULL, NULL"),
        },
        bulk_label="insert, 1,000 a call",
        polls=True,
    )


def _on_node(
    modules: Path,
    name: str,
    *,
    tables: str,
    outcomes: str,
    drain_label: str,
    idle_label: str,
    loads: dict[str, str],
    bulk_label: str,
    polls: bool = False,
) -> System:
    program = Path(__file__).parent / "apps" / "node" / f"{name}.js"
    return System(
        name=name,
        # The calls are made by node, but timed by the producer that all systems share.
        producer=[sys.executable, "-m", "benchmarks.apps.node_app", program],
        versions=install.node_versions(modules, [name, "pg"]),
        tables=tables,
        outcomes=outcomes,
        drains=[Drain(drain_label, [["node", program, "drain"]] * 2)],
        idle=["node", program, "work"],
        idle_label=idle_label,
        loads=loads,
        environment={"NODE_PATH": str(modules), "NODE_ENV": "production"},
        bulk_label=bulk_label,
        polls=polls,
    )


DEFAULT = ("procrastinate", "pgqueuer", "django-tasks-db", "huey")
MAKERS: dict[str, Callable[[Path], System]] = {
    "procrastinate": procrastinate,
    "pgqueuer": pgqueuer,
    "django-tasks-db": django_tasks_db,
    "huey": huey,
    "django-ox": django_ox,
    "celery": celery,
    "dramatiq": dramatiq,
    "graphile-worker": graphile_worker,
    "pg-boss": pg_boss,
}
