"""`manage.py index_sources` with a real worker; and that its checks notice when something went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from examples import report, sources
from examples.checks import complaints, report_complaints
from examples.plan import Expected, Plan
from examples.run import Run
from examples.sources import NotPython, OutsideLibrary
from tasks_app.engine.states import Reason, State
from tasks_app.models import Queue, Task
from tests.conftest import StartManage
from tests.processes import ManageProcess

LIMIT = 60


@pytest.fixture
def start(manage: StartManage, transactional_db: None, tmp_path: Path) -> StartManage:
    """`manage` with its own TASKQUEUE_VAR."""

    def start(*arguments: str, **environment: str) -> ManageProcess:
        return manage(*arguments, **{"TASKQUEUE_VAR": str(tmp_path / "var"), **environment})

    return start


@pytest.fixture
def worker(start: StartManage) -> Iterator[ManageProcess]:
    process = start("runworker", "--processes", "2")
    yield process
    process.terminate()
    assert process.wait() == 0, process.output


def test_it_indexes_real_files_and_all_its_checks_pass(
    worker: ManageProcess, start: StartManage, tmp_path: Path
) -> None:
    demonstration = start("index_sources", "--limit", str(LIMIT), "--timeout", "60")
    assert demonstration.wait(timeout=90) == 0, demonstration.output + worker.output
    last = demonstration.output.splitlines()[-1]
    assert last.startswith(f"demonstration: {LIMIT} files, ")
    assert last.endswith(": all checks passed")
    assert demonstration.output.count("tasks have ended (") <= 10
    assert "(100 %)" in demonstration.output

    written = json.loads((tmp_path / "var" / "demo" / "report.json").read_text())
    paths = sources.find_sources(LIMIT)
    assert written == report.summarise(written["run"], {p: sources.count(p) for p in paths})
    assert written["files"] == LIMIT
    assert f"{written['totals']['lines']:,} lines" in last
    text = (tmp_path / "var" / "demo" / "report.txt").read_text()
    assert text in demonstration.output
    assert written["top"][0]["path"] in text
    assert Task.objects.filter(state="failed").count() >= 2
    assert set(Task.objects.values_list("queue", flat=True)) == {"default", "mail", "reports"}


def test_without_a_worker_it_says_how_to_start_one(start: StartManage) -> None:
    demonstration = start("index_sources", "--wait", "0.3")
    assert demonstration.wait() == 1
    assert "no live worker: start one with `manage.py runworker`" in demonstration.output
    assert "Traceback" not in demonstration.output
    assert not Task.objects.exists()


def test_a_worker_for_other_queues_is_not_enough(start: StartManage) -> None:
    worker = start("runworker", "--queues", "default")
    demonstration = start("index_sources", "--wait", "5")
    assert demonstration.wait() == 1
    assert "no live worker serves mail, reports: start one" in demonstration.output
    worker.terminate()
    assert worker.wait() == 0


def test_a_paused_queue_is_named(start: StartManage) -> None:
    Queue.objects.update_or_create(name="mail", defaults={"paused_at": timezone.now()})
    demonstration = start("index_sources", "--wait", "0.3")
    assert demonstration.wait() == 1
    assert "paused: mail." in demonstration.output


def test_a_queue_missing_in_the_settings_is_named(
    worker: ManageProcess, start: StartManage
) -> None:
    # The settings of the tests come with tasks of their own on the queue `mail`.
    demonstration = start(
        "index_sources",
        "--limit=5",
        DJANGO_SETTINGS_MODULE="taskqueue_project.settings",
        TASKQUEUE_QUEUES="default,reports",
    )
    assert demonstration.wait() == 1
    assert "TASKQUEUE_QUEUES" in demonstration.output
    assert "Traceback" not in demonstration.output
    assert not Task.objects.exists()


def test_out_of_time_it_says_what_is_left(worker: ManageProcess, start: StartManage) -> None:
    # One of its tasks is due after three seconds.
    demonstration = start("index_sources", "--limit", "5", "--timeout", "1")
    assert demonstration.wait() == 1
    assert "out of time" in demonstration.output
    assert "scheduled" in demonstration.output
    assert "Traceback" not in demonstration.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--limit", "0"),
        ("--limit", "x"),
        ("--timeout", "0"),
        ("--timeout", "nan"),
        ("--wait", "-1"),
    ],
)
def test_wrong_options_are_refused(manage: StartManage, arguments: tuple[str, str]) -> None:
    demonstration = manage("index_sources", *arguments)
    assert demonstration.wait() == 2
    assert "must be a" in demonstration.output


@pytest.mark.parametrize("name", ["../outside.py", "/etc/passwd", "json/../../../x", "."])
def test_a_worker_reads_nothing_outside_the_library(name: str) -> None:
    with pytest.raises((OutsideLibrary, FileNotFoundError)):
        sources.count(name)


def test_a_link_that_leads_out_of_the_library_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (tmp_path / "secret.py").write_text("secret = 1\n")
    (library / "link.py").symlink_to(tmp_path / "secret.py")
    (library / "zero.py").write_text("a = 1\0\n")
    (library / "fine.py").write_text("async def f(): ...\nclass A:\n    def g(self): ...\n")
    monkeypatch.setattr(sources, "LIBRARY", library)
    with pytest.raises(OutsideLibrary, match=r"link\.py is not in the standard library"):
        sources.count("link.py")
    with pytest.raises(NotPython, match=r"zero\.py"):
        sources.count("zero.py")
    assert sources.find_sources() == ["fine.py", "zero.py"]
    assert sources.count("fine.py") == {"lines": 3, "tokens": 23, "functions": 2, "classes": 1}


class Ended:
    """Two tasks that ended as planned, to be spoilt."""

    def __init__(self) -> None:
        now = timezone.now()
        times = {"enqueued_at": now, "run_at": now, "first_started_at": now}
        same = {"name": "examples.tasks.count_file", "crashes": 0, "lease_losses": 0, **times}
        counts = sources.Counts(lines=1, tokens=2, functions=3, classes=4)
        self.good = Task(id=uuid4(), state="succeeded", attempt=1, errors=[], result=counts, **same)
        self.bad = Task(
            id=uuid4(),
            state="failed",
            reason="discarded",
            attempt=1,
            errors=[{"exception_class": "E"}],
            **same,
        )
        self.tasks = [self.good, self.bad]
        self.counted = {"a.py": counts}
        self.plan = Plan(
            Run("label", self.good.id, self.bad.id),
            ["a.py"],
            {
                self.good.id: Expected(counts="a.py"),
                self.bad.id: Expected(State.FAILED, Reason.DISCARDED, ("E",)),
            },
        )

    def complaints(self) -> str:
        return "\n".join(complaints(self.plan, self.tasks, self.counted))


def test_the_checks_pass_what_went_as_planned_and_notice_everything_else() -> None:
    assert Ended().complaints() == ""

    ended = Ended()
    ended.tasks.remove(ended.good)
    assert "is not among the ended ones" in ended.complaints()
    assert "a.py was counted 0 times" in ended.complaints()

    ended = Ended()
    ended.tasks.append(ended.good)
    assert "ended 2 times" in ended.complaints()
    assert "a.py was counted 2 times" in ended.complaints()

    ended = Ended()
    del ended.plan.expected[ended.bad.id]
    assert "was never enqueued" in ended.complaints()

    ended = Ended()
    ended.counted = {"a.py": sources.Counts(lines=9, tokens=2, functions=3, classes=4)}
    assert "a recount gives {'lines': 9," in ended.complaints()

    ended = Ended()
    ended.bad.reason = "exhausted"
    assert "failed (exhausted) instead of failed (discarded)" in ended.complaints()

    ended = Ended()
    ended.bad.errors = [{"exception_class": "F"}]
    assert "raised ['F'] instead of ['E']" in ended.complaints()

    ended = Ended()
    ended.good.attempt = 2
    assert "2 attempts instead of 1" in ended.complaints()
    ended.good.crashes = 1  # its worker was killed
    assert ended.complaints() == ""

    ended = Ended()
    ended.good.run_at += timedelta(seconds=3)
    assert "before it was due" in ended.complaints()


def test_a_report_that_differs_is_noticed(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    ended = Ended()
    true = report.summarise("label", ended.counted)
    assert "No such file" in report_complaints(ended.plan, true, ended.counted)[0]
    report.write(true)
    assert report_complaints(ended.plan, true, ended.counted) == []
    assert len(list(report.directory().iterdir())) == 2
    assert "returned None" in report_complaints(ended.plan, None, ended.counted)[0]
    report.write({**true, "files": 7})
    assert "are not what" in report_complaints(ended.plan, true, ended.counted)[0]
