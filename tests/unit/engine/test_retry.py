from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.engine.retry import MAX_DELAY, Backoff, as_backoff, checked_delay


def test_the_wait_doubles_up_to_the_cap():
    backoff = Backoff(base=2, factor=2, cap=60, jitter=False)

    assert [backoff.delay(n, 0.5) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_the_wait_is_a_float_whatever_the_fields_are():
    assert type(Backoff(base=10, factor=2, cap=15, jitter=False).delay(1, 0.5)) is float
    assert type(Backoff(base=10, factor=2, cap=15, jitter=False).delay(9, 0.5)) is float


def test_a_fixed_wait_is_the_same_each_time():
    backoff = Backoff.fixed(7)

    assert [backoff.delay(n, 0.1) for n in (1, 2, 999)] == [7, 7, 7]
    assert Backoff.fixed(86_400).delay(1, 0.1) == 86_400  # no cap but MAX_DELAY
    assert Backoff.fixed(10, jitter=True).delay(1, 0.25) == 2.5


def test_a_linear_wait_grows_by_its_step_up_to_the_cap():
    backoff = Backoff.linear(10, cap=35, jitter=False)

    assert [backoff.delay(n, 0.1) for n in range(1, 6)] == [10, 20, 30, 35, 35]
    assert Backoff.linear(10).delay(3, 0.5) == 15


def test_an_exponential_wait_grows_by_its_factor_up_to_the_cap():
    backoff = Backoff.exponential(1, factor=3, cap=20, jitter=False)

    assert [backoff.delay(n, 0.1) for n in range(1, 5)] == [1, 3, 9, 20]
    assert Backoff.exponential() == Backoff()


def test_no_base_is_no_wait_however_many_attempts_there_were():
    assert [Backoff(base=0, factor=10.0, jitter=False).delay(n, 0.5) for n in (1, 300, 999)] == [
        0
    ] * 3


def test_full_jitter_takes_a_random_part_of_the_whole_wait():
    backoff = Backoff(base=10, factor=2)

    assert backoff.delay(3, 0.0) == 0
    assert backoff.delay(3, 0.25) == 10


backoffs = st.builds(
    Backoff,
    base=st.floats(0, 1e6),
    factor=st.floats(1, 1e6),
    step=st.floats(0, 1e6),
    cap=st.floats(0, 1e12),
    jitter=st.just(False),
)


@given(
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.floats(0, 1e6),
    st.floats(0, 1e12),
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_longer_than_cap_and_maximum(base, factor, step, cap, attempt, rand):
    """Whether its fields are floats or whole numbers."""
    for make in (float, int):
        backoff = Backoff(base=make(base), factor=make(factor), step=make(step), cap=make(cap))

        assert 0 <= backoff.delay(attempt, rand) <= min(cap, MAX_DELAY)


@given(backoffs, st.integers(1, 10_000), st.integers(0, 10_000))
def test_without_jitter_a_later_attempt_never_waits_less(backoff, attempt, more):
    assert backoff.delay(attempt, 0.5) <= backoff.delay(attempt + more, 0.5)


@given(backoffs, st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_with_jitter_the_wait_is_a_part_of_the_one_without(backoff, attempt, rand):
    whole = backoff.delay(attempt, rand)

    assert replace(backoff, jitter=True).delay(attempt, rand) == whole * rand


@pytest.mark.parametrize("field", ["base", "factor", "step", "cap"])
def test_whole_numbers_beyond_all_floats_wait_for_the_maximum(field):
    backoff = Backoff(**{"base": 1, "cap": 10**9, "jitter": False} | {field: 10**400})

    assert backoff.delay(500, 0.5) == MAX_DELAY


@pytest.mark.parametrize(
    "wrong",
    [{"base": -1}, {"factor": 0.5}, {"step": -0.1}, {"cap": math.nan}, {"base": math.inf}],
)
def test_a_backoff_out_of_range_is_refused_by_name_and_value(wrong):
    ((name, value),) = wrong.items()

    with pytest.raises(ValueError, match=f"Backoff.{name}={value!r}"):
        Backoff(**wrong)


@pytest.mark.parametrize("wrong", [{"base": "2"}, {"factor": True}, {"step": None}, {"cap": [1]}])
def test_a_backoff_of_something_else_than_numbers_is_refused_by_name_and_value(wrong):
    ((name, value),) = wrong.items()

    with pytest.raises(TypeError, match=re.escape(f"Backoff.{name}={value!r}")):
        Backoff(**wrong)


def test_a_number_is_a_fixed_wait():
    assert as_backoff(7).delay(5, 0.1) == 7


@pytest.mark.parametrize("wrong", ["5", None, True, [1]])
def test_what_is_no_backoff_is_refused(wrong):
    with pytest.raises(TypeError, match="must be a number of seconds, a Backoff, or a callable"):
        as_backoff(wrong)


@pytest.mark.parametrize(
    ("returned", "wait"),
    [
        (None, None),
        (3, 3.0),
        (-1, 0.0),
        (math.inf, MAX_DELAY),
        pytest.param(10**400, MAX_DELAY, id="1e400"),
    ],
)
def test_what_a_backoff_callable_returns_is_kept_in_bounds(returned, wait):
    assert checked_delay(returned) == wait


@pytest.mark.parametrize(
    ("wrong", "error"), [("3", TypeError), (True, TypeError), (math.nan, ValueError)]
)
def test_a_callable_that_returns_no_number_is_refused(wrong, error):
    with pytest.raises(error, match="backoff returned"):
        checked_delay(wrong)
