from __future__ import annotations

import math

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


def test_full_jitter_takes_a_random_part_of_the_whole_wait():
    backoff = Backoff(base=10, factor=2)

    assert backoff.delay(3, 0.0) == 0
    assert backoff.delay(3, 0.25) == 10


@given(
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.floats(0, 1e12),
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_longer_than_cap_and_maximum(base, factor, cap, attempt, rand):
    wait = Backoff(base=base, factor=factor, cap=cap).delay(attempt, rand)

    assert 0 <= wait <= min(cap, MAX_DELAY)


@pytest.mark.parametrize(
    "wrong", [{"base": -1}, {"factor": 0.5}, {"cap": math.nan}, {"base": math.inf}]
)
def test_a_backoff_out_of_range_is_refused_by_name_and_value(wrong):
    ((name, value),) = wrong.items()

    with pytest.raises(ValueError, match=f"Backoff.{name}={value!r}"):
        Backoff(**wrong)


def test_a_number_is_a_fixed_wait():
    assert as_backoff(7).delay(5, 0.1) == 7


@pytest.mark.parametrize("wrong", ["5", None, True, [1]])
def test_what_is_no_backoff_is_refused(wrong):
    with pytest.raises(TypeError, match="must be a number of seconds, a Backoff, or a callable"):
        as_backoff(wrong)


@pytest.mark.parametrize(
    ("returned", "wait"), [(None, None), (3, 3.0), (-1, 0.0), (math.inf, MAX_DELAY)]
)
def test_what_a_backoff_callable_returns_is_kept_in_bounds(returned, wait):
    assert checked_delay(returned) == wait


@pytest.mark.parametrize(("wrong", "error"), [("3", TypeError), (math.nan, ValueError)])
def test_a_callable_that_returns_no_number_is_refused(wrong, error):
    with pytest.raises(error, match="backoff returned"):
        checked_delay(wrong)
