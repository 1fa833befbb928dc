from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tasks_app.models import Task, Worker
from tests.chaos.ledger import all_succeeded, assert_one_outcome_each
from tests.processes import children, descendants
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def starts(ledger: Path, key: str) -> list[int]:
    """The processes that started the task with this key."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [int(line.split()[2]) for line in lines if line.startswith(f"start {key} ")]


def test_the_task_of_a_killed_worker_runs_again_elsewhere_within_five_seconds(manage, tmp_path):
    """The whole worker is killed: nobody sees it die but another worker, by its free lock."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    id = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    first = manage("runworker", "--threads", "1")
    eventually(lambda: starts(ledger, "a"), timeout=20)
    second = manage("runworker", "--threads", "1")
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)

    runners = list(children(first.pid))
    os.kill(first.pid, signal.SIGKILL)
    for pid in runners:
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    eventually(lambda: len(starts(ledger, "a")) == 2, timeout=5)
    took = time.monotonic() - killed
    assert starts(ledger, "a")[1] in descendants(second.pid)  # alone, in a child of its own
    gate.touch()
    eventually(lambda: all_succeeded([id]), timeout=20)

    print(f"killed worker: the task ran again after {took:.2f} s")
    assert_one_outcome_each([id])
    row = Task.objects.get(id=id)
    assert (row.attempt, row.crashes, row.fence, len(row.worker_ids)) == (1, 1, 3, 2)
    assert first.wait() == -signal.SIGKILL
    second.terminate()
    assert second.wait() == 0


def test_the_task_of_a_killed_runner_runs_again_within_a_second(manage, tmp_path):
    """One process of several is killed: its supervisor sees it die."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    id = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    worker = manage("runworker", "--processes", "2", "--threads", "1")
    (pid,) = eventually(lambda: starts(ledger, "a"), timeout=20)
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=20)

    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    eventually(lambda: Task.objects.get(id=id).fence == 3, timeout=2)
    took = time.monotonic() - killed
    gate.touch()
    eventually(lambda: all_succeeded([id]), timeout=20)

    print(f"killed runner: the task was claimed again after {took:.2f} s")
    assert_one_outcome_each([id])
    worker.terminate()
    assert worker.wait() == 0
