"""Any order of verbs, with a clock that jumps, zombies that finish late, and workers that die: the model below says what
each verb must answer, and after every step the invariants must hold. EXAMPLES=… makes it look longer."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from uuid_utils.compat import uuid7

from tasks_app import Unique, queue, registry
from tasks_app.engine.outcomes import (
    AttemptError,
    Crashed,
    Outcome,
    Raised,
    Released,
    Snoozed,
    Succeeded,
    TimedOut,
    UnknownName,
    Withdrawn,
)
from tasks_app.engine.states import MAX_CRASHES, TRANSITIONS, State
from tasks_app.models import Statistic, Task, Worker
from tasks_app.queue import Answer, Claim, Finish, statements
from tests.protocol.conftest import move_clock
from tests.protocol.invariants import broken
from tests.sample import tasks

EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
PHASES = [Phase.reuse, Phase.generate]
"""Not shrunk: that takes minutes, and the steps as they were say enough."""
ERROR = AttemptError("builtins.ValueError", "no", "")
OUTCOMES: list[Outcome] = [
    Succeeded("1"),
    Raised(ERROR, 5.0),
    Raised(ERROR, None),
    TimedOut(ERROR, 60.0),
    Snoozed(30.0),
    Withdrawn(None),
    Crashed(ERROR),
    Released(),
    UnknownName(),
]
QUEUES = ["default", "mail"]


def sql(statement: str, *parameters: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


@dataclass
class Model:
    enqueued: int = 0
    purged: int = 0
    running: dict[UUID, int] = field(default_factory=dict)
    """Task → fence of the claim that may finish it."""
    accepted: set[tuple[UUID, int]] = field(default_factory=set)
    claims: list[Claim] = field(default_factory=list)
    """All there ever were: the late ones stay in the hands of zombies."""
    fences: dict[UUID, int] = field(default_factory=dict)
    ended_workers: set[UUID] = field(default_factory=set)
    ahead: float = 0.0


class Protocol(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        with connection.cursor() as cursor:
            cursor.execute(
                "TRUNCATE tq_task_live, tq_task_history, tq_unique, tq_statistic, tq_worker, tq_queue,"
                " tq_paused_name, tq_audit"
            )
        move_clock(0)
        queue.make_days()
        self.model = Model()
        self.marks = queue.Marks()
        self.workers: list[UUID] = []
        self.register()

    def register(self) -> None:
        worker = uuid7()
        queue.register(
            queue.Registration(
                id=worker,
                serial=queue.take_serial(),
                direct=False,
                name="w",
                hostname="here",
                pid=1,
                queues=[],
                capabilities=registry.names(),
                slots=100,
            )
        )
        self.workers.append(worker)

    def some_task(self, pick: int) -> UUID | None:
        ids = sorted(Task.objects.values_list("id", flat=True))
        return ids[pick % len(ids)] if ids else None

    # What programs do

    @rule(
        priority=st.integers(-2, 2),
        queue_name=st.sampled_from(QUEUES),
        delay=st.sampled_from([None, None, 20.0]),
        expires_in=st.sampled_from([None, None, 40.0]),
        attempts=st.integers(1, 3),
    )
    def enqueue(self, priority, queue_name, delay, expires_in, attempts) -> None:
        run_after = (
            None if delay is None else timezone.now() + timedelta(seconds=delay + self.model.ahead)
        )
        tasks.noop.using(
            priority=priority,
            queue_name=queue_name,
            run_after=run_after,
            expires_in=expires_in,
            max_attempts=attempts,
        ).enqueue()
        self.model.enqueued += 1

    @rule(
        key=st.integers(0, 2),
        until=st.sampled_from(["started", "finished"]),
        conflict=st.sampled_from(["skip", "replace"]),
    )
    def enqueue_unique(self, key, until, conflict) -> None:
        task = tasks.once.using(unique=Unique(until=until, on_conflict=conflict))
        before = set(Task.objects.values_list("id", flat=True))
        id = UUID(task.enqueue(key).id)
        self.model.enqueued += id not in before

    @rule(count=st.integers(1, 25))
    def enqueue_many(self, count) -> None:
        tasks.add.enqueue_many([(1, 2)] * count)
        self.model.enqueued += count

    # What time and workers do

    @rule(seconds=st.sampled_from([0.5, 10.0, 31.0, 61.0]))
    def time_passes(self, seconds) -> None:
        self.model.ahead += seconds
        move_clock(self.model.ahead)

    @rule()
    def another_worker(self) -> None:
        if len(self.workers) < 6:
            self.register()

    @rule(pick=st.integers(0, 9))
    def beat(self, pick) -> None:
        worker = self.workers[pick % len(self.workers)]
        answer = queue.beat(worker)
        assert (answer is None) == (worker in self.model.ended_workers)

    @rule(pick=st.integers(0, 9), limit=st.integers(1, 10), with_marks=st.booleans())
    def claim(self, pick, limit, with_marks) -> None:
        worker = self.workers[pick % len(self.workers)]
        lease = Worker.objects.filter(id=worker, state="alive").values_list(
            "lease_expires_at", flat=True
        )
        alive = bool(lease) and lease[0] > timezone.now() + timedelta(seconds=self.model.ahead)
        if with_marks:
            queue.sweep(self.marks, QUEUES)
        claims = queue.claim(QUEUES, limit, worker, self.marks if with_marks else None)
        assert len(claims) <= limit
        assert alive or not claims, "I6: a worker without a lease has claimed"
        for claim in claims:
            assert claim.id not in self.model.running, "claimed while it runs"
            assert claim.fence > self.model.fences.get(claim.id, 0), "I2"
            self.model.running[claim.id] = claim.fence
            self.model.claims.append(claim)

    # No precondition: what Hypothesis may draw must not depend on what the database answered.
    @rule(pick=st.integers(0, 99), outcome=st.sampled_from(OUTCOMES))
    def finish(self, pick, outcome) -> None:
        """Any claim there ever was: those of zombies too."""
        model = self.model
        if not model.claims:
            return
        claim = model.claims[-1 - pick % len(model.claims)]
        decision = claim.decide(outcome)
        ran = None if isinstance(outcome, Released | UnknownName) else 0.1
        answer = queue.finish([Finish(claim, decision, ran=ran)])[claim.key]

        if model.running.get(claim.id) == claim.fence:
            assert answer is Answer.ACCEPTED
            assert claim.key not in model.accepted, "I3"
            model.accepted.add(claim.key)
            del model.running[claim.id]
        else:
            assert answer is Answer.STALE

    @rule(pick=st.integers(0, 9), how=st.sampled_from(["dies", "retires"]))
    def worker_ends(self, pick, how) -> None:
        worker = self.workers[pick % len(self.workers)]
        queue.bury(worker) if how == "dies" else queue.retire(worker)

    @rule(pick=st.integers(0, 9))
    def lost_claim(self, pick) -> None:
        worker = self.workers[pick % len(self.workers)]
        mine = {c.id for c in self.model.claims if c.worker_ids[-1] == worker}
        in_hand = [id for id in sorted(mine) if id.int % 2]
        queue.disown(worker, in_hand)

    @rule(
        verb=st.sampled_from(["promote", "rescue", "expire", "age", "find_queues", "fold", "prune"])
    )
    def upkeep(self, verb) -> None:
        getattr(queue, verb)()

    @rule()
    def ungate(self) -> None:
        queue.ungate(registry.names())

    # What people do

    @rule(
        pick=st.integers(0, 99),
        act=st.sampled_from(
            [
                "cancel",
                "discard",
                "retry",
                "redrive",
                "purge",
                "reprioritise",
                "reschedule",
                "edit_args",
            ]
        ),
    )
    def act(self, pick, act) -> None:
        if (id := self.some_task(pick)) is None:
            return
        before = State(Task.objects.get(id=id).state)
        match act:
            case "reprioritise":
                report = queue.reprioritise([id], pick % 5 - 2, by="ann")
            case "reschedule":
                at = timezone.now() + timedelta(seconds=self.model.ahead + pick % 3 * 10 - 10)
                report = queue.reschedule([id], at, by="ann")
            case "edit_args":
                report = queue.edit_args(id, "[1]", "{}", by="ann")
            case _:
                report = getattr(queue, act)([id], by="ann")
        if before in {source for source, _ in TRANSITIONS[act]}:
            assert report.done == {id: before}
            self.model.purged += act == "purge"
        else:
            assert report.refused == {id: before}

    @rule(name=st.sampled_from(["noop", "add"]), paused=st.booleans())
    def pause_name(self, name, paused) -> None:
        path = getattr(tasks, name).module_path
        queue.pause_name(path, by="ann") if paused else queue.resume_name(path, by="ann")

    @rule(name=st.sampled_from(QUEUES), paused=st.booleans())
    def pause_queue(self, name, paused) -> None:
        queue.pause(name, by="ann") if paused else queue.resume(name, by="ann")

    # What must hold

    @invariant()
    def the_tables_keep_their_invariants(self) -> None:
        assert broken(sql) == {}

    @invariant()
    def nothing_is_lost_or_made_up(self) -> None:
        there = Task.objects.count()
        assert there + self.model.purged == self.model.enqueued, "I5"
        purged = Statistic.objects.filter(outcome__startswith="purged").values_list(
            "count", flat=True
        )
        assert sum(purged) == self.model.purged

    @invariant()
    def fences_grow_and_the_model_agrees_on_who_runs(self) -> None:
        for id, fence, state in Task.objects.values_list("id", "fence", "state"):
            assert fence >= self.model.fences.get(id, 0), "I2"
            self.model.fences[id] = fence
            expected = self.model.running.get(id)
            if state == State.RUNNING:
                assert expected == fence
            elif expected is not None:
                # Rescued, disowned, or lost with its worker: only a newer fence takes it from its claim.
                assert fence > expected
                del self.model.running[id]

    @invariant()
    def the_dead_stay_dead_and_crashes_are_bounded(self) -> None:
        ended = set(Worker.objects.exclude(state="alive").values_list("id", flat=True))
        assert self.model.ended_workers - ended <= self.model.ended_workers - set(
            Worker.objects.values_list("id", flat=True)
        ), "I7"
        self.model.ended_workers |= ended
        assert not Task.objects.filter(crashes__gt=MAX_CRASHES + 1).exists()

    def teardown(self) -> None:
        """Whatever has happened, a live worker and some patience bring every task to an end."""
        for name in ("noop", "add"):
            queue.resume_name(getattr(tasks, name).module_path, by="ann")
        for name in QUEUES:
            queue.resume(name, by="ann")
        for worker in self.workers:
            queue.retire(worker)
        self.register()
        for _ in range(200):
            self.model.ahead += 61
            move_clock(self.model.ahead)
            queue.beat(self.workers[-1])
            queue.ungate(registry.names())
            for verb in (queue.rescue, queue.expire, queue.promote):
                verb()
            claims = queue.claim(QUEUES, 100, self.workers[-1])
            queue.finish([Finish(c, c.decide(Succeeded("1")), ran=0.1) for c in claims])
            if not sql("SELECT 1 FROM tq_task_live LIMIT 1"):
                break
        assert sql("SELECT id, state, reason FROM tq_task_live") == []
        assert broken(sql) == {}


@pytest.mark.timeout(600)
def test_any_order_of_verbs_keeps_the_protocol(movable_clock):
    run_state_machine_as_test(
        Protocol,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            phases=PHASES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def zombie_finishes(machine: Protocol) -> None:
    """The steps that need the fence: a worker dies, another claims its task, and the first one finishes it."""
    machine.enqueue(priority=0, queue_name="default", delay=None, expires_in=None, attempts=3)
    machine.claim(pick=0, limit=1, with_marks=False)
    machine.another_worker()
    machine.worker_ends(pick=0, how="dies")
    machine.upkeep(verb="rescue")
    machine.fences_grow_and_the_model_agrees_on_who_runs()
    machine.claim(pick=1, limit=1, with_marks=False)
    machine.finish(pick=1, outcome=Succeeded('"late"'))


def test_the_model_agrees_that_a_zombie_is_refused(movable_clock):
    zombie_finishes(Protocol())


def test_without_the_fence_the_model_finds_the_fault(movable_clock, monkeypatch):
    """Negative control: a finish that asks for the state alone accepts what a zombie says of a newer attempt."""
    text = statements.text
    unfenced = text("finish").replace("USING (id, fence)", "USING (id)")
    unfenced = unfenced.replace("AND l.fence = o.fence", "")
    assert unfenced != text("finish")
    monkeypatch.setattr(
        statements, "text", lambda name: unfenced if name == "finish" else text(name)
    )

    with pytest.raises(AssertionError):
        zombie_finishes(Protocol())
