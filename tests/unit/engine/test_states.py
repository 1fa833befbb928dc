from __future__ import annotations

import re
from pathlib import Path

from tasks_app.engine.states import LIVE, TERMINAL, TRANSITIONS, State

SCHEMA = Path("tasks_app/migrations/sql/0001_tasks.sql").read_text()


def states_in(check: str) -> set[str]:
    return set(re.findall(r"'(\w+)'", check))


def test_live_and_terminal_states_divide_all_states():
    assert set(State) == LIVE | TERMINAL
    assert not LIVE & TERMINAL


def test_nothing_leaves_a_terminal_state():
    assert not [
        (verb, pair) for verb, pairs in TRANSITIONS.items() for pair in pairs if pair[0] in TERMINAL
    ]


def test_the_checks_in_the_database_are_those_of_the_table_of_states():
    live, history = re.findall(r"CHECK \(state IN \(([^)]*)\)\)", SCHEMA)

    assert states_in(live) == {state.value for state in LIVE}
    assert states_in(history) == {state.value for state in TERMINAL}
