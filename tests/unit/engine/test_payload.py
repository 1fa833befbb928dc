from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_app.engine.payload import MAX_DEPTH, InvalidPayload, clean_text, decode, encode

LIMIT = 1_000


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, "x\x00y"]}, r"args.a\[1\] holds a NUL"),
        (["\ud800"], r"args\[0\] holds a lone surrogate"),
        ({"\x00": 1}, r"a key of args holds a NUL"),
        ([math.nan], r"args\[0\] is nan"),
        ([math.inf], r"args\[0\] is inf"),
        ([10**64], "more than 64 digits"),
        ([-(10**64)], "more than 64 digits"),
        ([object()], "of type object"),
        ([{1, 2}], "of type set"),
        ({1: 2}, "keys must be strings"),
        ([b"\xff"], "bytes that are not UTF-8"),
        (nested(MAX_DEPTH + 1), "nested too deeply"),
        (nested(100_000), "nested too deeply"),
        (["x" * LIMIT], "takes 1,004 bytes as JSON \\(at most 1,000\\)"),
        (["é" * 500], "takes 1,004 bytes"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(value, message):
    with pytest.raises(InvalidPayload, match=message):
        encode(value, "args", LIMIT)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, (2,)), "[1,[2]]"),
        ({"ü": None}, '{"ü":null}'),
        (b"abc", '"abc"'),
        ("x" * (LIMIT - 2), '"' + "x" * (LIMIT - 2) + '"'),  # exactly at the limit
        ([True, 1, 1.5], "[true,1,1.5]"),
        (10**64 - 1, "9" * 64),
        ([1e16, -2.5e17], "[10000000000000000.0,-250000000000000000.0]"),
        ("\\u00001.0", '"\\\\u00001.0"'),  # a backslash of the caller's own
    ],
)
def test_what_can_be_stored_is_compact_json(value, text):
    assert encode(value, "args", LIMIT) == text


def test_the_deepest_allowed_nesting_is_allowed():
    encode(nested(MAX_DEPTH - 1), "args", LIMIT)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**64) + 1, 10**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(json_values)
def test_valid_values_come_back_as_they_went_in(value):
    assert decode(encode(value, "args", 10**6), "args") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[NaN]", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[1,]", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5_000, "is not JSON"),
    ],
)
def test_text_that_is_no_strict_json_is_refused(text, message):
    with pytest.raises(InvalidPayload, match=f"--args.*{message}"):
        decode(text, "--args")


def test_a_number_too_large_for_a_float_is_refused_on_its_way_in():
    with pytest.raises(InvalidPayload, match="is inf"):
        encode(decode("[1e400]", "args"), "args", LIMIT)


@given(st.text(), st.integers(10, 100))
def test_cleaned_text_fits_and_can_be_stored(text, limit):
    cleaned = clean_text(text, limit)

    assert len(cleaned) <= limit
    assert "\x00" not in cleaned
    json.dumps(cleaned).encode()
    cleaned.encode()


def test_a_long_text_keeps_its_end():
    assert clean_text("a" * 100 + "the cause", 20).endswith("the cause")
