"""Arguments, results and errors at the limits and past them: each fails alone, whatever is written beside it."""

from __future__ import annotations

import sys

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks_app import queue, testing
from tasks_app.attempt import error_of
from tasks_app.engine.outcomes import Raised, Succeeded
from tasks_app.engine.payload import InvalidPayload
from tasks_app.models import Task, Worker
from tasks_app.queue import Answer, Finish
from tasks_app.queue.finish import MAX_MESSAGE, MAX_TRACEBACK
from tests.factories import make_worker
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 1_048_576
LARGEST = "x" * (LIMIT - len('[""]'))
POISONS = {0: '"a\\u0000b"', 99: '"\\ud800"', 100: "[NaN]", 199: "1e131072"}
"""Place in a batch → a result that PostgreSQL refuses, each for another reason."""


def finish_200(poisons: dict[int, str]) -> dict[int, Answer]:
    """Place in the batch → what became of it."""
    tasks.noop.enqueue_many([()] * 200)
    claims = queue.claim(["default"], 200, make_worker().id)
    answers = queue.finish(
        [
            Finish(claim, claim.decide(Succeeded(poisons.get(place, str(place)))), ran=0.1)
            for place, claim in enumerate(claims)
        ]
    )
    return {place: answers[claim.key] for place, claim in enumerate(claims)}


def ended(**values: object) -> int:
    return Task.objects.filter(**values).count()


@pytest.mark.parametrize("place", POISONS)
def test_one_poisoned_result_of_200_fails_its_own_task_and_is_found_by_halving(place):
    with CaptureQueriesContext(connection) as queries:
        answers = finish_200({place: POISONS[place]})

    assert set(answers.values()) == {Answer.ACCEPTED}
    assert (ended(state="succeeded"), ended(state="failed", reason="discarded")) == (199, 1)
    written = [q for q in queries if "-- Writes what became of attempts" in q["sql"]]
    assert len(written) <= 2 * 8 + 2  # eight halvings find one of 200


def test_several_poisoned_results_fail_theirs_and_no_other():
    answers = finish_200(POISONS)

    assert set(answers.values()) == {Answer.ACCEPTED}
    assert (ended(state="succeeded"), ended(state="failed", reason="discarded")) == (196, 4)
    results = Task.objects.filter(state="succeeded").values_list("result", flat=True)
    assert sorted(results) == [place for place in range(200) if place not in POISONS]


def test_one_worker_writes_hostile_outcomes_among_good_ones(manage):
    """As many at once as fit into a batch."""
    good = tasks.noop.enqueue_many([()] * 60)
    bad = {
        tasks.add.enqueue(LARGEST, b=LARGEST[:-4]).id: "at most 1,048,576",
        tasks.fail.using(max_attempts=1).enqueue(LARGEST).id: "x" * 100,
        tasks.return_surrogate.enqueue().id: "lone surrogate",
        tasks.return_object.enqueue().id: "of type object",
        tasks.raise_nul.enqueue().id: "a\ufffdb ?",
        tasks.recurse.enqueue().id: "maximum recursion depth",
    }
    more = tasks.noop.enqueue_many([()] * 60)

    worker = manage("runworker", "--threads", "2", "--burst")

    assert worker.wait() == 0
    assert ended(state="succeeded", id__in=[*good, *more]) == 120
    for id, said in bad.items():
        task = Task.objects.get(id=id)
        (error,) = task.errors
        assert (task.state, task.attempt) == ("failed", 1)
        assert said in error["message"]
        assert len(error["message"]) <= MAX_MESSAGE
        assert len(error["traceback"]) <= MAX_TRACEBACK
    assert Worker.objects.get().death is None
    assert "cannot be stored" not in worker.output  # it was refused before it came to the database


@pytest.mark.parametrize("text", ["", "x" * 10, LARGEST])
def test_arguments_from_nothing_to_the_limit_come_back_as_they_were(text):
    """As an argument and as a result."""
    result = tasks.add.enqueue(text, b="")

    testing.drain()

    result.refresh()
    assert Task.objects.get().args == [text]
    assert result.return_value == text


@pytest.mark.parametrize("size", [LIMIT + 1, 10 * LIMIT])
@pytest.mark.parametrize("door", ["args", "kwargs", "many"])
def test_larger_arguments_are_refused_and_nothing_is_stored(size, door):
    text = "x" * (size - len('[""]'))
    calls = {
        "args": lambda: tasks.add.enqueue(text),
        "kwargs": lambda: tasks.add.enqueue(a=text),
        "many": lambda: tasks.add.enqueue_many([(1,), (text,)]),
    }

    with pytest.raises(InvalidPayload, match=r"bytes as JSON \(at most 1,048,576\)"):
        calls[door]()

    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "text",
    [
        "\u202etxt.exe\u202c",  # right to left
        "\u200bzero\u200c\u200d\ufeffwidth",
        "e\u0301 is not é",  # not normalised
        "\u0001\u001b[31m\u007f\u0085\u2028\u2029\uffff\U0010ffff",
        "👩\u200d👩\u200d👧",
        "\\u0000 \\ud800 \\",  # a backslash of the caller's own
    ],
)
def test_unusual_text_comes_back_as_it_was(text):
    """As an argument, as a key, as a result, and in an error."""
    result = tasks.add.enqueue([text], b=[{text: text}])
    failed = tasks.fail.using(max_attempts=1).enqueue(text).id

    testing.drain()

    result.refresh()
    assert result.args == [[text]]
    assert result.return_value == [text, {text: text}]
    assert Task.objects.get(id=failed).errors[0]["message"] == text


def test_a_traceback_of_1000_frames_keeps_its_end():
    tasks.noop.enqueue()
    (claim,) = queue.claim(["default"], 1, make_worker().id)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 1_100)
    try:
        _ping(1_000)
    except LookupError as raised:
        error = error_of(raised)
    finally:
        sys.setrecursionlimit(before)
    assert error.traceback.count("\n  File ") >= 1_000

    queue.finish([Finish(claim, claim.decide(Raised(error, None)), ran=0.1)])

    (kept,) = Task.objects.get().errors
    assert len(kept["traceback"]) == MAX_TRACEBACK
    assert kept["traceback"].endswith("LookupError: at the end\n")


def _ping(frames: int) -> None:
    """Two functions in turn: Python shortens a traceback whose lines are all the same."""
    if not frames:
        raise LookupError("at the end")
    _pong(frames - 1)


def _pong(frames: int) -> None:
    if not frames:
        raise LookupError("at the end")
    _ping(frames - 1)
