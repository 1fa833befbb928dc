from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.engine.outcomes import (
    AttemptError,
    Crashed,
    Raised,
    Released,
    Snoozed,
    Succeeded,
    TimedOut,
    UnknownName,
    Withdrawn,
    decide,
)
from tasks_app.engine.states import MAX_CRASHES, MAX_SNOOZES, TERMINAL, TRANSITIONS, Reason, State

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
        (Snoozed(5.0), 3, 0, State.SCHEDULED, None),  # nor does a snooze
        (Withdrawn(None), 1, 0, State.CANCELLED, None),
        (Withdrawn(ERROR), 3, 3, State.CANCELLED, None),
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
    st.builds(Snoozed, st.floats(0, 1e6)),
    st.builds(Withdrawn, st.none() | st.just(ERROR)),
    st.builds(Crashed, st.just(ERROR)),
    st.just(Released()),
    st.just(UnknownName()),
)


@st.composite
def decisions(draw):
    """(outcome, where the task stood, decision)"""
    attempt = draw(st.integers(1, 50))
    stood = {
        "attempt": attempt,
        "max_attempts": draw(st.integers(attempt, 100)),
        "crashes": draw(st.integers(0, MAX_CRASHES)),
        "snoozes": draw(st.integers(0, 50) | st.integers(MAX_SNOOZES - 1, MAX_SNOOZES)),
    }
    outcome = draw(outcomes)
    return outcome, stood, decide(outcome, **stood)


@given(decisions())
def test_every_decision_is_a_legal_transition_of_finish(drawn):
    _, _, decision = drawn

    assert (State.RUNNING, decision.state) in TRANSITIONS["finish"]


@given(decisions())
def test_a_task_has_a_reason_if_and_only_if_it_failed_or_is_gated(drawn):
    _, _, decision = drawn

    assert (decision.reason is not None) == (decision.state in (State.FAILED, State.GATED))
    assert (decision.state is State.GATED) == (decision.reason is Reason.UNKNOWN_NAME)


@given(decisions())
def test_an_attempt_is_given_back_only_to_a_task_that_goes_on(drawn):
    _, _, decision = drawn

    assert not (decision.attempt_back and decision.state in TERMINAL)


@given(decisions())
def test_a_task_that_goes_on_has_an_attempt_left(drawn):
    _, stood, decision = drawn
    counted = stood["attempt"] - decision.attempt_back

    if decision.state not in TERMINAL:
        assert 0 <= counted < stood["max_attempts"]


@given(decisions())
def test_only_a_task_that_is_scheduled_waits_and_it_waits_as_the_outcome_says(drawn):
    outcome, _, decision = drawn

    if decision.state is State.SCHEDULED:
        asked = outcome.seconds if isinstance(outcome, Snoozed) else outcome.retry_after
        assert decision.delay == asked
    else:
        assert decision.delay == 0


@given(decisions())
def test_a_task_has_a_result_if_and_only_if_it_succeeded_and_an_error_if_it_failed(drawn):
    _, _, decision = drawn

    assert (decision.result is not None) == (decision.state is State.SUCCEEDED)
    if decision.state is State.FAILED:
        assert decision.error is not None
    if decision.result is not None:
        assert decision.error is None


@given(decisions())
def test_crashes_and_snoozes_are_counted_as_what_they_are(drawn):
    outcome, stood, decision = drawn

    assert decision.crashed == isinstance(outcome, Crashed)
    assert decision.snoozed == (isinstance(outcome, Snoozed) and stood["snoozes"] < MAX_SNOOZES)


@pytest.mark.parametrize(
    ("snoozes", "state"), [(MAX_SNOOZES - 1, State.SCHEDULED), (MAX_SNOOZES, State.FAILED)]
)
def test_a_task_snoozes_so_many_times_and_no_more(snoozes, state):
    decision = decide(Snoozed(1.0), attempt=1, max_attempts=3, crashes=0, snoozes=snoozes)

    assert decision.state is state
    assert decision.attempt_back == (state is State.SCHEDULED)
    if state is State.FAILED:
        assert decision.reason is Reason.EXHAUSTED
        assert "more than 10,000 times" in decision.error.message
