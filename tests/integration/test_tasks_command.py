"""`manage.py tasks`: every act, filter and refusal, on real rows; what was interrupted can be said again."""

from __future__ import annotations

import getpass
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from tasks_app import queue, selection
from tasks_app.engine.states import TRANSITIONS, WAITING, Reason, State
from tasks_app.models import Audit, PausedName, Queue, Task
from tasks_app.selection import Selection, Walk
from tests.factories import an_error, make_queue, make_task
from tests.integration.queue.conftest import claim_one, register, sql, worker
from tests.processes import ROOT, database_url
from tests.sample import tasks
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["register", "worker"]  # fixtures

ADD = "tests.sample.tasks.add"
MANY = 2_500
VERBS = ("cancel", "discard", "retry", "redrive", "purge", "reprioritise", "reschedule")
EXTRA = {"reprioritise": ("--to", "7"), "reschedule": ("--in", "60")}


class Answer:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


def run(*arguments: object) -> Answer:
    out, err, status = StringIO(), StringIO(), 0
    try:
        call_command("tasks", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as ended:
        status = int(str(ended.code))
    return Answer(status, out.getvalue(), err.getvalue())


def usage(*arguments: object) -> str:
    """What is said of a call that cannot be right."""
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    message = str(refused.value)
    # Django's parser exits with 2 by itself when it is called from a shell.
    assert refused.value.returncode == 2 or message.startswith("Error: ")
    return message


def state(id: UUID) -> str | None:
    return Task.objects.filter(id=id).values_list("state", flat=True).first()


def make_many(count: int, *, first: datetime | None = None, name: str = "shop.tasks.send") -> None:
    """Failed tasks, enqueued a millisecond apart."""
    queue.make_days()
    make_queue()
    start = first or timezone.now() - timedelta(minutes=10)
    sql(
        """
        INSERT INTO tq_task_history (id, name, queue, backend, priority, state, reason, args, kwargs,
            enqueued_at, run_at, fence, attempt, max_attempts, crashes, lease_losses, worker_ids, finished_at, errors)
        SELECT (lpad(to_hex(%s + n), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid, %s, 'default',
            'default', 0, 'failed', 'exhausted', '[]', '{}', at, at, 1, 1, 3, 0, 0, '{}', now(), '[]'
        FROM generate_series(1, %s) AS n, LATERAL (SELECT %s + n * interval '1 ms' AS at) AS t
        """,
        int(start.timestamp() * 1000),
        name,
        count,
        start,
    )


class TestById:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("of", State)
    def test_an_act_is_done_in_its_states_and_refused_in_all_others(self, verb, of):
        task = make_task(of)
        legal = of in {source for source, _ in TRANSITIONS[verb]}

        preview = run(verb, task.id, *EXTRA.get(verb, ()), "--dry-run")
        assert state(task.id) == of
        assert not Audit.objects.exists()
        answer = run(verb, task.id, *EXTRA.get(verb, ()), "--by", "ann", "--reason", "the bug")

        assert answer.status == preview.status == (0 if legal else 1)
        if legal:
            audit = Audit.objects.get()
            assert (audit.by, audit.action, audit.reason) == ("ann", verb, "the bug")
            assert answer.err == ""
        else:
            assert f"refused  {task.id}: it is {of}, not " in answer.err
            assert f"1 refused (1 {of})." in answer.out
            assert not Audit.objects.exists()

    def test_the_account_of_the_operating_system_did_it_unless_a_name_is_given(self, monkeypatch):
        account = getpass.getuser()
        monkeypatch.setenv("LOGNAME", "somebody")

        run("cancel", make_task().id)

        assert Audit.objects.get().by == f"os:{account}"

    def test_what_became_of_each_is_counted(self):
        ready, running, ended = make_task(), make_task(State.RUNNING), make_task(State.SUCCEEDED)
        nobody = uuid7()

        answer = run("cancel", ready.id, running.id, ended.id, nobody, ready.id)

        assert answer.status == 1
        assert answer.out == (
            "1 cancelled, 1 running, asked to end, 1 refused (1 succeeded), 1 unknown.\n"
        )
        assert f"unknown  {nobody}: there is no such task" in answer.err
        assert (state(ready.id), state(running.id)) == ("cancelled", "running")
        assert Task.objects.get(id=running.id).cancel_requested_at is not None

    def test_of_many_that_were_refused_ten_are_named(self):
        answer = run("redrive", *[make_task().id for _ in range(13)])

        assert answer.err.count("refused  ") == 10
        assert "and 3 more" in answer.err

    def test_a_redriven_task_has_its_id_and_all_its_attempts(self):
        task = make_task(State.FAILED, attempt=3)

        answer = run("redrive", task.id)

        assert (answer.status, answer.out) == (0, "1 redriven.\n")
        after = Task.objects.get(id=task.id)
        assert (after.state, after.attempt) == ("ready", 0)

    def test_reprioritise_and_reschedule_write_their_value(self):
        task = make_task()

        run("reprioritise", task.id, "--to", "-5")
        run("reschedule", task.id, "--at", "2990-12-01T08:00+01:00")

        after = Task.objects.get(id=task.id)
        assert (after.priority, after.state) == (-5, "scheduled")
        assert after.run_at == datetime(2990, 12, 1, 7, tzinfo=UTC)
        run("reschedule", task.id, "--in", "0")
        assert state(task.id) == "ready"

    def test_more_ids_than_one_chunk_holds_go_in_several_with_progress(self):
        make_many(MANY)
        ids = Task.objects.values_list("id", flat=True)

        answer = run("redrive", *ids)

        assert answer.status == 0
        assert answer.out == "2,500 redriven.\n"
        assert [line.split(" at ")[0] for line in answer.err.splitlines()] == [
            *("1,000 tasks", "2,000 tasks", "2,500 tasks"),
        ]
        assert Audit.objects.count() == 3


class TestByFilter:
    @pytest.fixture
    def letters(self) -> dict[str, UUID]:
        """Dead letters that differ from `plain` in one thing each."""
        now = timezone.now()
        error = an_error("shop.errors.Refused")
        differing: dict[str, dict[str, Any]] = {
            "plain": {"errors": [an_error()]},
            "queue": {"queue": "mail"},
            "name": {"name": "crm.tasks.sync"},
            "reason": {"reason": Reason.TIMEOUT},
            "tag": {"tags": ["eu", "night"]},
            "error": {"errors": [an_error(), error, {"event": "redrive", "by": "ann"}]},
            "earlier error": {"errors": [error, an_error()]},
            "late": {"finished_at": now + timedelta(days=1)},
            "old": {"enqueued_at": now - timedelta(days=2), "id": aged(now - timedelta(days=2))},
        }
        return {key: make_task(State.FAILED, **values).id for key, values in differing.items()}

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            (["--queue", "mail"], {"queue"}),
            (["--name", "crm.tasks.sync"], {"name"}),
            (["--name", "crm.*"], {"name"}),
            (["--name", "crm.tasks"], set()),
            (["--name", "crm_tasks*"], set()),
            (["--failed-because", "timeout"], {"reason"}),
            (["--tag", "night"], {"tag"}),
            (["--error", "shop.errors.Refused"], {"error"}),
            (["--error", "Refused"], {"error"}),
            (["--error", "efused"], set()),
            (["--finished-after", "TOMORROW"], {"late"}),
            (["--enqueued-before", "YESTERDAY"], {"old"}),
            (["--queue", "mail", "--tag", "night"], set()),
        ],
    )
    def test_a_filter_chooses_what_it_says_and_nothing_else(self, letters, filters, expected):
        times = {
            "TOMORROW": (timezone.now() + timedelta(hours=12)).isoformat(),
            "YESTERDAY": (timezone.now() - timedelta(days=1)).isoformat(),
        }

        answer = run("redrive", *[times.get(value, value) for value in filters], "--yes")

        assert answer.status == 0
        assert {key for key, id in letters.items() if state(id) == "ready"} == expected

    def test_ended_before_leaves_out_what_ended_later(self, letters):
        run(
            "redrive",
            "--finished-before",
            (timezone.now() + timedelta(hours=1)).isoformat(),
            "--yes",
        )

        assert [key for key, id in letters.items() if state(id) == "failed"] == ["late"]

    @pytest.fixture
    def midnight(self) -> Iterator[datetime]:
        """Where 3 March 2026 begins in the time zone of the first: at 10:00 UTC. History has that day."""
        sql(
            "CREATE TABLE tq_task_history_20260302 PARTITION OF tq_task_history"
            " FOR VALUES FROM ('2026-03-02 00:00+00') TO ('2026-03-03 00:00+00')"
        )
        yield datetime(2026, 3, 2, 10, tzinfo=UTC)
        sql("DROP TABLE tq_task_history_20260302")

    def test_a_date_is_the_midnight_of_the_projects_time_zone(self, midnight, settings):
        settings.TIME_ZONE = "Pacific/Kiritimati"
        second = timedelta(seconds=1)
        before = make_task(State.FAILED, id=aged(midnight), finished_at=midnight - second)
        after = make_task(State.FAILED, id=aged(midnight - second), finished_at=midnight)

        run("redrive", "--finished-after", "2026-03-03", "--finished-before", "2026-03-04", "--yes")

        assert (state(before.id), state(after.id)) == ("failed", "ready")

    def test_states_are_those_of_the_verb_unless_they_are_named(self):
        failed, cancelled = make_task(State.FAILED), make_task(State.CANCELLED)

        run("redrive", "--queue", "default", "--yes")
        assert (state(failed.id), state(cancelled.id)) == ("ready", "cancelled")

        run("redrive", "--state", "failed", "--state", "cancelled", "--yes")
        assert state(cancelled.id) == "ready"

    def test_each_verb_takes_the_live_tasks_it_is_for(self):
        made = {of: make_task(of).id for of in State if of in WAITING}

        assert run("retry", "--queue", "default", "--yes").out == "1 made ready.\n"
        assert state(made[State.SCHEDULED]) == "ready"
        assert (
            run("reprioritise", "--to", 3, "--queue", "default", "--yes").out
            == "4 reprioritised.\n"
        )
        assert (
            run("reschedule", "--in", 60, "--queue", "default", "--yes").out == "2 rescheduled.\n"
        )
        assert run("discard", "--queue", "default", "--yes").out == "4 discarded.\n"
        assert (
            run("purge", "--failed-because", "discarded", "--limit", 1, "--yes").out
            == "1 purged.\n"
        )
        assert run("purge", "--state", "failed", "--yes").out == "3 purged.\n"
        assert not Task.objects.exists()

    def test_a_running_task_that_is_cancelled_by_filter_is_asked_to_end(self, worker):
        id = UUID(tasks.noop.enqueue().id)
        claim_one(worker)

        answer = run("cancel", "--name", "tests.sample.tasks.*", "--yes")

        assert answer.out == "0 cancelled, 1 running, asked to end.\n"
        assert Task.objects.get(id=id).cancel_requested_at is not None

    def test_it_asks_on_a_terminal_only(self):
        task = make_task(State.FAILED)

        assert "add --yes, or --dry-run" in usage("redrive", "--state", "failed")

        assert state(task.id) == "failed"

    def test_a_dry_run_writes_nothing(self):
        make_many(MANY)

        answer = run("redrive", "--failed-because", "exhausted", "--dry-run")

        assert (answer.status, answer.out) == (0, "2,500 would be redriven.\n")
        assert not Audit.objects.exists()
        assert Task.objects.in_state(State.FAILED).count() == MANY

    def test_the_oldest_go_first_and_the_rest_when_it_is_said_again(self):
        old, young = make_task(State.FAILED), make_task(State.FAILED)

        first = run("redrive", "--state", "failed", "--limit", "1", "--yes")
        assert "More match than --limit 1: say it again" in first.err
        assert (state(old.id), state(young.id)) == ("ready", "failed")

        again = run("redrive", "--state", "failed", "--limit", "1", "--yes")
        assert again.err == ""
        assert state(young.id) == "ready"
        assert run("redrive", "--state", "failed", "--yes").out == "0 redriven.\n"

    def test_redriven_tasks_are_claimed_in_the_order_in_which_they_were_enqueued(self, register):
        make_many(MANY)
        expected = list(Task.objects.order_by("id").values_list("id", flat=True)[:1_500])

        run("redrive", "--name", "shop.tasks.*", "--yes")

        claimed = queue.claim(["default"], 1_500, register(capabilities=["shop.tasks.send"]))
        assert sorted(claim.id for claim in claimed) == expected

    def test_a_task_enqueued_meanwhile_is_not_meant(self, monkeypatch):
        before = make_task()
        began = selection.now()
        after = make_task(enqueued_at=began + timedelta(seconds=1))

        run("cancel", "--queue", "default", "--yes")

        assert (state(before.id), state(after.id)) == ("cancelled", "ready")


