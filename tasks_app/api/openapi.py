"""How drf-spectacular describes the API, in any project: its settings are ours, for the moment of generating.

`manage.py spectacular --custom-settings tasks_app.api.openapi.SETTINGS --format openapi-json --validate --fail-on-warn
--file docs/openapi.json` writes the file that the repository keeps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiResponse, extend_schema

from tasks_app.api.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
Enqueue tasks and see what became of them.

A program sends an API key, `Authorization: Bearer tq_<prefix>_<secret>`, and needs the scope that is named beside each
operation; a browser sends its session, and with a POST the CSRF token in `X-CSRFToken`. Every error is
`application/problem+json` (RFC 9457): `code` is for programs and does not change. A header `X-Request-ID` of up to 100
printable ASCII characters comes back with the answer; without one an id is made.
"""

SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Task queue",
    "VERSION": "1",
    "DESCRIPTION": DESCRIPTION,
    "PREPROCESSING_HOOKS": ["tasks_app.api.openapi.only_ours"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
    "ENUM_NAME_OVERRIDES": {"State": "tasks_app.api.serializers.STATES"},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SCHEMA_PATH_PREFIX": "/api/v[0-9]+",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "SCHEMA_PATH_PREFIX_INSERT": "",
    "COMPONENT_SPLIT_REQUEST": False,
    "CAMELIZE_NAMES": False,
    "AUTHENTICATION_WHITELIST": None,
    "SECURITY": [],
    "SERVERS": [],
    "TAGS": [],
    "APPEND_COMPONENTS": {},
}

PROBLEMS = {
    400: "Not valid; `errors` names everything that is wrong.",
    401: "No API key and no session, or a key that does not hold.",
    403: "The scope or permission is missing, or a session's CSRF token.",
    404: "There is no such task.",
    411: "Sent in chunks, without a Content-Length.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not application/json.",
    500: "A fault of the server.",
    503: "The database does not answer.",
}

_generating = threading.Lock()


class OperationSchema(AutoSchema):
    """Marks the views that are ours."""


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tasks_app.api.base.KeyAuthentication"
    name = "apiKey"

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        scopes: Mapping[str, str] = auto_schema.view.scopes  # type: ignore[attr-defined]
        return {"apiKey": [scopes[auto_schema.method]]}

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "tq_<prefix>_<secret>",
            "description": "An API key. Beside it, each operation names the scope that the key needs.",
        }


def describe(*problems: int, **schema: Any) -> Callable[[Any], Any]:
    """extend_schema for a method of an ApiView, with the statuses of the problems that it may answer."""
    for status in problems:
        schema["responses"][status, MEDIA_TYPE] = OpenApiResponse(Problem, PROBLEMS[status])

    def decorate(method: Any) -> Any:
        # Otherwise extend_schema would build on the DEFAULT_SCHEMA_CLASS of the project around us.
        method.kwargs = {"schema": OperationSchema}
        return extend_schema(**schema)(method)

    return decorate


def only_ours(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    return [
        endpoint for endpoint in endpoints if isinstance(endpoint[3].cls.schema, OperationSchema)
    ]


def document() -> dict[str, Any]:
    """The OpenAPI document of this process, generated once."""
    # Two threads that patch the settings at once would leave them patched.
    with _generating:
        return _document()


@cache
def _document() -> dict[str, Any]:
    with patched_settings(SETTINGS):
        generator = SchemaGenerator()  # type: ignore[no-untyped-call]
        schema: dict[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
        return schema
