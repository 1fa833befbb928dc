"""GET /schema and the page /docs/."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from tasks_app import testing
from tasks_app.api import urls
from tasks_app.api.filters import TaskFilter
from tasks_app.api.serializers import NewTask
from tasks_app.models.api_key import SCOPES
from tests.integration.api.conftest import ADD, TASKS, Program
from tests.sample import tasks

FILE = Path("docs/openapi.json")
WRITE = "manage.py spectacular --custom-settings tasks_app.api.openapi.SETTINGS --format openapi-json --file docs/openapi.json"
NOT_DESCRIBED = {"docs"}
"""Routes for people."""


@pytest.fixture
def schema():
    response = Program().get("/api/v1/schema")
    assert response.status_code == 200
    return response.json()


def operations(schema):
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_file_in_docs_is_the_schema_that_is_served(schema):
    assert json.loads(FILE.read_text()) == schema, f"run {WRITE}"


def test_it_is_openapi_3_1(schema):
    assert schema["openapi"] == "3.1.1"
    validate_schema(schema)


def test_every_route_is_described(schema):
    described = {path.removeprefix("/api/v1/") for path in schema["paths"]}
    routes = {
        re.sub(r"<str:(\w+)>", r"{\1}", str(pattern.pattern))
        for pattern in urls.urlpatterns
        if pattern.name and pattern.name not in NOT_DESCRIBED
    }

    assert described == routes


def test_every_operation_names_its_scope_its_problems_and_an_example(schema):
    for path, method, operation in operations(schema):
        assert operation["operationId"]
        assert operation["summary"]
        problems = {
            status
            for status, answer in operation["responses"].items()
            if "application/problem+json" in answer["content"]
        }
        if path == "/api/v1/schema":
            assert "security" not in operation
            continue
        assert {"401", "403", "500", "503"} <= problems
        key, session = operation["security"]
        (scope,) = key["apiKey"]
        assert scope in SCOPES
        assert session == {"cookieAuth": []}
        success = "201" if method == "post" else "200"
        assert operation["responses"][success]["content"]["application/json"]["examples"]


def test_it_names_the_parameters_and_fields_that_are_read(schema):
    named = {p["name"] for p in schema["paths"][TASKS]["get"]["parameters"]}

    assert named == set(TaskFilter.base_filters)
    assert set(schema["components"]["schemas"]["NewTask"]["properties"]) == set(NewTask().fields)


@pytest.mark.django_db
def test_answers_and_examples_fit_it(schema, program: Program):
    def fits(value, name):
        Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
        ).validate(value)

    tasks.add.using(max_attempts=1).enqueue("x", b=2)  # fails: str + int
    tasks.add.enqueue(1)
    tasks.noop.enqueue()
    testing.drain()
    tasks.add.enqueue(1)
    page = program.get(TASKS).json()
    fits(page, "TaskPage")
    for item in page["items"]:
        fits(program.get(f"{TASKS}/{item['id']}").json(), "TaskDetail")
    assert {item["state"] for item in page["items"]} == {"failed", "succeeded", "ready"}
    fits(program.post({"name": ADD, "args": [1]}).json(), "TaskDetail")
    fits(program.post({"name": ADD, "x": 1}).json(), "Problem")
    fits(Program().get(TASKS).json(), "Problem")
    for _, method, operation in operations(schema):
        for answer in operation["responses"].values():
            for content in answer["content"].values():
                for example in content.get("examples", {}).values():
                    fits(example["value"], content["schema"]["$ref"].rpartition("/")[2])
        if method == "post":
            content = operation["requestBody"]["content"]["application/json"]
            for example in content["examples"].values():
                fits(example["value"], "NewTask")


def test_it_does_not_depend_on_the_settings_of_the_project():
    """In a project that has set nothing for REST framework, or has set it otherwise, and has other APIs."""
    program = """
import django, json, sys
from django.conf import settings
from tests import settings as ours
values = {k: getattr(ours, k) for k in dir(ours) if k.isupper()}
values["REST_FRAMEWORK"] = json.loads(sys.argv[1])
values["INSTALLED_APPS"] = [a for a in values["INSTALLED_APPS"] if a not in ("rest_framework", "django_filters", "drf_spectacular", "drf_spectacular_sidecar")]
values["SPECTACULAR_SETTINGS"] = {"TITLE": "Other", "COMPONENT_SPLIT_REQUEST": True, "VERSION": "7"}
values["ALLOWED_HOSTS"] = ["testserver"]
settings.configure(**values)
django.setup()
from django.test import Client
print(Client().get("/api/v1/schema").content.decode())
assert Client().get("/api/v1/docs/").status_code == 404
refused = Client().get("/api/v1/tasks")
assert (refused.status_code, refused["Content-Type"]) == (401, "application/problem+json")
from drf_spectacular.settings import spectacular_settings
assert spectacular_settings.TITLE == "Other"
"""
    for rest_framework in (
        "{}",
        '{"DATETIME_FORMAT": "%s", "COERCE_DECIMAL_TO_STRING": false, "UNAUTHENTICATED_USER": null,'
        ' "NON_FIELD_ERRORS_KEY": "x", "URL_FORMAT_OVERRIDE": null, "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],'
        ' "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.AdminRenderer"]}',
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, rest_framework],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == json.loads(FILE.read_text())


def test_the_page_needs_nothing_from_another_host():
    response = Program().get("/api/v1/docs/")
    page = response.content.decode()

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert "//" not in page
    links = re.findall(r'(?:src|href)="/static/([^"]+)"', page)
    assert len(links) == 3
    assert all(finders.find(link) for link in links)
    policy = response["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    nonces = re.findall(r'<script nonce="([^"]+)"', page)
    assert nonces == [re.search(r"'nonce-([^']+)'", policy)[1]] * 2
    assert nonces[0] not in Program().get("/api/v1/docs/").content.decode()
