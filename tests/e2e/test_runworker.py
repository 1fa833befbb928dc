from __future__ import annotations

import os
import re
import signal
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection

from tasks_app import queue
from tasks_app.models import Task, Worker
from tests.processes import children, descendants, is_alive
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def state_of(id: str) -> str:
    return Task.objects.values_list("state", flat=True).get(id=id)


def lines(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def test_burst_runs_what_is_there_and_exits(manage):
    good = [
        tasks.add.enqueue(1, b=2),
        tasks.add_later.enqueue(20, 22),
        tasks.use_database.enqueue(),
    ]
    later = tasks.noop.using(run_after=timedelta(hours=1)).enqueue()

    worker = manage("runworker", "--burst")

    assert worker.wait() == 0
    assert [tasks.add.get_backend().get_result(r.id).return_value for r in good[:2]] == [3, 42]
    assert state_of(good[2].id) == "succeeded"
    assert state_of(later.id) == "scheduled"
    assert Worker.objects.get().state == "stopped"


def test_only_the_queues_named_are_served(manage, ledger):
    mail = tasks.mail.enqueue(str(ledger), "a")
    other = tasks.record.enqueue(str(ledger), "b")

    assert manage("runworker", "--queues", "mail,reports", "--burst").wait() == 0

    assert (state_of(mail.id), state_of(other.id)) == ("succeeded", "ready")


def test_a_paused_queue_waits_and_runs_when_resumed(manage):
    queue.pause("default", by="operator")
    id = tasks.noop.enqueue().id
    worker = manage("runworker")
    eventually(lambda: Worker.objects.alive().exists(), timeout=20)
    assert state_of(id) == "ready"

    queue.resume("default", by="operator")

    eventually(lambda: state_of(id) == "succeeded")
    worker.terminate()
    assert worker.wait() == 0


def test_a_delayed_task_runs_when_it_is_due_and_a_failed_one_is_tried_again(manage):
    delayed = tasks.noop.using(run_after=timedelta(seconds=2)).enqueue().id
    retried = tasks.fail_twice.enqueue().id
    worker = manage("runworker")

    eventually(lambda: state_of(delayed) == "succeeded", timeout=20)
    row = Task.objects.get(id=delayed)
    assert row.started_at >= row.run_at
    eventually(lambda: state_of(retried) == "succeeded")
    row = Task.objects.get(id=retried)
    assert (row.attempt, row.result) == (3, 3)
    assert [error["message"] for error in row.errors] == ["attempt 1", "attempt 2"]
    worker.terminate()
    assert worker.wait() == 0


WORKER_SURVIVES = [
    (tasks.return_object, "discarded", "tasks_app.exceptions.InvalidResult"),
    (tasks.return_surrogate, "discarded", "tasks_app.exceptions.InvalidResult"),
    (tasks.raise_nul, "exhausted", "builtins.ValueError"),
    (tasks.raise_unprintable, "exhausted", "tests.sample.tasks.Unprintable"),
    (tasks.exit_program, "exhausted", "builtins.SystemExit"),
    (tasks.exit_program_later, "exhausted", "builtins.SystemExit"),
    (tasks.interrupt, "exhausted", "builtins.KeyboardInterrupt"),
    (tasks.raise_base_exception, "exhausted", "tests.sample.tasks.Unusual"),
    (tasks.recurse, "exhausted", "builtins.RecursionError"),
    (tasks.fail_for_good, "discarded", "builtins.KeyError"),
    (tasks.sleep_too_long_later, "timeout", "tasks_app.exceptions.TaskTimeout"),
]


def test_whatever_a_task_does_it_alone_fails_and_the_worker_goes_on(manage):
    bad = [(task.enqueue(), reason, error) for task, reason, error in WORKER_SURVIVES]
    worker = manage("runworker", "--threads", "2")

    for result, reason, error in bad:
        eventually(lambda: state_of(result.id) == "failed", timeout=20)  # noqa: B023
        row = Task.objects.get(id=result.id)
        assert (row.reason, row.errors[-1]["exception_class"]) == (reason, error)
    assert "tests/sample/tasks.py" in row.errors[-1]["traceback"] or reason == "timeout"
    after = tasks.add.enqueue(1)
    eventually(lambda: state_of(after.id) == "succeeded")
    assert Worker.objects.count() == 1
    worker.terminate()
    assert worker.wait() == 0


def test_a_traceback_begins_in_the_users_code(manage):
    id = tasks.fail.using(max_attempts=1).enqueue("wrong").id

    assert manage("runworker", "--burst").wait() == 0

    (error,) = Task.objects.get(id=id).errors
    assert re.match(
        r'Traceback \(most recent call last\):\n  File "[^"]*tests/sample/tasks.py"',
        error["traceback"],
    )


def test_a_thread_past_its_timeout_is_recorded_and_its_late_return_ignored(manage, ledger):
    id = tasks.sleep_too_long.enqueue(str(ledger)).id
    worker = manage("runworker", "--threads", "1")

    eventually(lambda: state_of(id) == "failed", timeout=20)
    eventually(lambda: lines(ledger) == ["slept"])
    row = Task.objects.get(id=id)
    assert (row.state, row.reason, len(row.errors)) == ("failed", "timeout", 1)
    after = tasks.noop.enqueue()
    eventually(lambda: state_of(after.id) == "succeeded")
    worker.terminate()
    assert worker.wait() == 0
    assert "refused" not in worker.output


def test_a_task_that_kills_its_process_fails_alone_and_the_worker_keeps_its_size(manage, ledger):
    crash = tasks.crash.enqueue(str(ledger)).id
    others = tasks.record_slowly.enqueue_many([(str(ledger), n, 0.2) for n in range(6)])
    worker = manage("runworker", "--threads", "3")

    eventually(lambda: state_of(crash) == "failed", timeout=40)
    for id in others:
        eventually(lambda: state_of(id) == "succeeded", timeout=20)  # noqa: B023
    row = Task.objects.get(id=crash)
    assert (row.reason, row.crashes) == ("poison", 4)
    assert "SIGSEGV" in row.errors[-1]["message"]
    # Once in the worker's own process, the other three times alone: one worker died, not four.
    assert len([line for line in lines(ledger) if line.startswith("crash")]) == 4
    assert sorted(Worker.objects.values_list("state", flat=True)) == ["alive", "dead"]
    worker.terminate()
    assert worker.wait() == 0


def test_sigterm_lets_running_tasks_end_and_gives_back_the_others(manage, ledger, tmp_path):
    gate = tmp_path / "gate"
    running = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    worker = manage("runworker", "--threads", "1")
    eventually(lambda: lines(ledger), timeout=20)
    waiting = tasks.record.enqueue(str(ledger), "b").id

    worker.terminate()
    eventually(lambda: "drains" in worker.output)
    gate.touch()

    assert worker.wait() == 0
    assert state_of(running) == "succeeded"
    row = Task.objects.get(id=waiting)
    assert (row.state, row.attempt) == ("ready", 0)
    assert Worker.objects.get().state == "stopped"


def test_a_second_sigterm_leaves_at_once_and_the_task_runs_again(manage, ledger, tmp_path):
    gate = tmp_path / "gate"
    id = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    worker = manage("runworker", "--threads", "1")
    eventually(lambda: lines(ledger), timeout=20)

    worker.terminate()
    eventually(lambda: "drains" in worker.output)
    worker.terminate()

    assert worker.wait(timeout=10) == 0
    row = Task.objects.get(id=id)
    assert (row.state, row.attempt, row.crashes, row.lease_losses) == ("ready", 0, 0, 1)
    gate.touch()
    assert manage("runworker", "--burst").wait() == 0
    assert state_of(id) == "succeeded"


def test_ctrl_c_drains_like_sigterm(manage):
    worker = manage("runworker", "--processes", "2")
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)

    # As a terminal does: to every process of the group.
    os.killpg(worker.pid, signal.SIGINT)

    assert worker.wait() == 0
    assert set(Worker.objects.values_list("state", flat=True)) == {"stopped"}


