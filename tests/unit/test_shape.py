"""The rules of the house that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks_app.engine.states import TRANSITIONS, State

SQL = sorted(Path("tasks_app/queue/sql").glob("*.sql"))
PYTHON = [
    path
    for app in ("tasks_app", "workers_app", "analytics_app", "taskqueue_project")
    for path in sorted(Path(app).rglob("*.py"))
]


VERBS = {
    "end_waiting": ["cancel", "discard", "expire"],
    "ask_to_end": ["cancel"],
    "set_aside": ["claim"],
}
"""Statement → the verbs it is part of, where it has not the name of one."""


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.stem)
def test_every_statement_says_what_it_does_and_who_calls_it(path):
    header = path.read_text().split("\n", 1)[0]

    assert header.startswith("-- ")
    assert re.search(r"Callers?:", path.read_text())


def test_every_statement_has_a_caller_and_every_call_a_statement():
    called = {
        name
        for path in PYTHON
        for name in re.findall(
            r'(?:statements\.run|statements\.copy|statements\.insert|_moved)\(\s*"(\w+)"',
            path.read_text(),
        )
    }

    assert called == {path.stem for path in SQL}


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.stem)
def test_a_statement_writes_only_states_that_its_verb_may_write(path):
    written = set(re.findall(r"state = '(\w+)'", path.read_text().split("SET", 1)[-1]))
    written &= {state.value for state in State}
    verbs = VERBS.get(path.stem, [path.stem])
    allowed = {
        state.value
        for verb in verbs
        for pair in TRANSITIONS.get(verb, ())
        for state in pair
        if state is not None
    }

    if "UPDATE tq_task_live" in path.read_text():
        assert written <= allowed


def test_only_the_queue_package_writes_tasks():
    writes = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM)\s+tq_task", re.IGNORECASE)

    assert not [
        str(path)
        for path in PYTHON
        if writes.search(path.read_text()) and "tasks_app/queue/" not in str(path)
    ]
