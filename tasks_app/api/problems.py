"""Every error of the API as application/problem+json (RFC 9457): never a stack, a path of ours, or SQL."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypedDict

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.http.request import UnreadablePostError
from django.utils.log import log_response
from rest_framework import exceptions, serializers
from rest_framework.exceptions import APIException
from rest_framework.views import set_rollback

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5
"""Seconds after which a client may look whether the database is back."""

MAX_FAULTS = 20

log = logging.getLogger(__name__)


class Fault(TypedDict, total=False):
    pointer: str
    """JSON pointer into the body, as a URI fragment."""
    parameter: str
    """Of the query."""
    detail: str


class Invalid(APIException):
    """400, with one entry for everything that is wrong."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "invalid"

    def __init__(self, faults: Sequence[Fault], code: str | None = None) -> None:
        self.faults = list(faults[:MAX_FAULTS])
        texts = [
            f"{fault.get('pointer') or fault.get('parameter')}: {fault['detail']}"
            for fault in self.faults
        ]
        super().__init__(" ".join(texts), code)


class TooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The body is larger than is allowed."


class LengthRequired(APIException):
    status_code = HTTPStatus.LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = "The body must be sent with a Content-Length, not in chunks."


class DatabaseDown(APIException):
    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "database_unavailable"
    default_detail = "The database does not answer; try again."
    wait = RETRY_AFTER


class Problem(serializers.Serializer[Any]):
    """Every error, by RFC 9457."""

    type = serializers.CharField(help_text="Always about:blank: `code` says what it is.")
    title = serializers.CharField(help_text="The name of the status.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong, for people.")
    instance = serializers.CharField(help_text="Path of the request.")
    code = serializers.CharField(help_text="What is wrong, for programs; does not change.")
    request_id = serializers.CharField(help_text="The same as the header X-Request-ID.")
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(child=serializers.CharField()),
        required=False,
        help_text=(
            "Everything that is wrong: `detail`, and `pointer` (JSON pointer into the body) or `parameter` (of the query)."
        ),
    )


def respond(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler for our views. What nobody expected is logged, and told to Django as it would be."""
    set_rollback()
    request, request_id = context["request"], context["view"].request_id
    problem = _known(error)
    status = HTTPStatus(problem.status_code)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": str(problem.detail),
        "instance": request.path,
        "code": problem.get_codes(),
        "request_id": request_id,
    }
    if isinstance(problem, Invalid):
        body["errors"] = problem.faults
    # Escaped to ASCII: whatever a client sent can be said back.
    response = HttpResponse(json.dumps(body), content_type=MEDIA_TYPE, status=status.value)
    if challenge := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = challenge
    if wait := getattr(problem, "wait", None):
        response["Retry-After"] = str(wait)
    if isinstance(problem, DatabaseDown):
        log.warning("%s %s: the database does not answer: %s", request_id, request.path, error)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        got_request_exception.send(sender=None, request=request._request)
        log_response(
            "%s %s failed: %s",
            *(request_id, request.path, type(error).__qualname__),
            response=response,
            request=request._request,
            logger=log,
            exception=error,
        )
    return response


def _known(error: Exception) -> APIException:
    match error:
        case APIException():
            return error
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation() | UnreadablePostError():
            return exceptions.ParseError()
        case OperationalError() | InterfaceError():
            return DatabaseDown()
        case _:
            return APIException(
                "Something failed that should not. Please report the request_id.", "internal_error"
            )
