"""The three apps in somebody else's project, set up as the README says and with nothing of ours around them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from taskqueue_project.embedded.ports import free_port
from tests.processes import ROOT, database_url
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

README = (ROOT / "README.md").read_text()

PROJECT = {
    "manage.py": """
        import os, sys
        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        from django.core.management import execute_from_command_line
        if __name__ == "__main__":
            execute_from_command_line(sys.argv)
    """,
    "shop/__init__.py": "",
    "shop/settings.py": """
        import os
        from urllib.parse import urlsplit
        url = urlsplit(os.environ["DATABASE_URL"])
        SECRET_KEY = "of the shop"
        ALLOWED_HOSTS = ["127.0.0.1"]
        ROOT_URLCONF = "shop.urls"
        USE_TZ = True
        STATIC_URL = "/static/"
        INSTALLED_APPS = [
            {apps}
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "orders",
        ]
        MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ]
        TEMPLATES = [{{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {{"context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]}},
        }}]
        DATABASES = {{"default": {{
            "ENGINE": "django.db.backends.postgresql", "NAME": "other_project",
            "USER": url.username, "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port,
        }}}}
        {tasks}
    """,
    "shop/urls.py": """
        from django.urls import include, path
        from django.contrib import admin
        urlpatterns = [
            path("staff/", admin.site.urls),
            path("queue/", include("analytics_app.urls")),
        ]
    """,
    "shop/asgi.py": """
        import os
        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        from django.core.asgi import get_asgi_application
        from analytics_app.routing import with_live_console
        application = with_live_console(get_asgi_application())
    """,
    "orders/__init__.py": "",
    "orders/tasks.py": """
        try:
            from django.tasks import task as django_task
        except ImportError:
            from django_tasks import task as django_task
        from tasks_app import task

        @task(max_attempts=5)
        def ship(order):
            return f"shipped {order}"

        @django_task
        def bill(order):
            return f"billed {order}"
    """,
}


def block(language: str, marker: str) -> str:
    """The code block of the README that holds `marker`."""
    blocks = README.split(f"```{language}\n")[1:]
    (found,) = [text.split("```")[0] for text in blocks if marker in text]
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Written from the README's own words on INSTALLED_APPS and TASKS."""
    settings = block("python", "TASKS = ")
    apps = settings.split("INSTALLED_APPS = [\n")[1].split("    ...")[0]
    tasks = "TASKS = " + settings.split("TASKS = ")[1]
    for name, text in PROJECT.items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        written = textwrap.dedent(text).lstrip()
        if name == "shop/settings.py":
            written = written.format(apps=apps.strip(), tasks=tasks)
        path.write_text(written)
    # On its path are the three apps, as an installation would put them, and not taskqueue_project.
    site = tmp_path / "site"
    site.mkdir()
    for app in ("tasks_app", "workers_app", "analytics_app"):
        (site / app).symlink_to(ROOT / app)
    return tmp_path / "shop"


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path / "site"),
        "DATABASE_URL": database_url(),
    }

    def run(*command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def output(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    return text


@pytest.fixture
def other_database() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS other_project WITH (FORCE)")
        cursor.execute("CREATE DATABASE other_project")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE other_project WITH (FORCE)")


def test_the_apps_work_in_another_project(run, other_database):
    assert "no issues" in output(run("manage.py", "check"))
    assert "No changes detected" in output(run("manage.py", "makemigrations", "--check"))
    output(run("manage.py", "migrate", "-v", "0"))
    code = (
        "from orders.tasks import ship, bill; print(ship.enqueue(7).id); print(bill.enqueue(8).id)"
    )
    ids = output(run("manage.py", "shell", "-v", "0", "-c", code)).split()

    output(run("manage.py", "runworker", "--burst"))

    code = f"from orders.tasks import ship, bill; print([t.get_result(i).return_value for t, i in zip((ship, bill), {ids!r})])"
    assert "['shipped 7', 'billed 8']" in output(run("manage.py", "shell", "-v", "0", "-c", code))


def test_its_console_api_and_sockets_answer_where_they_were_included(run, other_database):
    output(run("manage.py", "migrate", "-v", "0"))
    port = free_port()
    server = run("-m", "uvicorn", "shop.asgi:application", "--port", str(port), "--lifespan", "off")
    try:
        base = f"http://127.0.0.1:{port}"

        def status(path: str) -> int:
            try:
                with urllib.request.urlopen(base + path, timeout=10) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
            except OSError:
                return 0

        eventually(lambda: status("/queue/livez") == 200, timeout=30)
        assert status("/queue/readyz") == 200
        assert status("/queue/console/login/") == 200
        assert status("/queue/api/v1/tasks") == 401
        # The project's own admin is beside ours and keeps its looks.
        with urllib.request.urlopen(base + "/staff/login/", timeout=10) as answer:
            assert "console.css" not in answer.read().decode()
        with (
            connect(f"ws://127.0.0.1:{port}/ws/live", origin=base) as socket,
            pytest.raises(ConnectionClosedError) as closed,
        ):
            socket.recv(timeout=10)
        assert closed.value.rcvd.code == 4401
        with urllib.request.urlopen(base + "/queue/api/v1/schema", timeout=20) as answer:
            assert json.load(answer)["openapi"].startswith("3.1")
    finally:
        server.terminate()
        server.communicate(timeout=20)