class TestInterrupted:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
    def test_chunks_that_were_done_stay_done_and_the_rest_is_done_when_it_is_said_again(
        self, manage: Callable[..., Any], how: signal.Signals
    ):
        make_many(MANY)
        in_third = Task.objects.order_by("id").values_list("id", flat=True)[2_200]
        with psycopg.connect(database_url()) as holder:
            holder.execute("SELECT FROM tq_task_history WHERE id = %s FOR UPDATE", [in_third])
            process = manage("tasks", "redrive", "--state", "failed", "--yes")
            eventually(lambda: blocked_by(holder), message=lambda: process.output)
            os.kill(process.pid, how)
            status = process.wait(20)

        assert "2,000 tasks at" in process.output
        if how == signal.SIGINT:
            assert status == 130
            assert "2,000 redriven." in process.output
            assert "Say it again" in process.output
        eventually(lambda: Task.objects.in_state(State.FAILED).count() == 500)
        assert [audit.subject for audit in Audit.objects.all()] == ["1,000 tasks"] * 2

        again = run("redrive", "--state", "failed", "--yes")

        assert again.out == "500 redriven.\n"
        assert Task.objects.in_state(State.READY).count() == MANY

    def test_in_one_transaction_nothing_would_stay(self):
        """The control of the test above: it is the transaction of each chunk that keeps what was done."""
        make_many(MANY)
        in_third = Task.objects.order_by("id").values_list("id", flat=True)[2_200]
        with psycopg.connect(database_url()) as holder:
            holder.execute("SELECT FROM tq_task_history WHERE id = %s FOR UPDATE", [in_third])
            with transaction.atomic():
                sql("SET LOCAL lock_timeout = '100ms'")
                with pytest.raises(CommandError, match="lock timeout"):
                    run("redrive", "--state", "failed", "--yes")
                transaction.set_rollback(True)

        assert Task.objects.in_state(State.FAILED).count() == MANY
        assert not Audit.objects.exists()

    @pytest.mark.parametrize("claimed", [True, False])
    def test_a_task_that_is_claimed_meanwhile_is_refused_and_the_others_are_done(
        self, manage: Callable[..., Any], claimed: bool
    ):
        ready, taken = make_task(), make_task()
        with psycopg.connect(database_url()) as holder:
            holder.execute("SELECT FROM tq_task_live WHERE id = %s FOR UPDATE", [taken.id])
            process = manage("tasks", "discard", "--queue", "default", "--yes")
            eventually(lambda: blocked_by(holder), message=lambda: process.output)
            if claimed:
                holder.execute(
                    "UPDATE tq_task_live SET state = 'running', worker_id = %s WHERE id = %s",
                    [uuid7(), taken.id],
                )

        assert process.wait(20) == (1 if claimed else 0)
        said = "1 discarded, 1 refused (1 running)." if claimed else "2 discarded."
        assert said in process.output
        assert state(ready.id) == "failed"
        assert state(taken.id) == ("running" if claimed else "failed")


