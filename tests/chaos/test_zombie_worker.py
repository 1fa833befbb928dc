from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tasks_app.models import Task, Worker
from tests.chaos.ledger import all_succeeded, assert_one_outcome_each
from tests.processes import children, is_alive
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def lines(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []


def test_a_worker_that_was_stopped_past_its_lease_cannot_finish_what_another_runs(manage, tmp_path):
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    id = tasks.wait_for_file.enqueue(str(ledger), "a", str(gate)).id
    zombie = manage("runworker", "--threads", "1", TASKQUEUE_LEASE="5")
    eventually(lambda: lines(ledger), timeout=20)
    (runner,) = children(zombie.pid)
    (worker,) = Worker.objects.values_list("id", flat=True)

    os.kill(runner, signal.SIGSTOP)
    try:
        other = manage("runworker", "--threads", "1")
        # Its connection is open and its lock held: only the lease tells.
        eventually(lambda: len(lines(ledger)) == 2, timeout=20)
        assert Worker.objects.get(id=worker).death == "lease-expired"
        gate.touch()
        eventually(lambda: all_succeeded([id]), timeout=20)
        before = Task.objects.filter(id=id).values().get()
    finally:
        os.kill(runner, signal.SIGCONT)

    eventually(lambda: not is_alive(runner), timeout=10)
    assert Task.objects.filter(id=id).values().get() == before
    assert_one_outcome_each([id])
    assert (before["fence"], before["crashes"], before["lease_losses"]) == (3, 0, 1)
    assert "it leaves" in zombie.output  # by its fuse, or because it was declared dead
    # A dead id never lives again: the supervisor has started another one.
    eventually(lambda: Worker.objects.alive().count() == 2, timeout=10)
    assert Worker.objects.get(id=worker).state == "dead"
    for process in (zombie, other):
        process.terminate()
        assert process.wait() == 0


def test_the_late_finish_of_a_stopped_process_is_refused_and_changes_nothing(manage):
    """Stopped between its claim and its finish, and continued when another worker has finished the task."""
    id = tasks.add.enqueue(1, b=2).id
    zombie = manage("stop_after_claim", TASKQUEUE_LEASE="5")
    eventually(lambda: "claimed" in zombie.output, timeout=20)

    assert manage("runworker", "--burst").wait() == 0  # nothing to claim yet
    other = manage("runworker", "--threads", "1")
    eventually(lambda: all_succeeded([id]), timeout=20)
    before = Task.objects.filter(id=id).values().get()
    zombie.signal(signal.SIGCONT)

    assert zombie.wait() == 0
    assert zombie.output.splitlines()[-1] == "stale"
    assert Task.objects.filter(id=id).values().get() == before
    assert (before["result"], before["fence"]) == (3, 3)
    assert_one_outcome_each([id])
    other.terminate()
    assert other.wait() == 0
