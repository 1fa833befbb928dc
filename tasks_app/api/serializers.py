"""What comes in and what goes out. Strict: "5", 5.0 and true are not whole numbers; null is as if left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tasks_app import conf
from tasks_app.engine.payload import InvalidPayload, encode
from tasks_app.engine.states import State
from tasks_app.models import Task
from tasks_app.queue.spec import MAX_NAME
from tasks_app.registry import MAX_ATTEMPTS, MAX_TIMEOUT

STATES = [(state.value, state.value) for state in State]


def instant(text: str) -> datetime:
    """An aware ISO 8601 time in UTC. Raises ValueError with a sentence for the client."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "Must be an ISO 8601 date and time such as 2030-01-31T12:00:00Z (in a URL, + is written %2B)."
        ) from None
    if found.utcoffset() is None:
        raise ValueError("Must have a UTC offset, such as Z or +02:00.")
    try:
        found = found.astimezone(UTC)
    except OverflowError:
        found = datetime.max.replace(tzinfo=UTC)
    # The first and the last year do not survive a change of time zone.
    if not 1 < found.year < 9999:
        raise ValueError("Must be between the years 2 and 9998.")
    return found


# What comes in.


class Text(serializers.CharField):
    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class WholeNumber(serializers.IntegerField):
    def to_internal_value(self, data: object) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


@extend_schema_field({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT})
class Seconds(serializers.FloatField):
    def to_internal_value(self, data: object) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return data


class Instant(serializers.DateTimeField):
    def to_internal_value(self, value: object) -> datetime:
        if not isinstance(value, str):
            raise serializers.ValidationError("Must be a string.")
        try:
            return instant(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class Arguments(serializers.ListField):
    def to_internal_value(self, data: Any) -> list[Any]:
        args: list[Any] = storable(super().to_internal_value(data), "args")
        return args


class KeywordArguments(serializers.DictField):
    def to_internal_value(self, data: Any) -> dict[str, Any]:
        kwargs: dict[str, Any] = storable(super().to_internal_value(data), "kwargs")
        return kwargs


def storable(values: Any, where: str) -> Any:
    try:
        encode(values, where, conf.settings().MAX_PAYLOAD_BYTES)
    except InvalidPayload as error:
        raise serializers.ValidationError(str(error)) from error
    return values


class NewTask(serializers.Serializer[Any]):
    name = Text(
        max_length=MAX_NAME,
        trim_whitespace=False,
        help_text="Dotted path of a registered task's function.",
    )
    args = Arguments(required=False, allow_null=True, help_text="Positional arguments.")
    kwargs = KeywordArguments(required=False, allow_null=True, help_text="Keyword arguments.")
    queue = Text(
        required=False,
        allow_null=True,
        max_length=100,
        trim_whitespace=False,
        validators=[
            RegexValidator(r"\A[^\s\x00-\x1f\x7f]+\Z", "Must be printable and without spaces.")
        ],
        help_text="One that the settings name; default: the task's own.",
    )
    priority = WholeNumber(
        required=False,
        allow_null=True,
        min_value=-100,
        max_value=100,
        help_text="Higher first; default: the task's own.",
    )
    run_at = Instant(
        required=False,
        allow_null=True,
        help_text="Not before this time, ISO 8601 with a UTC offset; default: at once.",
    )
    max_attempts = WholeNumber(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_ATTEMPTS,
        help_text="Attempts in all; default: the task's own, or the setting.",
    )
    timeout = Seconds(
        required=False,
        allow_null=True,
        help_text="Seconds, more than 0, that one attempt may take; default: the task's own, or the setting.",
    )


# What goes out.

ERROR_FIELDS = ("exception_class", "message", "traceback")


class Time(serializers.DateTimeField):
    """In UTC, whatever the settings of the project around us."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso-8601", default_timezone=UTC, **kwargs)


class AttemptError(serializers.Serializer[Any]):
    exception_class = serializers.CharField(help_text="Dotted path.")
    message = serializers.CharField()
    traceback = serializers.CharField()


class Attempt(serializers.Serializer[Any]):
    number = serializers.IntegerField(
        help_text="Attempts that do not count, after a worker was lost, share their number with the next."
    )
    outcome = serializers.ChoiceField(["running", "succeeded", "failed"])
    worker_id = serializers.UUIDField(allow_null=True)
    started_at = Time(allow_null=True)
    ended_at = Time(allow_null=True)
    error = AttemptError(allow_null=True, help_text="Text only; null unless it failed.")


class Act(serializers.Serializer[Any]):
    action = serializers.CharField(source="event", help_text="cancel, discard, redrive or retry.")
    by = serializers.CharField()
    reason = serializers.CharField(source="message")
    at = serializers.CharField(source="ended_at")


class TaskSummary(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="UUIDv7: grows with the time of enqueueing.")
    name = serializers.CharField()
    queue = serializers.CharField()
    priority = serializers.IntegerField()
    state = serializers.ChoiceField(STATES)
    reason = serializers.CharField(
        allow_null=True, help_text="Why it failed, or what a gated task waits for."
    )
    attempt = serializers.IntegerField(help_text="Number of the current or last attempt; 0: none.")
    max_attempts = serializers.IntegerField()
    timeout = serializers.FloatField(allow_null=True, help_text="Seconds an attempt may take.")
    worker_id = serializers.UUIDField(allow_null=True, help_text="The worker that runs it now.")
    enqueued_at = Time()
    run_at = Time(help_text="When it was or will be due.")
    started_at = Time(allow_null=True, help_text="Start of the current or last attempt.")
    finished_at = Time(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())


class TaskDetail(TaskSummary):
    metadata = serializers.DictField()
    unique_key = serializers.CharField(
        allow_null=True, help_text="Key that it was not to share with another task."
    )
    expires_at = Time(allow_null=True, help_text="It starts before that, or fails as expired.")
    cancel_requested_at = Time(
        allow_null=True, help_text="Since then it ends as cancelled unless it succeeds."
    )
    snoozes = serializers.IntegerField(help_text="Times it has asked to be run later.")
    args = serializers.ListField()
    kwargs = serializers.DictField()
    result = serializers.JSONField(help_text="What it returned, if it succeeded.")
    attempts = serializers.SerializerMethodField(help_text="Oldest first.")
    acts = Act(many=True, help_text="What people did to it, oldest first.")

    @extend_schema_field(Attempt(many=True))
    def get_attempts(self, task: Task) -> list[Any]:
        rows = [
            {
                "number": entry.get("attempt"),
                "outcome": "failed",
                "worker_id": entry.get("worker"),
                "started_at": _time(entry.get("started_at")),
                "ended_at": _time(entry.get("ended_at")),
                "error": {key: entry.get(key, "") for key in ERROR_FIELDS},
            }
            for entry in task.failures
        ]
        if task.state in (State.RUNNING, State.SUCCEEDED):
            rows.append(
                {
                    "number": task.attempt,
                    "outcome": task.state,
                    "worker_id": task.worker_ids[-1] if task.worker_ids else None,
                    "started_at": task.started_at,
                    "ended_at": task.finished_at,
                    "error": None,
                }
            )
        return list(Attempt(rows, many=True).data)


class TaskPage(serializers.Serializer[Any]):
    items = TaskSummary(many=True)
    next = serializers.CharField(
        allow_null=True,
        help_text=(
            "Path and query of the next page; null: that was all. A page of a filter may hold fewer tasks than `limit`,"
            " even none, while there are more."
        ),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