class TestOnATerminal:
    @pytest.mark.parametrize(
        ("said", "status", "left"), [("y\n", 0, 0), ("\n", 1, MANY), ("no\n", 1, MANY)]
    )
    def test_it_says_how_many_and_asks_and_rewrites_one_line_of_progress(self, said, status, left):
        make_many(MANY)
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "manage.py", "tasks", "redrive", "--name", "shop.*"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url()},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        seen = read_until(ours, "[y/N] ")
        os.write(ours, said.encode())
        seen += read_until(ours, None)

        assert process.wait(20) == status
        os.close(ours)
        assert "redrive 2,500 tasks (2,500 failed)? [y/N] " in seen
        assert Task.objects.in_state(State.FAILED).count() == left
        if not left:
            assert "\r2,500 of 2,500 tasks at " in seen
            assert seen.count("tasks at") == 3
            assert "2,500 redriven." in seen
        else:
            assert "Nothing was done." in seen


class TestEdit:
    def test_arguments_are_given_and_what_is_left_out_stays(self):
        task = make_task(name=ADD, args=[1], kwargs={"b": 2})

        assert run("edit", task.id, "--args", "[40]").out == "1 edited.\n"
        assert run("edit", task.id, "--kwargs", '{"b": 3}', "--reason", "typo").status == 0

        after = Task.objects.get(id=task.id)
        assert (after.args, after.kwargs) == ([40], {"b": 3})
        assert [a.reason for a in Audit.objects.filter(action="edit-args")] == ["typo", ""]

    def test_a_dry_run_checks_and_changes_nothing(self):
        task = make_task(name=ADD, args=[1])

        assert run("edit", task.id, "--args", "[40]", "--dry-run").out == "1 would be edited.\n"

        assert Task.objects.get(id=task.id).args == [1]
        assert not Audit.objects.exists()

    def test_a_running_task_keeps_its_arguments(self):
        task = make_task(State.RUNNING, name=ADD, args=[1])

        answer = run("edit", task.id, "--args", "[40]")

        assert answer.status == 1
        assert f"refused  {task.id}: it is running, not " in answer.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--args", "[]"], "missing a required argument: 'a'"),
            (["--kwargs", '{"c": 1}'], "unexpected keyword argument 'c'"),
            (["--args", "[1"], "--args is not JSON"),
            (["--args", "{}"], "--args must be a JSON array"),
            (["--kwargs", "[]"], "--kwargs must be a JSON object"),
            (["--args", r'["\u0000"]'], "args[0] holds a NUL"),
            ([], "Give --args, --kwargs or both"),
        ],
    )
    def test_what_is_wrong_is_said(self, arguments, message):
        task = make_task(name=ADD, args=[1])

        assert message in usage("edit", task.id, *arguments)
        assert Task.objects.get(id=task.id).args == [1]

    def test_a_task_that_nobody_knows_is_not_edited(self):
        with pytest.raises(CommandError, match="There is no task"):
            run("edit", uuid7(), "--args", "[]")
        with pytest.raises(CommandError, match="checked here: No task is registered as 'gone"):
            run("edit", make_task(name="gone.tasks.task").id, "--args", "[]")


