from __future__ import annotations

import copy
import math
import pickle
from datetime import timedelta

import pytest

from tasks_app import Cancel, Discard, Retry, Snooze
from tasks_app.engine.retry import MAX_DELAY

BEYOND_FLOATS = pytest.param(10**400, id="1e400")


@pytest.mark.parametrize("kind", [Snooze, Retry])
@pytest.mark.parametrize("seconds", [0, 0.5, 60, MAX_DELAY])
def test_a_wait_is_kept_as_a_float(kind, seconds):
    answer = kind(seconds)
    kept = answer.seconds if kind is Snooze else answer.after

    assert (kept, type(kept)) == (seconds, float)


@pytest.mark.parametrize("kind", [Snooze, Retry])
@pytest.mark.parametrize("wrong", [-1, -0.001, MAX_DELAY + 1, math.nan, math.inf, BEYOND_FLOATS])
def test_a_wait_out_of_range_is_refused(kind, wrong):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(.*\): must be from 0 to 2,592,000"):
        kind(wrong)


@pytest.mark.parametrize("kind", [Snooze, Retry])
@pytest.mark.parametrize("wrong", ["60", True, timedelta(seconds=60), [60]])
def test_a_wait_that_is_no_number_is_refused(kind, wrong):
    with pytest.raises(TypeError, match="must be a number of seconds"):
        kind(wrong)


def test_a_snooze_says_for_how_long():
    with pytest.raises(TypeError, match="seconds"):
        Snooze()


def test_without_seconds_a_retry_leaves_the_wait_to_the_backoff():
    assert Retry().after is None
    assert Retry(after=0).after == 0


@pytest.mark.parametrize("kind", [Retry, Discard, Cancel])
def test_a_reason_is_text(kind):
    assert kind(reason="no such order").reason == "no such order"
    with pytest.raises(TypeError, match=f"{kind.__name__}: reason=7 must be text"):
        kind(reason=7)


@pytest.mark.parametrize(
    "answer",
    [Snooze(2.5), Retry(), Retry(0, "locked"), Retry(reason="locked"), Discard("no"), Cancel()],
    ids=repr,
)
@pytest.mark.parametrize(
    "through", [lambda answer: pickle.loads(pickle.dumps(answer)), copy.copy, copy.deepcopy]
)
def test_an_answer_survives_pickling_and_copying(answer, through):
    again = through(answer)

    assert type(again) is type(answer)
    assert vars(again) == vars(answer)
    assert str(again) == str(answer)


def test_as_text_an_answer_is_its_reason_or_its_name():
    assert str(Discard("no such order")) == "no such order"
    assert [str(a) for a in (Snooze(1), Retry(), Discard(), Cancel())] == [
        "Snooze",
        "Retry",
        "Discard",
        "Cancel",
    ]
