from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from uuid_utils.compat import uuid7

from tasks_app.queue import Claim
from tests.waiting import eventually
from workers_app.bell import Bell
from workers_app.blackbox import BlackBox
from workers_app.pool import Pool


def claim(fence: int = 1) -> Claim:
    return Claim(
        id=uuid7(),
        name="x",
        queue="default",
        priority=0,
        backend="default",
        args=[],
        kwargs={},
        fence=fence,
        attempt=1,
        max_attempts=3,
        timeout=None,
        crashes=0,
        enqueued_at=0.0,
        first_started_at=0.0,
        started_at=0.0,
        worker_ids=[uuid7()],
        errors=[],
        snoozes=0,
        rank=0,
        position=1,
    )


class Gate:
    """What the slots run: notes the claims, and holds each until it is opened."""

    def __init__(self) -> None:
        self.ran: list[Claim] = []
        self.opened = threading.Event()

    def run(self, claim: Claim) -> None:
        self.ran.append(claim)
        self.opened.wait(10)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def box():
    return BlackBox(1)


@pytest.fixture
def pool(gate, box):
    pool = Pool(1, gate.run, Bell(), box)
    pool.start()
    yield pool
    gate.opened.set()
    pool.close()


def test_claims_run_in_the_order_they_came(pool, gate):
    claims = [claim() for _ in range(5)]
    gate.opened.set()

    pool.submit(claims)

    eventually(lambda: gate.ran == claims)
    eventually(lambda: pool.held == 0)


def test_a_claim_taken_back_is_not_started(pool, gate):
    running, waiting = claim(), claim()
    pool.submit([running, waiting])
    eventually(lambda: gate.ran == [running])

    assert pool.take_back(0.0) == [waiting]
    gate.opened.set()

    eventually(lambda: pool.held == 0)
    assert gate.ran == [running]


def test_a_task_claimed_again_after_its_claim_was_taken_back_runs_under_the_new_fence(pool, gate):
    """The old claim still stands before the new one in the slots' line."""
    running, old = claim(), claim(fence=3)
    new = replace(old, fence=4)
    pool.submit([running, old])
    eventually(lambda: gate.ran == [running])
    pool.take_back(0.0)

    pool.submit([new])
    gate.opened.set()

    eventually(lambda: gate.ran == [running, new])
    eventually(lambda: pool.held == 0)


def test_only_claims_that_have_waited_long_enough_are_taken_back(pool, gate):
    pool.submit([claim(), claim()])
    eventually(lambda: len(gate.ran) == 1)

    assert pool.take_back(60.0) == []


def test_the_black_box_tells_what_is_in_the_slots(pool, gate, box):
    first = claim()
    pool.submit([first, claim()])

    eventually(lambda: box.tasks() == [first.id])
    gate.opened.set()
    eventually(lambda: box.tasks() == [])