def test_sigterm_to_the_whole_group_drains_as_to_the_supervisor_alone(manage, ledger, tmp_path):
    """What a service manager sends: every process gets it, and it must not count as two."""
    gate = tmp_path / "gate"
    id = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    worker = manage("runworker", "--threads", "1")
    eventually(lambda: lines(ledger), timeout=20)

    os.killpg(worker.pid, signal.SIGTERM)
    eventually(lambda: "drains" in worker.output)
    gate.touch()

    assert worker.wait() == 0
    row = Task.objects.get(id=id)
    assert (row.state, row.fence, row.lease_losses) == ("succeeded", 1, 0)


@pytest.mark.parametrize("how", ["exits", "is killed by a real-time signal"])
def test_a_task_that_ends_its_process_quietly_is_poison_too(manage, ledger, how):
    task = tasks.exit_process if how == "exits" else tasks.signal_process
    id = task.enqueue().id
    worker = manage("runworker", "--threads", "1")

    eventually(lambda: state_of(id) == "failed", timeout=40)
    row = Task.objects.get(id=id)
    assert (row.reason, row.crashes) == ("poison", 4)
    after = tasks.noop.enqueue()
    eventually(lambda: state_of(after.id) == "succeeded")
    worker.terminate()
    assert worker.wait() == 0