class TestPauseAndResume:
    def test_a_queue(self):
        make_queue("mail")

        run("pause", "--queue", "mail", "--by", "ann", "--reason", "provider down")
        paused = Queue.objects.get(name="mail")
        assert (paused.paused_by, paused.pause_reason) == ("ann", "provider down")

        assert run("resume", "--queue", "mail", "--reason", "it is up").status == 0
        assert not Queue.objects.get(name="mail").paused
        assert [(a.action, a.subject, a.reason) for a in Audit.objects.all()] == [
            ("resume", "queue mail", "it is up"),
            ("pause", "queue mail", "provider down"),
        ]

    def test_a_name(self):
        assert run("pause", "--name", ADD, "--by", "ann", "--reason", "it loops").err == ""
        paused = PausedName.objects.get()
        assert (paused.name, paused.paused_by, paused.pause_reason) == (ADD, "ann", "it loops")

        run("resume", "--name", ADD, "--by", "ann", "--reason", "fixed")
        assert not PausedName.objects.exists()
        assert Audit.objects.first().reason == "fixed"

    def test_a_name_that_is_not_known_here_is_paused_with_a_word_of_doubt(self):
        answer = run("pause", "--name", "tests.sample.tasks.ad")

        assert "Did you mean tests.sample.tasks.add" in answer.err
        assert PausedName.objects.get().name == "tests.sample.tasks.ad"

    @pytest.mark.parametrize("act", ["pause", "resume"])
    def test_a_queue_that_is_not_there(self, act):
        make_queue("mail")

        with pytest.raises(CommandError, match=r"no queue 'mial'. Did you mean mail\?") as refused:
            run(act, "--queue", "mial")

        assert refused.value.returncode == 1
        assert not Queue.objects.filter(name="mial").exists()

    def test_a_name_that_is_not_paused(self):
        with pytest.raises(CommandError, match="was not paused"):
            run("resume", "--name", ADD)


