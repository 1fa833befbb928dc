from __future__ import annotations

from functools import partial
from pathlib import Path

import psycopg
import pytest

from taskqueue_project.embedded.postgres import PostgresServer
from tests.chaos.ledger import executions
from tests.processes import ManageProcess
from tests.waiting import eventually

TASKS = 3_000


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    return postgres_server.url


def query(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        return connection.execute(statement).fetchall()


def goes_on(ledger: Path, ran: int, producer: ManageProcess) -> bool:
    return sum(executions(ledger).values()) > ran or not producer.running


def test_a_crash_of_the_database_under_load_loses_nothing_and_kills_no_worker(
    manage, postgres_server: PostgresServer, tmp_path: Path
):
    url = postgres_server.url
    ledger = tmp_path / "ledger"
    assert manage("migrate", "-v", "0", DATABASE_URL=url).wait(60) == 0
    worker = manage("runworker", "--processes", "2", "--threads", "2", DATABASE_URL=url)
    producer = manage("produce", "--ledger", str(ledger), "--tasks", str(TASKS), DATABASE_URL=url)
    eventually(lambda: sum(executions(ledger).values()) > TASKS // 10, timeout=40)

    for _ in range(3):
        ran = sum(executions(ledger).values())
        postgres_server.stop(immediate=True)
        assert worker.running
        postgres_server.start()
        eventually(partial(goes_on, ledger, ran, producer), timeout=20)

    assert producer.wait(60) == 0
    eventually(lambda: query(url, "SELECT count(*) FROM tq_task_live") == [(0,)], timeout=60)
    # Committed ids are those that the producer was told of; one whose answer was lost may be there or not.
    committed = set(Path(f"{ledger}.committed").read_text().splitlines())
    ended = query(url, "SELECT id::text, state FROM tq_task_history")
    assert committed <= {id for id, _ in ended}
    assert {state for _, state in ended} == {"succeeded"}
    assert len(ended) == len({id for id, _ in ended})
    assert query(url, "SELECT count(*) FROM tq_worker WHERE state = 'alive'") == [(2,)]
    assert query(url, "SELECT count(*) FROM tq_worker") == [(2,)]
    assert query(url, "SELECT coalesce(max(crashes), 0) FROM tq_task_history") == [(0,)]
    worker.terminate()
    assert worker.wait() == 0
