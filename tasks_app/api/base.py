"""What every view of the API is: who may, what is read, what is answered. Nothing depends on a global DRF setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import IO, Any, ClassVar
from uuid import uuid4

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from tasks_app import conf
from tasks_app.api import problems
from tasks_app.api.openapi import OperationSchema
from tasks_app.api.problems import Fault, Invalid, LengthRequired, TooLarge
from tasks_app.engine.payload import InvalidPayload, clean_text, decode
from tasks_app.models import ApiKey
from tasks_app.models.api_key import SCOPES

MAX_BODY = 1_048_576
"""Bytes."""
REQUEST_ID = re.compile(r"[!-~]{1,100}")
USED_EVERY = timedelta(minutes=1)
"""A key's last_used_at is no more exact than that: not every request shall write."""


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer tq_…`. A key that does not hold is refused, even beside a session that would."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        keys = ApiKey.objects.db_manager(conf.settings().DATABASE)
        key = keys.authenticate(text.strip(), now)
        if key is None:
            raise exceptions.AuthenticationFailed(
                "The API key is unknown, revoked or expired.", code="invalid_key"
            )
        old = now - USED_EVERY
        if key.last_used_at is None or key.last_used_at <= old:
            unused = Q(last_used_at=None) | Q(last_used_at__lte=old)
            keys.filter(unused, pk=key.pk).update(last_used_at=now)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tasks"'


class HasScope(BasePermission):
    """A key needs the scope that the view names for the method, a user the permission. No scope: nobody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope = view.scopes.get(method(request))  # type: ignore[attr-defined]
        if scope is None:
            raise exceptions.MethodNotAllowed(request.method or "")
        known = request.successful_authenticator is not None
        if isinstance(request.auth, ApiKey):
            allowed = request.auth.allows(scope)
        else:
            allowed = known and request.user.has_perm(SCOPES[scope])
        if known and not allowed:
            raise exceptions.PermissionDenied(
                f"This needs the scope {scope} (for people, the permission {SCOPES[scope]}).",
                code="missing_scope",
            )
        return allowed


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise TooLarge(f"The body is larger than {MAX_BODY:,} bytes.")
        try:
            return decode(body.decode(), "The body")
        except UnicodeDecodeError as error:
            raise exceptions.ParseError("The body is not UTF-8.", code="invalid_json") from error
        except InvalidPayload as error:
            raise exceptions.ParseError(str(error), code="invalid_json") from error


class PlainJSONRenderer(JSONRenderer):
    compact = True
    ensure_ascii = False
    strict = True


class OnlyJSON(BaseContentNegotiation):
    """JSON whatever the client accepts: there is nothing else, and an error should arrive."""

    def select_parser(self, request: Request, parsers: Sequence[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: Sequence[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], str(renderers[0].media_type)


class ApiView(APIView):
    authentication_classes = [KeyAuthentication, SessionAuthentication]
    permission_classes = [HasScope]
    parser_classes = [StrictJSONParser]
    renderer_classes = [PlainJSONRenderer]
    throttle_classes = []
    content_negotiation_class = OnlyJSON
    metadata_class = None
    versioning_class = None
    schema = OperationSchema()
    http_method_names = ["get", "head", "post"]

    scopes: ClassVar[Mapping[str, str]] = {}
    """Method → the scope that it needs."""
    parameters: ClassVar[Mapping[str, Collection[str]]] = {}
    """Method → the query parameters that it knows."""
    repeatable: ClassVar[Collection[str]] = ()

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        given = request.headers.get("X-Request-ID", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        known = sorted(self.parameters.get(method(request), ()))
        faults: list[Fault] = []
        for name, values in request.query_params.lists():
            if name not in known:
                hint = f"Known: {', '.join(known)}." if known else "None is known here."
                detail = f"There is no query parameter {clean_text(name, 50)!r}. {hint}"
            elif len(values) > 1 and name not in self.repeatable:
                detail = "May be given once only."
            elif "" in values:
                detail = "Must not be empty."
            else:
                continue
            faults.append({"parameter": clean_text(name, 50), "detail": detail})
        if faults:
            raise Invalid(faults)

    def read_body(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        """The checked fields of the body. Raises Invalid, also for fields that are not known."""
        meta = self.request.META
        if "HTTP_TRANSFER_ENCODING" in meta and not meta.get("CONTENT_LENGTH"):
            raise LengthRequired  # DRF would take the body for an empty one
        data = self.request.data
        if not isinstance(data, dict):
            raise Invalid([{"pointer": "#", "detail": "The body must be a JSON object."}])
        serializer = serializer_class(data=data)
        known = serializer.fields.keys()
        faults: list[Fault] = [
            {
                "pointer": pointer(name),
                "detail": f"There is no field {clean_text(name, 50)!r}. Known: {', '.join(known)}.",
            }
            for name in data
            if name not in known
        ]
        if not serializer.is_valid():
            faults += [
                {"pointer": pointer(name), "detail": str(text)}
                for name, texts in serializer.errors.items()
                for text in texts
            ]
        if faults:
            raise Invalid(faults)
        fields: dict[str, Any] = serializer.validated_data
        return fields

    def get_exception_handler(self) -> Callable[..., HttpResponseBase]:
        return problems.respond

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        response["X-Request-ID"] = self.request_id
        response["X-Content-Type-Options"] = "nosniff"
        response.setdefault("Cache-Control", "no-store")
        response.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response


class UnknownRoute(ApiView):
    """404 as a problem for whatever else is under the API's prefix."""

    authentication_classes = []
    permission_classes = []
    schema = None  # type: ignore[assignment]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise exceptions.NotFound("There is no such route.")


def method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method or ""


def pointer(field: str) -> str:
    """JSON pointer to a field of the body."""
    return "#/" + clean_text(field, 50).replace("~", "~0").replace("/", "~1")