class TestList:
    def test_one_line_a_task_newest_first(self):
        failed = make_task(State.FAILED, errors=[an_error(message="no\x1b[2J way\nor other")])
        ready = make_task(enqueued_at=timezone.now() - timedelta(minutes=2, seconds=10))

        first, second = run("list").out.splitlines()

        assert first.split("  ")[0] == str(ready.id)
        assert first.split() == [str(ready.id), "ready", "-", ready.name, "2", "m", "10", "s", "-"]
        assert second.startswith(f"{failed.id}  failed     exhausted     {failed.name}  ")
        assert second.endswith("ValueError: no\ufffd[2J way")

    def test_json_is_one_object_a_line(self):
        task = make_task(State.FAILED, tags=["eu"], errors=[an_error(message="no")])

        found = json.loads(run("list", "--json").out)

        assert found["id"] == str(task.id)
        assert (found["state"], found["reason"], found["tags"]) == ("failed", "exhausted", ["eu"])
        assert found["finished_at"] == task.finished_at.isoformat()
        assert found["error"] == {"exception_class": "builtins.ValueError", "message": "no"}

    def test_the_next_page_begins_where_the_last_one_ended_in_whatever_state(self):
        made = [make_task(of).id for of in State for _ in range(2)]
        seen: list[str] = []

        cursor: list[str] = []
        for _ in range(len(made)):
            answer = run("list", "--limit", "3", *cursor)
            seen += [line.split()[0] for line in answer.out.splitlines()]
            if "--cursor" not in answer.err:
                break
            cursor = answer.err.split("more: ")[1].split()

        assert seen == [str(id) for id in reversed(made)]

    def test_filters_choose(self):
        mail = make_task(queue="mail")
        make_task()
        make_task(State.FAILED, queue="mail")

        answer = run("list", "--queue", "mail", "--state", "ready", "--state", "running")

        assert [line.split()[0] for line in answer.out.splitlines()] == [str(mail.id)]


