from __future__ import annotations

import json
from collections import Counter

import pytest
from django.db import connection

from tasks_app import queue
from tasks_app.engine.outcomes import (
    AttemptError,
    Crashed,
    Outcome,
    Raised,
    Released,
    Succeeded,
    UnknownName,
)
from tasks_app.models import Statistic, Task
from tasks_app.queue import Answer, Claim, Finish
from tasks_app.queue.statements import PLANS, text
from tests.integration.queue.conftest import claim_one, sql
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

ERROR = AttemptError("builtins.ValueError", "no", "Traceback …")


def finish(claim: Claim, outcome: Outcome, ran: float | None = 0.5) -> Answer:
    return queue.finish([Finish(claim, claim.decide(outcome), ran=ran)])[claim.key]


def test_success_moves_the_task_to_history_with_its_result(worker):
    id = tasks.noop.enqueue().id
    claim = claim_one(worker)

    assert finish(claim, Succeeded('{"a": 1}')) is Answer.ACCEPTED

    row = Task.objects.get(id=id)
    assert (row.state, row.result, row.worker_id) == ("succeeded", {"a": 1}, None)
    assert 0.5 <= (row.finished_at - row.started_at).total_seconds() < 5
    assert sql("SELECT count(*) FROM tq_task_live") == [(0,)]


def test_an_error_schedules_the_next_attempt_and_is_kept(worker):
    id = tasks.fail.enqueue().id
    claim = claim_one(worker)

    finish(claim, Raised(ERROR, 60.0))

    row = Task.objects.get(id=id)
    assert (row.state, row.attempt, row.worker_id) == ("scheduled", 1, None)
    assert 55 < (row.run_at - row.enqueued_at).total_seconds() < 70
    (error,) = row.errors
    assert (error["attempt"], error["message"], error["worker"]) == (1, "no", str(worker))
    assert error["started_at"] < error["ended_at"]


def test_every_attempt_keeps_its_error_and_the_last_one_fails_the_task(worker):
    id = tasks.fail.enqueue().id
    for attempt in (1, 2, 3):
        claim = claim_one(worker)
        error = AttemptError("builtins.ValueError", f"attempt {attempt}", "")
        finish(claim, Raised(error, 0.0))
        queue.promote()

    row = Task.objects.get(id=id)
    assert (row.state, row.reason, row.attempt) == ("failed", "exhausted", 3)
    assert [error["message"] for error in row.errors] == ["attempt 1", "attempt 2", "attempt 3"]
    assert (row.fence, len(row.worker_ids)) == (3, 3)


def test_a_released_claim_goes_back_to_its_place_and_burns_no_attempt(worker):
    first, _second = tasks.noop.enqueue_many([(), ()])
    claim = claim_one(worker)

    finish(claim, Released(), ran=None)

    again = claim_one(worker)
    assert (str(again.id), again.attempt, again.fence) == (first, 1, 2)
    assert len(again.worker_ids) == 1


def test_a_task_that_no_worker_knows_waits_until_one_registers(worker, register):
    queue.enqueue([queue.Spec(name="gone.tasks.old")])
    claim = claim_one(worker)

    finish(claim, UnknownName(), ran=None)

    row = Task.objects.get(id=claim.id)
    assert (row.state, row.reason, row.attempt) == ("gated", "unknown-name", 0)
    register(capabilities=["other"])
    assert Task.objects.get(id=claim.id).state == "gated"
    register(capabilities=["gone.tasks.old"])
    assert Task.objects.get(id=claim.id).state == "ready"


def test_a_crash_gives_the_attempt_back_until_there_were_too_many(worker):
    id = tasks.noop.enqueue().id
    for crashes in (1, 2, 3):
        finish(claim_one(worker), Crashed(ERROR))
        row = Task.objects.get(id=id)
        assert (row.state, row.attempt, row.crashes) == ("ready", 0, crashes)

    finish(claim_one(worker), Crashed(ERROR))

    row = Task.objects.get(id=id)
    assert (row.state, row.reason, row.crashes) == ("failed", "poison", 4)
    assert len(row.errors) == 4


def test_a_late_finish_of_a_rescued_attempt_changes_nothing(worker, register):
    id = tasks.noop.enqueue().id
    late = claim_one(worker)
    queue.bury(worker)
    queue.rescue()
    newer = claim_one(register())

    assert finish(late, Succeeded('"late"')) is Answer.STALE
    assert Task.objects.get(id=id).state == "running"

    assert finish(newer, Succeeded('"newer"')) is Answer.ACCEPTED
    assert finish(late, Raised(ERROR, 1.0)) is Answer.STALE
    row = Task.objects.get(id=id)
    assert (row.state, row.result, row.fence) == ("succeeded", "newer", newer.fence)


def test_without_the_fence_the_late_finish_would_win(worker, register):
    """Negative control of the test above: the same statement without its fence overwrites the newer attempt."""
    tasks.noop.enqueue()
    late = claim_one(worker)
    queue.bury(worker)
    queue.rescue()
    claim_one(register())
    unfenced = text("finish").replace("USING (id, fence)", "USING (id)")
    unfenced = unfenced.replace("AND l.fence = o.fence", "")
    assert unfenced != text("finish")
    columns = {
        "id": [late.id],
        "fence": [late.fence],
        "state": ["succeeded"],
        "attempt_back": [False],
        "crashed": [False],
        "snoozed": [False],
        "delay": [0.0],
        "age": [0.1],
        "ran": [0.1],
        "result": ['"late"'],
        "reason": [None],
        "error": [None],
    }

    with connection.cursor() as cursor:
        cursor.execute(unfenced, columns)
        ((_, _, answer),) = cursor.fetchall()

    assert answer == "accepted"
    assert Task.objects.get(id=late.id).result == "late"


