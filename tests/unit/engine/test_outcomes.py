from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.engine.outcomes import (
    AttemptError,
    Crashed,
    Raised,
    Released,
    Succeeded,
    TimedOut,
    UnknownName,
    decide,
)
from tasks_app.engine.states import MAX_CRASHES, TERMINAL, TRANSITIONS, Reason, State

ERROR = AttemptError("builtins.ValueError", "no", "Traceback …")


@pytest.mark.parametrize(
    ("outcome", "attempt", "crashes", "state", "reason"),
    [
        (Succeeded("1"), 1, 0, State.SUCCEEDED, None),
        (Succeeded("1"), 3, 3, State.SUCCEEDED, None),
        (Raised(ERROR, 5.0), 1, 0, State.SCHEDULED, None),
        (Raised(ERROR, 5.0), 2, 0, State.SCHEDULED, None),
        (Raised(ERROR, 5.0), 3, 0, State.FAILED, Reason.EXHAUSTED),
        (Raised(ERROR, 0.0), 1, 0, State.SCHEDULED, None),  # no wait is not "no retry"
        (Raised(ERROR, 10), 1, 0, State.SCHEDULED, None),  # whole seconds are seconds
        (Raised(ERROR, None), 1, 0, State.FAILED, Reason.DISCARDED),
        (TimedOut(ERROR, 5.0), 2, 0, State.SCHEDULED, None),
        (TimedOut(ERROR, 5.0), 3, 0, State.FAILED, Reason.TIMEOUT),
        (TimedOut(ERROR, None), 1, 0, State.FAILED, Reason.TIMEOUT),
        (Crashed(ERROR), 1, 0, State.READY, None),
        (Crashed(ERROR), 3, 2, State.READY, None),  # a crash burns no attempt
        (Crashed(ERROR), 1, MAX_CRASHES, State.FAILED, Reason.POISON),
        (Released(), 3, 0, State.READY, None),
        (UnknownName(), 1, 0, State.GATED, Reason.UNKNOWN_NAME),
    ],
)
def test_what_an_outcome_leads_to(outcome, attempt, crashes, state, reason):
    decision = decide(outcome, attempt=attempt, max_attempts=3, crashes=crashes)

    assert (decision.state, decision.reason) == (state, reason)


outcomes = st.one_of(
    st.builds(Succeeded, st.just("null")),
    st.builds(Raised, st.just(ERROR), st.none() | st.floats(0, 1e6)),
    st.builds(TimedOut, st.just(ERROR), st.none() | st.floats(0, 1e6)),
    st.builds(Crashed, st.just(ERROR)),
    st.just(Released()),
    st.just(UnknownName()),
)


@given(outcomes, st.integers(1, 50), st.integers(1, 50), st.integers(0, MAX_CRASHES))
def test_every_decision_is_a_legal_transition_of_finish(outcome, attempt, more, crashes):
    decision = decide(outcome, attempt=attempt, max_attempts=attempt + more - 1, crashes=crashes)

    assert (State.RUNNING, decision.state) in TRANSITIONS["finish"]
    assert (decision.reason is not None) == (decision.state in (State.FAILED, State.GATED))
    assert not (decision.attempt_back and decision.state in TERMINAL)