class TestDead:
    def test_dead_letters_are_grouped_the_most_first(self):
        for _ in range(3):
            make_task(State.FAILED, errors=[an_error()])
        make_task(State.FAILED, reason=Reason.EXPIRED, name="crm.tasks.sync")
        make_task(State.CANCELLED)

        first, second, last = run("dead").out.splitlines()

        assert first.split()[:4] == [
            *("3", "shop.tasks.send_receipt", "exhausted", "builtins.ValueError"),
        ]
        assert second.split()[:4] == ["1", "crm.tasks.sync", "expired", "-"]
        assert last == "4 dead letters."

    def test_it_looks_at_the_newest_and_says_how_to_look_on(self):
        old = make_task(State.FAILED, name="old")
        young = make_task(State.FAILED, name="young")

        answer = run("dead", "--limit", "1")

        assert "young" in answer.out
        assert f"The newest 1 dead letter; those before: --cursor {young.id}" in answer.out
        assert old.name in run("dead", "--cursor", young.id).out

    def test_more_groups_than_fit_are_counted(self):
        for number in range(102):
            make_task(State.FAILED, name=f"tasks.t{number}")

        assert "and 2 smaller groups" in run("dead").out


class TestSaidWrongly:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "ACT"),
            (["redrive"], "Give ids, or filters"),
            (["redrive", "--limit", "5"], "Give ids, or filters"),
            (["redrive", "--yes"], "Give ids, or filters"),
            (["redrive", "0198c0de-1234-7abc-8def-0123456789ab", "--queue", "x"], "not both"),
            (["redrive", "4711"], "'4711': must be the id of a task"),
            (["redrive", "--state", "ready"], "invalid choice: 'ready'"),
            (["redrive", "--failed-because", "boredom"], "invalid choice: 'boredom'"),
            (["redrive", "--failed-because", "name-paused"], "invalid choice: 'name-paused'"),
            (
                ["redrive", "--state", "cancelled", "--failed-because", "poison"],
                "No task can match",
            ),
            (["cancel", "--finished-after", "2026-11-23"], "No task can match"),
            (["cancel", "--failed-because", "poison"], "No task can match"),
            (["purge", "--queue", "mail"], "name the states with --state"),
            (["redrive", "--name", "a*b"], "'a*b': may have a * at its end only"),
            (["redrive", "--name", ""], "must be 1 to 500 printable characters"),
            (["redrive", "--tag", "a\nb"], "must be 1 to 500 printable characters"),
            (["redrive", "--queue", "\udcff"], "must be 1 to 500 printable characters"),
            (["redrive", "--finished-after", "yesterday"], "'yesterday': must be a date"),
            (["redrive", "--finished-after", "2026-11-23T08:00"], "must have an offset from UTC"),
            (["redrive", "--finished-after", "0001-01-01"], "must be in the years 2 to 9998"),
            (
                ["redrive", "--state", "failed", "--limit", "0"],
                "'0': must be a whole number from 1",
            ),
            (["redrive", "--state", "failed", "--cursor", "x"], "'x': must be the id of a task"),
            (["reprioritise", "--queue", "x"], "--to"),
            (["reprioritise", "--to", "101"], "'101': must be a whole number from -100 to 100"),
            (["reprioritise", "--to", "1.5"], "'1.5': must be a whole number from -100 to 100"),
            (["reschedule", "--queue", "x"], "one of the arguments --at --in is required"),
            (["reschedule", "--in", "-1"], "'-1': must be from 0 to"),
            (["reschedule", "--in", "nan"], "'nan': must be from 0 to"),
            (["reschedule", "--at", "soon"], "'soon': must be a date"),
            (["reschedule", "--at", "2990-01-01", "--in", "1"], "not allowed with argument"),
            (["pause"], "one of the arguments --queue --name is required"),
            (["pause", "--queue", "a", "--name", "b"], "not allowed with argument"),
            (["pause", "--name", "shop.*"], "must be one whole name"),
            (["cancel", "--by", "", "--queue", "x"], "must be 1 to 500 printable characters"),
            (["list", "--state", "gone"], "invalid choice: 'gone'"),
            (["forget"], "invalid choice: 'forget'"),
        ],
    )
    def test_the_value_and_the_rule_are_named(self, arguments, message):
        assert message in usage(*arguments)
        assert not Audit.objects.exists()

    def test_a_shell_sees_2(self, manage: Callable[..., Any]):
        wrong = manage("tasks", "redrive", "--limit", "0")
        nothing = manage("tasks", "redrive")

        assert (wrong.wait(30), nothing.wait(30)) == (2, 2)

    def test_a_database_that_does_not_answer_is_said(self, manage: Callable[..., Any]):
        process = manage("tasks", "list", DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")

        assert process.wait(30) == 1
        assert "The database does not answer" in process.output
        assert "Traceback" not in process.output


class TestWalk:
    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selection, "WINDOW", 7)
        monkeypatch.setattr(selection, "SEARCH", 1_000)

    @pytest.mark.parametrize("newest_first", [False, True])
    @pytest.mark.parametrize("limit", [1, 6, 7, 8, 14, 49, 100])
    def test_every_window_is_looked_through_once(self, small, limit, newest_first):
        expected = []
        for number in range(50):
            of = (State.FAILED, State.READY, State.CANCELLED)[number % 3]
            task = make_task(of, tags=["x"] if number % 5 else [])
            expected += [task.id] if number % 5 else []
        expected = expected[::-1] if newest_first else expected
        chosen = Selection(states=frozenset(State), tag="x")

        seen: list[UUID] = []
        cursor = None
        for _ in range(50):
            walk = Walk(chosen, limit, newest_first=newest_first, cursor=cursor)
            page = [id for (id,) in walk]
            seen += page
            if not walk.more:
                break
            assert len(page) == limit
            cursor = walk.cursor

        assert seen == expected

    def test_it_gives_up_after_many_that_do_not_match_and_goes_on_from_there(
        self, small, monkeypatch
    ):
        monkeypatch.setattr(selection, "SEARCH", 14)
        wanted = []
        for number in range(40):
            task = make_task((State.FAILED, State.CANCELLED)[number % 2])
            if number in (3, 37):
                wanted.append(make_task(State.FAILED, tags=["x"]).id)
        chosen = Selection(states=frozenset({State.FAILED, State.CANCELLED}), tag="x")

        seen, cursor, gave_up = [], None, 0
        while True:
            walk = Walk(chosen, 10, cursor=cursor)
            seen += [id for (id,) in walk]
            if not walk.gave_up:
                break
            gave_up, cursor = gave_up + 1, walk.cursor

        assert seen == wanted
        assert gave_up >= 1
        assert task.id not in seen

    def test_the_command_says_so_and_does_not_call_that_done(self, small, monkeypatch):
        monkeypatch.setattr(selection, "SEARCH", 14)
        for _ in range(21):
            make_task(State.FAILED)
        wanted = make_task(State.FAILED, tags=["x"])

        answer = run("redrive", "--tag", "x", "--yes")

        assert answer.status == 1
        assert answer.out == "0 redriven.\n"
        cursor = answer.err.split("--cursor ")[1].strip()
        assert run("redrive", "--tag", "x", "--cursor", cursor, "--yes").status == 0
        assert state(wanted.id) == "ready"

    def test_dead_letters_are_found_by_their_index_whatever_has_succeeded(self):
        make_many(20_000)
        sql("UPDATE tq_task_history SET state = 'succeeded', reason = NULL WHERE id::text !~ '00$'")
        sql("ANALYZE tq_task_history")
        (source,) = Selection(states=frozenset({State.FAILED})).sources()

        plan = source.filter(id__gt=UUID(int=0)).order_by("id").explain()

        assert f"tq_task_history_{timezone.now():%Y%m%d}" in plan
        assert "Seq Scan on tq_task_history_" + f"{timezone.now():%Y%m%d}" not in plan
        assert "tq_task_live" not in plan
        assert "Filter: (state" not in plan


def aged(at: datetime) -> UUID:
    """An id as a producer made it then."""
    return UUID(int=selection.first_id(at).int | 7 << 76 | 2 << 62)


def blocked_by(holder: psycopg.Connection[Any]) -> bool:
    return bool(
        sql(
            "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))",
            holder.info.backend_pid,
        )
    )


def read_until(terminal: int, text: str | None) -> str:
    """What is written to the terminal until that comes, or until nobody holds its other end."""
    seen = ""
    while text is None or text not in seen:
        try:
            seen += os.read(terminal, 4096).decode()
        except OSError:
            assert text is None, seen
            break
    return seen
