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


def test_only_a_person_takes_a_task_out_of_a_terminal_state():
    leave = {
        verb for verb, pairs in TRANSITIONS.items() for source, _ in pairs if source in TERMINAL
    }

    assert leave == {"redrive", "purge"}


def test_no_verb_turns_one_terminal_state_into_another():
    assert not [
        (verb, source, target)
        for verb, pairs in TRANSITIONS.items()
        for source, target in pairs
        if source in TERMINAL and target in TERMINAL
    ]


def test_the_checks_in_the_database_are_those_of_the_table_of_states():
    live, history = re.findall(r"CHECK \(state IN \(([^)]*)\)\)", SCHEMA)

    assert states_in(live) == {state.value for state in LIVE}
    assert states_in(history) == {state.value for state in TERMINAL}
