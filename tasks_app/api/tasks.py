"""/tasks: enqueue one, list them, look at one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from tasks_app import compat, conf, registry
from tasks_app.api.base import ApiView
from tasks_app.api.filters import MAX_PAGE, PAGE, TaskFilter, cursor
from tasks_app.api.openapi import describe
from tasks_app.api.problems import Fault, Invalid
from tasks_app.api.serializers import STATES, NewTask, TaskDetail, TaskPage, TaskSummary
from tasks_app.exceptions import InvalidArguments, UnknownTask
from tasks_app.models import Task

OPTIONS = {
    "queue": "queue_name",
    "priority": "priority",
    "run_at": "run_after",
    "max_attempts": "max_attempts",
    "timeout": "timeout",
}
"""Field of the body → the option of `task.using()`."""


def enqueue(wanted: Mapping[str, Any]) -> Task:
    """The new task, as stored. Raises Invalid."""
    try:
        task = registry.find(wanted["name"])
    except UnknownTask as error:
        raise Invalid([{"pointer": "#/name", "detail": str(error)}], code="unknown_task") from error
    faults: list[Fault] = []
    for field, option in OPTIONS.items():
        try:
            task = task.using(**{option: wanted.get(field)})
        except compat.InvalidTask as error:
            faults.append({"pointer": f"#/{field}", "detail": str(error)})
    if faults:
        raise Invalid(faults)
    args, kwargs = wanted.get("args") or [], wanted.get("kwargs") or {}
    database = conf.settings().DATABASE
    try:
        # All or nothing: after a 500 from somebody's signal receiver, a client that tries again enqueues once.
        with transaction.atomic(using=database):
            # What task.enqueue(*args, **kwargs) calls; an argument may be named self.
            result = task.get_backend().enqueue(task, args, kwargs)
            return Task.objects.using(database).get(id=UUID(result.id))
    except InvalidArguments as error:
        field = "kwargs" if kwargs and not args else "args"
        raise Invalid([{"pointer": f"#/{field}", "detail": str(error)}]) from error


READY = {
    "id": "0198c0de-1234-7abc-8def-0123456789ab",
    "name": "shop.tasks.send_receipt",
    "queue": "mail",
    "priority": 0,
    "state": "ready",
    "reason": None,
    "attempt": 0,
    "max_attempts": 3,
    "timeout": 30.0,
    "worker_id": None,
    "enqueued_at": "2026-03-01T12:00:00.000000Z",
    "run_at": "2026-03-01T12:00:00.000000Z",
    "started_at": None,
    "finished_at": None,
    "tags": ["receipts"],
}
READY_DETAIL = READY | {
    "metadata": {},
    "unique_key": None,
    "expires_at": None,
    "cancel_requested_at": None,
    "snoozes": 0,
    "args": [4711],
    "kwargs": {"language": "de"},
    "result": None,
    "attempts": [],
    "acts": [],
}


def parameter(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string"} | schema, "query", description=description)


class Tasks(ApiView):
    scopes = {"GET": "tasks:read", "POST": "tasks:enqueue"}
    parameters = {"GET": TaskFilter.base_filters}
    repeatable = ("state",)

    @describe(
        *(400, 401, 403, 500, 503),
        operation_id="list_tasks",
        summary="List tasks",
        description=(
            "Newest first, without arguments, results and errors. Follow `next` until it is null: pages neither"
            " repeat nor leave out a task when others are enqueued meanwhile."
        ),
        parameters=[
            OpenApiParameter(
                "state",
                {"type": "array", "items": {"type": "string", "enum": [s for s, _ in STATES]}},
                "query",
                description="May be repeated: tasks in any of these states.",
            ),
            parameter("queue", "Name of a queue.", minLength=1),
            parameter("name", "A task's name, or its beginning with a trailing `*`.", minLength=1),
            parameter("worker", "Id of a worker that runs the task or ran it.", format="uuid"),
            parameter("enqueued_after", "Enqueued then or later.", format="date-time"),
            parameter("enqueued_before", "Enqueued earlier.", format="date-time"),
            parameter(
                "cursor", "From the `next` of an earlier page.", pattern="^[A-Za-z0-9_-]{22}$"
            ),
            parameter(
                "limit",
                "Tasks in a page.",
                type="integer",
                minimum=1,
                maximum=MAX_PAGE,
                default=PAGE,
            ),
        ],
        responses={200: TaskPage},
        examples=[
            OpenApiExample(
                "A page",
                {"items": [READY], "next": "/api/v1/tasks?limit=1&cursor=AZjA3hI0erye8BI0VniQqw"},
                response_only=True,
                status_codes=["200"],
            )
        ],
        tags=["tasks"],
    )
    def get(self, request: Request) -> Response:
        wanted = TaskFilter(request.query_params, Task.objects.using(conf.settings().DATABASE))
        if not wanted.is_valid():
            raise Invalid(
                [
                    {"parameter": name, "detail": str(text)}
                    for name, texts in wanted.errors.items()
                    for text in texts
                ]
            )
        tasks, before = wanted.page()
        following = None
        if before:
            query = request.query_params.copy()
            query["cursor"] = cursor(before)
            following = f"{request.path}?{query.urlencode()}"
        return Response({"items": TaskSummary(tasks, many=True).data, "next": following})

    @describe(
        *(400, 401, 403, 411, 413, 415, 500, 503),
        operation_id="enqueue_task",
        summary="Enqueue a task",
        description=(
            "Only registered tasks, with arguments that fit the function's signature: strict JSON, at most 64 levels"
            " deep, no key twice, no NUL, no lone surrogate, integers of at most 64 digits. Either everything is valid"
            " and the task is stored, or nothing is."
        ),
        request=NewTask,
        responses={
            201: OpenApiResponse(TaskDetail, "Stored. The header Location is the task's path."),
        },
        examples=[
            OpenApiExample(
                "With options",
                {
                    "name": "shop.tasks.send_receipt",
                    "args": [4711],
                    "kwargs": {"language": "de"},
                    "queue": "mail",
                    "run_at": "2026-03-01T12:00:00Z",
                    "timeout": 30,
                },
                request_only=True,
            ),
            OpenApiExample("Ready", READY_DETAIL, response_only=True, status_codes=["201"]),
        ],
        tags=["tasks"],
    )
    def post(self, request: Request) -> Response:
        task = enqueue(self.read_body(NewTask))
        where = reverse("tasks_api:task", kwargs={"id": task.id})
        return Response(TaskDetail(task).data, status=201, headers={"Location": where})


class OneTask(ApiView):
    scopes = {"GET": "tasks:read"}

    @describe(
        *(400, 401, 403, 404, 500, 503),
        operation_id="show_task",
        summary="Show a task",
        description="With arguments, result, and what became of each attempt.",
        parameters=[OpenApiParameter("id", {"type": "string", "format": "uuid"}, "path")],
        responses={200: TaskDetail},
        examples=[OpenApiExample("Ready", READY_DETAIL, response_only=True, status_codes=["200"])],
        tags=["tasks"],
    )
    def get(self, request: Request, id: str) -> Response:
        try:
            task = Task.objects.using(conf.settings().DATABASE).get(id=UUID(id))
        except (ValueError, Task.DoesNotExist):
            raise exceptions.NotFound("There is no task with this id.") from None
        return Response(TaskDetail(task).data)
