from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.ledger import assert_one_outcome_each, executions
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

TASKS = 10_000


def test_four_processes_drain_ten_thousand_tasks_and_run_each_once(manage, tmp_path: Path):
    ledger = tmp_path / "ledger"
    ids = tasks.record.enqueue_many([(str(ledger), n) for n in range(TASKS)])

    worker = manage("runworker", "--processes", "4", "--threads", "2", "--burst")

    assert worker.wait(timeout=100) == 0
    ran = executions(ledger)
    assert len(ran) == TASKS
    assert set(ran.values()) == {1}
    pids = {line.split()[1] for line in ledger.read_text().splitlines()}
    assert len(pids) == 4
    assert_one_outcome_each(ids)
