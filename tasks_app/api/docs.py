"""The API's description: as OpenAPI for programs, and as a page that needs nothing from another host."""

from __future__ import annotations

import secrets

from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tasks_app.api.base import ApiView
from tasks_app.api.openapi import describe, document

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Task queue API</title>
<link rel="icon" href="{folder}/favicon-32x32.png">
<link rel="stylesheet" href="{folder}/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script nonce="{nonce}" src="{folder}/swagger-ui-bundle.js"></script>
<script nonce="{nonce}" data-schema="{schema}" data-token="{token}">
const given = document.currentScript.dataset;
SwaggerUIBundle({{
  url: given.schema,
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {{
    request.headers["X-CSRFToken"] = given.token;
    return request;
  }},
}});
</script>
</body>
</html>
"""


class Schema(ApiView):
    authentication_classes = []
    permission_classes = []

    @describe(
        500,
        operation_id="schema",
        summary="This document",
        responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "OpenAPI 3.1. Anybody may read it.")},
        tags=["schema"],
    )
    def get(self, request: Request) -> Response:
        return Response(document())


class Page(ApiView):
    """Swagger UI of drf-spectacular-sidecar."""

    authentication_classes = []
    permission_classes = []
    schema = None  # type: ignore[assignment]

    def get(self, request: Request) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        page = format_html(
            PAGE,
            folder=static("drf_spectacular_sidecar/swagger-ui-dist"),
            nonce=nonce,
            schema=reverse("tasks_api:schema"),
            token=get_token(request._request),
        )
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline';"
            " img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return HttpResponse(page, headers={"Content-Security-Policy": policy})
