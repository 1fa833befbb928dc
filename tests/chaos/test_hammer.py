"""Everything at once: producers, operators, tasks of every temper, workers that are killed and stopped; then the accounts.

HAMMER_SECONDS=… makes it go on for longer.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from tasks_app import Unique, queue
from tasks_app.models import Statistic, Task, Worker
from tests.chaos.ledger import executions
from tests.processes import ManageProcess, children
from tests.protocol.invariants import broken
from tests.sample.tasks import tempered
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]

SECONDS = float(os.environ.get("HAMMER_SECONDS", "60"))
LEASE = 6
TEMPERS = {
    "is well": 180,
    "fails": 24,
    "fails sometimes": 24,
    "snoozes": 24,
    "is slow": 24,
    "withdraws": 12,
    "dies": 1,
}


def sql(statement: str, *parameters: object) -> list:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


class Hammer:
    def __init__(self, ledger: Path, seed: int) -> None:
        self.ledger = str(ledger)
        self.random = random.Random(seed)
        self.ends = time.monotonic() + SECONDS
        self.ids: dict[int, str] = {}
        """Key → the task that was enqueued with it, or that held its unique key."""
        self.keys = itertools.count()
        self.did: Counter[str] = Counter()
        self.errors: list[BaseException] = []

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.ends and not self.errors

    def keep(self, act: Callable[[], None], pause: float) -> threading.Thread:
        def run() -> None:
            try:
                while self.goes_on:
                    act()
                    time.sleep(pause * self.random.uniform(0.5, 1.5))
            except BaseException as error:  # the test reports it
                self.errors.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run, name=act.__name__)
        thread.start()
        return thread

    def produce(self) -> None:
        key = next(self.keys)
        (temper,) = self.random.choices(list(TEMPERS), list(TEMPERS.values()))
        task = tempered.using(priority=self.random.randint(-2, 2))
        match self.random.randint(0, 9):
            case 0:
                task = task.using(run_after=timedelta(seconds=self.random.uniform(0, 2)))
            case 1:
                task = task.using(expires_in=self.random.uniform(0.05, 2))
            case 2:
                shared = Unique(key=_by_tens, until=self.random.choice(["started", "finished"]))
                task = task.using(unique=shared)
        self.ids[key] = task.enqueue(self.ledger, key, temper).id

    def produce_many(self) -> None:
        keys = list(itertools.islice(self.keys, 40))
        ids = tempered.enqueue_many([(self.ledger, key, "is well") for key in keys])
        self.ids.update(zip(keys, ids, strict=True))

    def operate(self) -> None:
        act = self.random.choice(["cancel", "discard", "retry", "redrive", "reprioritise", "later"])
        states = {"redrive": ["failed", "cancelled"]}.get(act, ["scheduled", "ready", "running"])
        some = Task.objects.filter(state__in=states).values_list("id", flat=True)
        ids = list(some.order_by("-id" if self.random.random() < 0.5 else "id")[:3])
        match act:
            case "reprioritise":
                report = queue.reprioritise(ids, self.random.randint(-5, 5), by="hammer")
            case "later":
                report = queue.reschedule(ids, timezone.now() + timedelta(seconds=1), by="hammer")
            case _:
                report = getattr(queue, act)(ids, by="hammer")
        self.did[act] += len(report.done)

    def pause(self) -> None:
        queue.pause_name(tempered.module_path, by="hammer")
        time.sleep(0.3)
        queue.resume_name(tempered.module_path, by="hammer")
        self.did["paused"] += 1


def _by_tens(ledger: str, key: int, temper: str) -> int:
    return key // 10


def kill_some(hammer: Hammer, workers: list[ManageProcess], start: Callable) -> None:
    """SIGKILL a runner or a whole worker, or stop a runner for longer than its lease."""
    while hammer.goes_on:
        time.sleep(hammer.random.uniform(0.8, 2.5))
        for place, worker in enumerate(workers):
            if not worker.running:
                workers[place] = start()
        worker = hammer.random.choice(workers)
        runners = list(children(worker.pid))
        if not runners:
            continue
        runner = hammer.random.choice(runners)
        with contextlib.suppress(ProcessLookupError):
            match hammer.random.randint(0, 5):
                case 0:
                    os.kill(runner, signal.SIGSTOP)
                    time.sleep(LEASE + 1)
                    os.kill(runner, signal.SIGCONT)
                    hammer.did["stopped past the lease"] += 1
                case 1:
                    worker.kill()
                    hammer.did["workers killed"] += 1
                case _:
                    os.kill(runner, signal.SIGKILL)
                    hammer.did["runners killed"] += 1


def test_nothing_is_lost_and_nothing_counted_twice_whatever_happens(manage, tmp_path):
    seed = int(os.environ.get("HAMMER_SEED", time.time_ns() % 1_000_000))
    print(f"HAMMER_SEED={seed}")
    hammer = Hammer(tmp_path / "ledger", seed)

    def start() -> ManageProcess:
        return manage(
            *("runworker", "--processes", "2", "--threads", "2"), TASKQUEUE_LEASE=str(LEASE)
        )

    workers = [start(), start()]
    threads = [
        hammer.keep(hammer.produce, 0.01),
        hammer.keep(hammer.produce_many, 1.0),
        hammer.keep(hammer.operate, 0.05),
        hammer.keep(hammer.pause, 5.0),
    ]
    kill_some(hammer, workers, start)
    for thread in threads:
        thread.join(30)
    assert hammer.errors == []
    for place, worker in enumerate(workers):
        if not worker.running:
            workers[place] = start()

    eventually(
        lambda: not sql("SELECT 1 FROM tq_task_live LIMIT 1"),
        timeout=180,  # a runner that was killed often in a row is replaced after half a minute
        message=lambda: str(sql("SELECT state, reason, count(*) FROM tq_task_live GROUP BY 1, 2")),
    )

    for worker in workers:
        worker.terminate()
        assert worker.wait() == 0
    ran = executions(tmp_path / "ledger")
    print(f"{len(hammer.ids)} enqueued, {sum(ran.values())} runs, {dict(hammer.did)}")
    assert broken(sql) == {}
    enqueued = {UUID(id) for id in hammer.ids.values()}
    ended = dict(Task.objects.values_list("id", "state"))
    assert set(ended) == enqueued
    assert not Worker.objects.alive().exists()
    _no_run_without_a_reason(hammer, ran)
    _no_success_without_a_run(hammer, ran, ended)
    assert sql("SELECT * FROM tq_task_live") == []
    assert set(ended.values()) == {"succeeded", "failed", "cancelled"}
    assert all(hammer.did[act] for act in ("cancel", "redrive", "runners killed"))
    assert Statistic.objects.filter(outcome="snoozed").exists()


def _no_run_without_a_reason(hammer: Hammer, ran: Counter[str]) -> None:
    """Each start of a task follows a claim of its own, and every claim raises the fence."""
    fences = dict(Task.objects.values_list("id", "fence"))
    for key, id in hammer.ids.items():
        assert ran[str(key)] <= fences[UUID(id)], f"{id} ran {ran[str(key)]} times"


def _no_success_without_a_run(hammer: Hammer, ran: Counter[str], ended: dict[UUID, str]) -> None:
    keys: dict[str, list[int]] = {}
    for key, id in hammer.ids.items():
        keys.setdefault(id, []).append(key)
    for id, its in keys.items():
        if ended[UUID(id)] == "succeeded":
            assert any(ran[str(key)] for key in its)
