"""The systems that are compared: how each is started, and what its database says became of the tasks."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.children import ROOT, Command

PEERS = ("procrastinate", "pgqueuer", "django-tasks-db")
REQUIREMENTS = Path(__file__).with_name("peers.txt")
INSTALL_TIMEOUT = 600.0


@dataclass(frozen=True)
class Drain:
    """A way to run two worker processes until the queue is empty."""

    label: str
    commands: Sequence[Command]


@dataclass(frozen=True)
class System:
    name: str
    python: Path
    app: str
    """Module of its producer."""
    packages: Sequence[str]
    """Whose versions are reported."""
    tables: str
    """All that is emptied between two rounds."""
    outcomes: str
    """SQL: successful outcomes since %(since)s, and the seconds from the first claim to the last of them."""
    drains: Sequence[Drain]
    idle: Command
    """One worker process that waits for tasks."""
    idle_label: str
    backlog: str
    """SQL: puts %(count)s tasks where no worker of ours looks."""
    environment: Mapping[str, str] = field(default_factory=dict)
    bulk_label: str = ""
    slow: bool = False
    """Whether it gets a tenth of the tasks, so that a run ends; rates need no correction."""

    @property
    def database(self) -> str:
        return "bench_" + self.name.replace("-", "_")

    def producer(self, *arguments: object) -> Command:
        return [self.python, "-m", self.app, *map(str, arguments)]

    def versions(self) -> dict[str, str]:
        script = "import sys; from importlib.metadata import version as v; [print(v(p)) for p in sys.argv[1:]]"
        done = subprocess.run(
            [self.python, "-c", script, *self.packages],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return dict(zip(self.packages, done.stdout.split(), strict=True))


def taskqueue() -> System:
    manage = [sys.executable, "manage.py", "runworker"]
    only = ["--queues", "default"]
    return System(
        name="taskqueue",
        python=Path(sys.executable),
        app="benchmarks.apps.taskqueue",
        packages=("Django", "psycopg"),
        tables="tq_task_live, tq_task_history, tq_statistic, tq_worker, tq_unique, tq_paused_name, tq_audit",
        outcomes="""
            SELECT count(*), extract(epoch FROM max(finished_at) - min(first_started_at))
            FROM tq_task_history WHERE state = 'succeeded' AND finished_at >= %(since)s
        """,
        drains=[
            Drain(
                f"--processes 2 --threads {threads} (window 200, batch ≤ 200)",
                [[*manage, *only, "--processes", "2", "--threads", str(threads), "--burst"]],
            )
            for threads in (1, 4)
        ],
        idle=[*manage, "--processes", "1", "--threads", "4"],
        idle_label="1 process, 4 threads, LISTEN/NOTIFY",
        backlog="""
            INSERT INTO tq_task_live
                (id, name, queue, backend, priority, state, position, args, kwargs, max_attempts)
            SELECT uuidv7(), 'benchmarks.sample.tasks.noop', 'backlog', 'default', 0, 'ready', nextval('tq_position'),
                   '[]', '{}', 3
            FROM generate_series(1, %(count)s)
        """,
        environment={
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "SECRET_KEY": "of the benchmarks",
        },
        bulk_label="enqueue_many, 1,000 a call",
    )


def procrastinate(python: Path) -> System:
    worker: list[str | Path] = [python, "-m", "procrastinate", "--log-level", "warning"]
    worker += ["--app", "benchmarks.apps.procrastinate_app.app", "worker", "--queues", "default"]
    concurrency = 10  # the best of 1, 4, 10 and 30, see README.md
    return System(
        name="procrastinate",
        python=python,
        app="benchmarks.apps.procrastinate_app",
        packages=("procrastinate", "psycopg"),
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
        backlog="""
            INSERT INTO procrastinate_jobs (queue_name, task_name) SELECT 'backlog', 'noop'
            FROM generate_series(1, %(count)s)
        """,
        bulk_label="batch_defer, 1,000 a call",
    )


def pgqueuer(python: Path) -> System:
    worker: list[str | Path] = [python, "-m", "benchmarks.apps.pgqueuer_worker"]
    return System(
        name="pgqueuer",
        python=python,
        app="benchmarks.apps.pgqueuer_app",
        packages=("pgqueuer", "asyncpg", "uvloop"),
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
            for batch in (10, 200)
        ],
        idle=worker,
        idle_label="1 process, batch 10, LISTEN/NOTIFY",
        backlog="""
            INSERT INTO pgqueuer (priority, status, entrypoint) SELECT 0, 'queued', 'backlog'
            FROM generate_series(1, %(count)s)
        """,
        bulk_label="enqueue of lists, 1,000 a call",
    )


def django_tasks_db(python: Path) -> System:
    worker: list[str | Path] = [
        python,
        "-m",
        "django",
        "db_worker",
        "--no-startup-delay",
        "-v",
        "0",
    ]
    return System(
        name="django-tasks-db",
        python=python,
        app="benchmarks.apps.django_tasks_db_app",
        packages=("django-tasks-db", "Django", "psycopg"),
        tables="django_tasks_database_dbtaskresult",
        outcomes="""
            SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))
            FROM django_tasks_database_dbtaskresult WHERE status = 'SUCCESSFUL' AND finished_at >= %(since)s
        """,
        drains=[Drain("2 processes, one task at a time", [[*worker, "--batch"]] * 2)],
        idle=worker,
        idle_label="1 process, polls every second",
        backlog="""
            INSERT INTO django_tasks_database_dbtaskresult
                (id, status, enqueued_at, args_kwargs, priority, task_path, worker_ids, queue_name, backend_name,
                 run_after, exception_class_path, traceback)
            SELECT uuidv4(), 'READY', now(), '{"args": [], "kwargs": {}}', 0,
                   'benchmarks.apps.django_tasks_db_tasks.noop', '[]', 'backlog', 'default', now(), '', ''
            FROM generate_series(1, %(count)s)
        """,
        environment={"DJANGO_SETTINGS_MODULE": "benchmarks.apps.django_tasks_db_settings"},
        bulk_label="no bulk call: 1,000 enqueue() in one transaction",
        slow=True,
    )


MAKERS: dict[str, Callable[[Path], System]] = {
    "procrastinate": procrastinate,
    "pgqueuer": pgqueuer,
    "django-tasks-db": django_tasks_db,
}


def install_peers(venv: Path) -> Path | None:
    """The Python of the venv that holds the peers; None, with the reason printed, when they cannot be installed."""
    python = venv / "bin" / "python"
    stamp = venv / "installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Installing the peers into {venv.relative_to(ROOT)}.", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", venv],
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS],
    ):
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, text=True, timeout=INSTALL_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            print(
                f"The peers could not be installed in {INSTALL_TIMEOUT:.0f} s: only ours is measured."
            )
            return None
        if done.returncode:
            print(
                f"The peers could not be installed: only ours is measured.\n{done.stderr[-1000:]}"
            )
            return None
    stamp.write_text(wanted)
    return python
