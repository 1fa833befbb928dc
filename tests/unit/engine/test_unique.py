"""Which calls share a key. Who holds one, and until when, is in tests/integration/queue/test_unique.py."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app import Unique
from tasks_app.engine.payload import encode
from tasks_app.engine.unique import MAX_KEY, MAX_PERIOD

NAME = "shop.tasks.sync"


def key(*args, **kwargs):
    return Unique().key_of(NAME, args, kwargs)


def by(value):
    return Unique(key=lambda *args, **kwargs: value).key_of(NAME, [], {})


def test_without_a_function_all_arguments_make_the_key():
    assert key(1, b=2) == key(1, b=2)
    assert len({key(), key(1), key(2), key(1, b=2), key(1, b=3), key(b=2)}) == 6


def test_each_task_has_keys_of_its_own():
    assert Unique().key_of("a.one", [1], {}) != Unique().key_of("a.two", [1], {})


def test_the_order_of_keyword_arguments_and_of_keys_does_not_matter():
    assert key(a=1, b=2) == key(b=2, a=1)
    assert key({"x": 1, "y": {"p": 1, "q": 2}}) == key({"y": {"q": 2, "p": 1}, "x": 1})


def test_the_order_of_positions_and_lists_does():
    assert key(1, 2) != key(2, 1)
    assert key([1, 2]) != key([2, 1])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (b"abc", "abc"),
        ([b"abc", {"a": "\u00e9".encode()}], ["abc", {"a": "\u00e9"}]),
        (IntEnum("Size", {"LARGE": 3}).LARGE, 3),
    ],
)
def test_what_is_stored_as_the_same_json_is_the_same_call(given, stored):
    assert key(given) == key(stored)
    assert key(k=given) == key(k=stored)


def test_numbers_that_json_writes_differently_are_different():
    assert len({key(1), key(1.0), key(True), key("1")}) == 4


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, -1.0, "", "a", "1", b"a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(MappingProxyType)
    ),
    max_leaves=4,
)


def stored(value):
    """What the queue keeps of it, with keys in order."""
    return json.dumps(json.loads(encode(value, "args", 10_000)), sort_keys=True)


@given(plain, plain)
def test_two_calls_share_a_key_if_and_only_if_they_are_stored_alike(one, two):
    assert (key(one) == key(two)) == (stored(one) == stored(two))


@given(st.text())
def test_every_key_can_be_stored_and_is_short(value):
    text = by(value)

    assert len(text) <= len(NAME) + 1 + MAX_KEY
    encode(text, "the key", 10_000)


def test_a_function_gets_the_arguments_as_the_task_would():
    unique = Unique(key=lambda account, *, amount=0: account)

    assert unique.key_of(NAME, ["a"], {"amount": 1}) == f"{NAME}:a"
    assert unique.key_of(NAME, ["a"], {}) == f"{NAME}:a"


def test_a_short_key_stays_readable_and_a_long_or_unprintable_one_is_hashed():
    assert by("order 7") == f"{NAME}:order 7"
    assert by(7) == f"{NAME}:7"
    assert by("x" * MAX_KEY) == f"{NAME}:{'x' * MAX_KEY}"
    for value in ("x" * (MAX_KEY + 1), "a\x00b", "line\nbreak", "\ud800"):
        hashed = by(value)
        assert len(hashed) == len(NAME) + 1 + 32
    assert by("x" * 201) != by("x" * 202)


@pytest.mark.parametrize("wrong", [None, True, 1.5, ["a"], b"a", object()])
def test_a_function_that_answers_neither_text_nor_a_number_is_refused_by_name(wrong):
    with pytest.raises(TypeError, match=rf"{NAME}: the key of its unique= is"):
        by(wrong)


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"key": "account"}, TypeError, r"Unique\.key='account': must be a function"),
        ({"until": "forever"}, ValueError, r"Unique\.until='forever': must be 'started' or"),
        ({"on_conflict": "wait"}, ValueError, r"Unique\.on_conflict='wait': must be 'skip',"),
        ({"period": "60"}, TypeError, r"Unique\.period='60': must be a number"),
        ({"period": True}, TypeError, r"Unique\.period=True: must be a number"),
        (
            {"period": 0},
            ValueError,
            r"Unique\.period=0: must be more than 0 and at most 31,622,400",
        ),
        ({"period": -1}, ValueError, r"Unique\.period=-1"),
        ({"period": math.nan}, ValueError, r"Unique\.period=nan"),
        ({"period": math.inf}, ValueError, r"Unique\.period=inf"),
        ({"period": MAX_PERIOD + 1}, ValueError, r"Unique\.period="),
        pytest.param({"period": 10**400}, ValueError, r"Unique\.period=1000", id="1e400"),
    ],
)
def test_a_wrong_option_is_refused_by_name_and_value(wrong, error, said):
    with pytest.raises(error, match=said):
        Unique(**wrong)


def test_options_are_given_by_name_only():
    with pytest.raises(TypeError):
        Unique(lambda: 1)