def test_a_gated_task_is_found_by_a_worker_that_knew_it_all_along(manage):
    worker = manage("runworker")
    eventually(lambda: Worker.objects.alive().exists(), timeout=20)
    id = tasks.noop.using(run_after=timedelta(hours=1)).enqueue().id
    with connection.cursor() as cursor:  # as an older worker leaves it, that lives beside this one
        cursor.execute("UPDATE tq_task_live SET state = 'gated', reason = 'unknown-name'")

    eventually(lambda: state_of(id) == "succeeded", timeout=15)
    worker.terminate()
    assert worker.wait() == 0


def test_behind_a_pooler_a_worker_holds_no_lock_and_polls(manage):
    worker = manage("runworker", DATABASE_POOLED="1")
    eventually(lambda: Worker.objects.alive().exists(), timeout=20)
    assert Worker.objects.get().direct is False

    id = tasks.noop.enqueue().id

    eventually(lambda: state_of(id) == "succeeded", timeout=5)
    worker.terminate()
    assert worker.wait() == 0


def test_a_runner_that_dies_is_replaced(manage):
    worker = manage("runworker", "--processes", "2")
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)
    victim = next(iter(children(worker.pid)))

    os.kill(victim, signal.SIGKILL)

    eventually(
        lambda: Worker.objects.filter(state="dead", pid=victim, death="crashed").exists(), timeout=5
    )
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=10)
    worker.terminate()
    assert worker.wait() == 0


def test_when_the_supervisor_is_killed_its_runners_die_with_it(manage):
    worker = manage("runworker", "--processes", "2")
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)
    runners = list(descendants(worker.pid))

    worker.kill()

    eventually(lambda: not any(is_alive(pid) for pid in runners), timeout=5)


def test_a_task_that_no_worker_knows_waits_gated_and_unburnt(manage):
    queue.enqueue([queue.Spec(name="gone.tasks.old")])

    assert manage("runworker", "--burst").wait() == 0

    row = Task.objects.get()
    assert (row.state, row.reason, row.attempt) == ("gated", "unknown-name", 0)


def test_django_signals_are_sent_by_the_worker(manage, ledger, tmp_path):
    ids = {str(UUID(id)) for id in tasks.add.enqueue_many([(1,), (2,)])}
    failed = tasks.fail.using(max_attempts=1).enqueue().id

    worker = manage("runworker", "--burst", SAMPLE_SIGNALS=str(ledger))

    assert worker.wait() == 0
    seen = lines(ledger)
    for id in ids:
        assert f"started {id} RUNNING" in seen
        assert f"finished {id} SUCCESSFUL" in seen
    assert f"finished {failed} FAILED" in seen


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "'0': must be a whole number from 1 to 1,000"),
        (["--processes", "many"], "'many': must be a whole number from 1 to 256"),
        (["--queues", "a,,b"], "queue_name='': must be 1 to 100 printable"),
        (["--queues", "a b"], "queue_name='a b': must be"),
    ],
)
def test_a_wrong_argument_is_named_with_its_rule(manage, arguments, message):
    worker = manage("runworker", *arguments)

    assert worker.wait() == 2
    assert message in worker.output