def test_an_outcome_is_accepted_once(worker):
    tasks.noop.enqueue()
    claim = claim_one(worker)

    assert finish(claim, Succeeded("1")) is Answer.ACCEPTED
    assert finish(claim, Succeeded("2")) is Answer.STALE
    assert Task.objects.get(id=claim.id).result == 1


def test_a_row_that_another_session_holds_is_busy_and_the_others_are_written(worker):
    tasks.noop.enqueue_many([(), ()])
    held, free = queue.claim(["default"], 2, worker)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM tq_task_live WHERE id = %s FOR UPDATE", [held.id])
        answers = queue.finish([Finish(c, c.decide(Succeeded("1")), ran=0.1) for c in (held, free)])
        cursor.execute("ROLLBACK")
    other.close()

    assert answers == {held.key: Answer.BUSY, free.key: Answer.ACCEPTED}
    assert finish(held, Succeeded("1")) is Answer.ACCEPTED


def test_one_value_that_the_database_refuses_fails_its_own_task_alone(worker):
    tasks.noop.enqueue_many([()] * 9)
    claims = queue.claim(["default"], 9, worker)
    results = ["1", "2", "3", "4", '"\\u0000"', "6", "7", "8", "9"]

    answers = queue.finish(
        [
            Finish(claim, claim.decide(Succeeded(result)), ran=0.1)
            for claim, result in zip(claims, results, strict=True)
        ]
    )

    assert set(answers.values()) == {Answer.ACCEPTED}
    bad = Task.objects.get(id=claims[4].id)
    assert (bad.state, bad.reason) == ("failed", "discarded")
    assert Task.objects.filter(state="succeeded").count() == 8


def test_hostile_text_in_an_error_is_stored_cleaned_and_cut(worker):
    tasks.fail.enqueue()
    claim = claim_one(worker)

    finish(claim, Raised(AttemptError("a\x00b", "\ud800" * 10_000, "x" * 100_000 + "end"), None))

    (error,) = Task.objects.get(id=claim.id).errors
    assert error["exception_class"] == "a\ufffdb"
    assert len(error["message"]) <= 2_048
    assert len(error["traceback"]) <= 16_384
    assert error["traceback"].endswith("end")


def test_a_missing_day_of_history_is_made_and_the_batch_repeated(worker):
    tasks.noop.enqueue()
    claim = claim_one(worker)
    ((today,),) = sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')")
    sql(f"DROP TABLE tq_task_history_{today}")

    assert finish(claim, Succeeded("1")) is Answer.ACCEPTED
    assert Task.objects.get(id=claim.id).state == "succeeded"


def test_statistics_count_every_attempt_in_its_own_transaction(worker):
    tasks.noop.enqueue_many([()] * 5)
    tasks.fail.enqueue()
    claims = queue.claim(["default"], 6, worker)

    queue.finish(
        [
            Finish(
                c, c.decide(Raised(ERROR, 5.0) if "fail" in c.name else Succeeded("1")), ran=0.01
            )
            for c in claims
        ]
    )

    counted: Counter[tuple[str, str]] = Counter()
    for row in Statistic.objects.all():  # one per bucket of the wait
        counted[row.name.rpartition(".")[2], row.outcome] += row.count
    assert counted == {("noop", "succeeded"): 5, ("fail", "retried"): 1}
    # 10 ms lie in [1.2 ** 12, 1.2 ** 13).
    assert set(Statistic.objects.values_list("run_bucket", flat=True)) == {13}


def test_a_large_batch_walks_the_primary_key(worker):
    tasks.noop.enqueue_many([()] * 5_000)
    claims = queue.claim(["default"], 500, worker)
    sql("ANALYZE tq_task_live")
    batch = {
        "id": [c.id for c in claims],
        "fence": [c.fence for c in claims],
        "state": ["succeeded"] * 500,
        "reason": [None] * 500,
        "delay": [0.0] * 500,
        "attempt_back": [False] * 500,
        "crashed": [False] * 500,
        "snoozed": [False] * 500,
        "age": [0.0] * 500,
        "ran": [0.0] * 500,
        "result": ["1"] * 500,
        "error": [None] * 500,
    }
    with connection.cursor() as cursor:
        cursor.execute(PLANS)  # as on a worker's own connections
        cursor.execute("EXPLAIN (FORMAT JSON) " + text("finish"), batch)
        ((plan,),) = cursor.fetchall()
        cursor.execute("RESET ALL")

    text_of_plan = plan if isinstance(plan, str) else json.dumps(plan)
    assert "tq_task_live_pkey" in text_of_plan
    scans = [
        node
        for node in _nodes(json.loads(text_of_plan)[0]["Plan"])
        if node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "tq_task_live"
    ]
    assert not scans


def _nodes(plan: dict) -> list[dict]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


def test_a_batch_may_hold_outcomes_of_an_old_and_a_new_claim_of_one_task(worker, register):
    """A worker that lost a task and claimed it again may have both outcomes in hand: the old one must not be applied."""
    tasks.fail.enqueue()
    old = claim_one(worker)
    queue.bury(worker)
    queue.rescue()
    new = claim_one(register())

    answers = queue.finish(
        [
            Finish(old, old.decide(Raised(ERROR, 60.0)), ran=0.1),
            Finish(new, new.decide(Succeeded('"new"')), ran=0.1),
        ]
    )

    assert answers == {old.key: Answer.STALE, new.key: Answer.ACCEPTED}
    row = Task.objects.get()
    assert (row.state, row.result) == ("succeeded", "new")
