"""POST /tasks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from tasks_app import compat, testing
from tasks_app.api.base import MAX_BODY
from tasks_app.models import Task
from tests.integration.api.conftest import ADD, TASKS, Program, pointers
from tests.sample import tasks

pytestmark = pytest.mark.django_db


def test_it_stores_the_task_and_answers_with_it(program: Program):
    response = program.post(
        {
            "name": "tests.sample.tasks.add",
            "args": [1],
            "kwargs": {"b": 2},
            "queue": "mail",
            "priority": -7,
            "run_at": "2999-01-01T02:00:00+02:00",
            "max_attempts": 9,
            "timeout": 2.5,
        }
    )

    assert response.status_code == 201
    assert response["Content-Type"] == "application/json"
    body = response.json()
    row = Task.objects.get()
    assert response["Location"] == f"{TASKS}/{row.id}"
    assert program.get(response["Location"]).json() == body
    assert body | {"enqueued_at": "", "id": ""} == {
        "id": "",
        "name": "tests.sample.tasks.add",
        "queue": "mail",
        "priority": -7,
        "state": "scheduled",
        "reason": None,
        "attempt": 0,
        "max_attempts": 9,
        "timeout": 2.5,
        "worker_id": None,
        "enqueued_at": "",
        "run_at": "2999-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "args": [1],
        "kwargs": {"b": 2},
        "result": None,
        "attempts": [],
        "tags": [],
        "metadata": {},
        "unique_key": None,
        "expires_at": None,
        "cancel_requested_at": None,
        "snoozes": 0,
        "acts": [],
    }
    assert (row.args, row.kwargs, row.queue, row.priority) == ([1], {"b": 2}, "mail", -7)
    assert (row.max_attempts, row.timeout) == (9, 2.5)
    assert row.run_at == datetime(2999, 1, 1, tzinfo=UTC)


def test_what_is_left_out_or_null_is_the_tasks_own(program: Program):
    nothing = dict.fromkeys(
        ["args", "kwargs", "queue", "priority", "run_at", "max_attempts", "timeout"]
    )
    for body in ({}, nothing):
        program.post({"name": "tests.sample.tasks.fail", **body})
    first, second = Task.objects.order_by("id")

    for row in (first, second):
        assert (row.queue, row.priority, row.max_attempts, row.timeout) == ("default", 0, 3, None)
        assert (row.args, row.kwargs, row.state) == ([], {}, "ready")
        assert row.run_at <= timezone.now()


def test_an_enqueued_task_runs(program: Program):
    where = program.post({"name": ADD, "args": [40, 2]})["Location"]

    testing.drain()

    assert program.get(where).json()["result"] == 42


def test_it_sends_djangos_signal(program: Program):
    heard = []

    def receive(sender, task_result, **_):
        heard.append((task_result.id, task_result.args))

    compat.task_enqueued.connect(receive)
    try:
        id = program.post({"name": ADD, "args": [1]}).json()["id"]
    finally:
        compat.task_enqueued.disconnect(receive)

    assert heard == [(id, [1])]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "tests.sample.tasks.adds",
            "os.system",
            "builtins.eval",
            "__class__",
            "tests.sample.tasks",
        ),
        *(
            "tests.sample.ledger.note",
            "tests.sample.tasks.add.func",
            "a" * 500,
            "a\\b/~",
            "💥",
            " ",
        ),
    ],
)
def test_only_registered_names_are_taken(name, program: Program):
    response = program.post({"name": name})

    assert response.status_code == 400
    assert response.json()["code"] == "unknown_task"
    assert pointers(response) == ["#/name"]
    assert not Task.objects.exists()


def test_an_unknown_name_is_answered_with_the_nearest(program: Program):
    assert (
        "Did you mean tests.sample.tasks.add"
        in program.post({"name": "tests.sample.tasks.ad"}).json()["detail"]
    )


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"args": []}, "#/args", "missing a required argument: 'a'"),
        ({"args": [1, 2, 3]}, "#/args", "too many positional arguments"),
        ({"kwargs": {"a": 1, "c": 1}}, "#/kwargs", "unexpected keyword argument 'c'"),
        ({"args": [1], "kwargs": {"a": 1}}, "#/args", "multiple values for argument 'a'"),
        ({"kwargs": {"self": 1}}, "#/kwargs", "missing a required argument: 'a'"),
        ({"args": "ab"}, "#/args", "Expected a list"),
        ({"args": {"a": 1}}, "#/args", "Expected a list"),
        ({"kwargs": [1]}, "#/kwargs", "Expected a dictionary"),
        ({"args": [1], "queue": "nowhere"}, "#/queue", "nowhere"),
        ({"args": [1], "queue": ""}, "#/queue", "may not be blank"),
        ({"args": [1], "queue": 5}, "#/queue", "Not a valid string"),
        ({"args": [1], "queue": "a b"}, "#/queue", "without spaces"),
        ({"args": [1], "queue": "q" * 101}, "#/queue", "no more than 100 characters"),
        ({"args": [1], "priority": 101}, "#/priority", "less than or equal to 100"),
        ({"args": [1], "priority": -101}, "#/priority", "greater than or equal to -100"),
        ({"args": [1], "priority": True}, "#/priority", "valid integer"),
        ({"args": [1], "priority": "5"}, "#/priority", "valid integer"),
        ({"args": [1], "priority": 5.0}, "#/priority", "valid integer"),
        ({"args": [1], "priority": 10**60}, "#/priority", "less than or equal to 100"),
        ({"args": [1], "max_attempts": 0}, "#/max_attempts", "greater than or equal to 1"),
        ({"args": [1], "max_attempts": 1001}, "#/max_attempts", "less than or equal to 1000"),
        ({"args": [1], "timeout": 0}, "#/timeout", "more than 0"),
        ({"args": [1], "timeout": -1}, "#/timeout", "more than 0"),
        ({"args": [1], "timeout": 10**400}, "#/timeout", "at most 2,592,000"),
        ({"args": [1], "timeout": True}, "#/timeout", "valid number"),
        ({"args": [1], "timeout": "5"}, "#/timeout", "valid number"),
        ({"args": [1], "run_at": "2030-01-01T00:00:00"}, "#/run_at", "UTC offset"),
        ({"args": [1], "run_at": "2030-01-01"}, "#/run_at", "UTC offset"),
        ({"args": [1], "run_at": "tomorrow"}, "#/run_at", "ISO 8601"),
        ({"args": [1], "run_at": "2030-02-30T00:00:00Z"}, "#/run_at", "ISO 8601"),
        ({"args": [1], "run_at": ""}, "#/run_at", "ISO 8601"),
        ({"args": [1], "run_at": 1893456000}, "#/run_at", "a string"),
        ({"args": [1], "run_at": "9999-12-31T23:59:59-01:00"}, "#/run_at", "2 and 9998"),
        ({"args": [1], "run_at": "9999-01-01T00:00:00Z"}, "#/run_at", "2 and 9998"),
        ({"args": [1], "run_at": "0001-01-01T00:00:00+01:00"}, "#/run_at", "2 and 9998"),
        ({"args": [1], "run_at": "+12026-01-01T00:00:00Z"}, "#/run_at", "ISO 8601"),
    ],
)
def test_what_is_wrong_is_named_by_pointer_and_detail(body, pointer, detail, program: Program):
    response = program.post({"name": ADD, **body})

    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert pointers(response) == [pointer]
    assert detail in response.json()["errors"][0]["detail"]
    assert not Task.objects.exists()


@pytest.mark.parametrize("run_at", ["9998-12-31T23:59:59Z", "0002-01-01T00:00:00Z"])
def test_the_first_and_the_last_time_can_be_read_back(run_at, program: Program):
    response = program.post({"name": ADD, "args": [1], "run_at": run_at})

    assert response.json()["run_at"] == run_at
    with override_settings(TIME_ZONE="Pacific/Kiritimati"):
        assert program.get(response["Location"]).json()["run_at"] == run_at


def test_everything_that_is_wrong_is_said_at_once(program: Program):
    response = program.post({"name": ADD, "queue": "a b", "priority": "x", "colour": 1})
    assert pointers(response) == ["#/colour", "#/queue", "#/priority"]

    response = program.post({"name": ADD, "args": [1], "queue": "nowhere", "timeout": 0})
    assert pointers(response) == ["#/queue", "#/timeout"]


@pytest.mark.parametrize(
    "field", ["id", "state", "fence", "worker_id", "attempt", "backend", "", "a/~b"]
)
def test_other_fields_are_refused(field, program: Program):
    response = program.post({"name": ADD, "args": [1], field: 1})

    assert response.status_code == 400
    assert pointers(response) == ["#/" + field.replace("~", "~0").replace("/", "~1")]
    assert not Task.objects.exists()


def test_an_answer_does_not_grow_with_what_is_wrong(program: Program):
    response = program.post({"name": ADD, **{f"field{i}": 1 for i in range(50_000)}})

    assert response.status_code == 400
    assert len(response.content) < 10_000


NOT_STRICT = {
    "nothing": (b" ", "is not JSON"),
    "a word": (b"add", "is not JSON"),
    "cut": (b'{"name": "x"', "is not JSON"),
    "two values": (b"{} {}", "is not JSON"),
    "single quotes": (b"{'name': 1}", "is not JSON"),
    "trailing comma": (b'{"name": "x",}', "is not JSON"),
    "comment": (b'{"name": "x"} // no', "is not JSON"),
    "duplicate key": (b'{"name": "x", "name": "y"}', "'name' stands twice"),
    "duplicate key within": (
        b'{"name": "x", "kwargs": {"a": {"b": 1, "b": 2}}}',
        "'b' stands twice",
    ),
    "NaN": (b'{"name": "x", "args": [NaN]}', "NaN"),
    "Infinity": (b'{"name": "x", "args": [-Infinity]}', "-Infinity"),
    "control character": (b'{"name": "a\nb"}', "is not JSON"),
    "byte order mark": (b'\xef\xbb\xbf{"name": "x"}', "is not JSON"),
    "Latin-1": (b'{"name": "\xe9"}', "not UTF-8"),
    "UTF-16": ('{"name": "x"}'.encode("utf-16"), "not UTF-8"),
    "5,000 digits": (b'{"name": "x", "args": [' + b"9" * 5000 + b"]}", "is not JSON"),
    "very deep": (
        b'{"name": "x", "args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "nested too deeply",
    ),
}


@pytest.mark.parametrize("case", NOT_STRICT)
def test_only_strict_json_is_read(case, program: Program):
    raw, detail = NOT_STRICT[case]

    response = program.post(raw=raw)

    assert response.status_code == 400
    assert response.json()["code"] == "invalid_json"
    assert detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (r'"a\u0000b"', "args[0] holds a NUL"),
        (r'"\ud800"', "args[0] holds a lone surrogate"),
        (r'{"x": [1, "\udfff"]}', "args[0].x[1] holds a lone surrogate"),
        (r'{"\ud800": 1}', "a key of args[0] holds a lone surrogate"),
        ("1e999", "args[0] is inf"),
        ("1" + "0" * 64, "args[0] is an integer of more than 64 digits"),
        ("[" * 65 + "]" * 65, "is nested too deeply"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(value, where, program: Program):
    for field, raw in (
        ("args", f'{{"name": "{ADD}", "args": [{value}]}}'),
        ("kwargs", f'{{"name": "{ADD}", "kwargs": {{"a": {value}}}}}'),
    ):
        response = program.post(raw=raw)

        assert response.status_code == 400, response.content
        assert pointers(response) == [f"#/{field}"]
        said = response.json()["errors"][0]["detail"]
        assert where.replace("args[0]", "args[0]" if field == "args" else "kwargs.a") in said
    assert not Task.objects.exists()


@pytest.mark.parametrize("field", ["name", "queue", "run_at"])
@pytest.mark.parametrize("text", [r"a\u0000", r"\ud800", r"\u202e\u0007"])
def test_hostile_text_in_other_fields_is_a_400_too(field, text, program: Program):
    raw = f'{{"name": "{ADD}", "{field}x": 1, "{text}": 2, "args": [1]}}'.replace(
        f"{field}x", field
    )

    assert program.post(raw=raw.replace('": 1', f'": "{text}"')).status_code == 400


def test_values_at_the_limits_come_back_as_they_were(program: Program):
    values = [
        10**64 - 1,
        -(10**64) + 1,
        0.1,
        5e-324,
        '\u0001\u2028 é 💥 \\ " </script>',
        {"": None, "a.b": [True, False, {}]},
    ]
    deep = json.loads("[" * 64 + "]" * 64)

    response = program.post({"name": ADD, "args": [values, deep]})

    assert response.json()["args"] == [values, deep]
    assert Task.objects.get().args == [values, deep]


def test_a_body_of_1_mib_is_taken_and_one_byte_more_is_not(program: Program):
    frame = f'{{"name":"{ADD}","args":["%s"]}}'
    full = frame % ("x" * (MAX_BODY - len(frame) + 2))
    assert len(full) == MAX_BODY == 1_048_576

    assert program.post(raw=full).status_code == 201

    response = program.post(raw=full.replace("x", "xx", 1))
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"
    response = program.post(raw=full * 5)
    assert response.status_code == 413
    assert Task.objects.count() == 1


def test_the_payload_limit_of_the_settings_holds(program: Program):
    with override_settings(TASKQUEUE={"MAX_PAYLOAD_BYTES": 100}):
        assert program.post({"name": ADD, "args": ["x" * 96]}).status_code == 201
        response = program.post({"name": ADD, "args": ["x" * 97]})

    assert pointers(response) == ["#/args"]
    assert "101 bytes" in response.json()["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/xml",
        "json",
    ],
)
def test_another_content_type_is_415(content_type, program: Program):
    response = program.post(raw=f'{{"name": "{ADD}"}}', content_type=content_type)

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_named_otherwise(content_type, program: Program):
    assert program.post({"name": ADD, "args": [1]}, content_type=content_type).status_code == 201


@pytest.mark.parametrize("raw", ["[]", "null", "5", '"x"', "[{}]", "true"])
def test_a_body_that_is_no_object_is_refused(raw, program: Program):
    response = program.post(raw=raw)

    assert response.status_code == 400
    assert pointers(response) == ["#"]


def test_no_body_misses_the_name(program: Program):
    assert pointers(program.post(raw="")) == ["#/name"]


def test_a_chunked_body_is_411_and_not_taken_for_an_empty_one(program: Program):
    response = program.client.generic(
        "POST", TASKS, headers=program.headers | {"Transfer-Encoding": "chunked"}
    )

    assert response.status_code == 411
    assert response.json()["code"] == "length_required"


def test_a_query_is_refused(program: Program):
    response = program.post({"name": ADD, "args": [1]}, path=f"{TASKS}?state=ready")

    assert response.status_code == 400
    assert not Task.objects.exists()


def test_nothing_is_stored_when_a_receiver_fails(program: Program):
    def fail(sender, **_):
        raise RuntimeError("no")

    compat.task_enqueued.connect(fail)
    try:
        response = program.post({"name": ADD, "args": [1]})
    finally:
        compat.task_enqueued.disconnect(fail)

    assert response.status_code == 500
    assert not Task.objects.exists()


def test_python_and_the_api_store_the_same(program: Program):
    run_at = timezone.now().replace(microsecond=5) + timedelta(days=1)
    options = {"priority": 3, "max_attempts": 2, "timeout": 1.5}
    here = tasks.add.using(queue_name="mail", run_after=run_at, **options).enqueue([1], b={"x": 2})
    there = program.post(
        {
            "name": ADD,
            "args": [[1]],
            "kwargs": {"b": {"x": 2}},
            "queue": "mail",
            "run_at": run_at.isoformat(),
            **options,
        }
    ).json()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_jsonb(t) - 'id' - 'enqueued_at' FROM tq_task t WHERE id IN (%s, %s)",
            [UUID(here.id), UUID(there["id"])],
        )
        (first,), (second,) = cursor.fetchall()

    assert first == second
